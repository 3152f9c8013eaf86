"""Where everything is that a command asks, as the options say it or else the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from ops.control.errors import NoAnswer, NoCredential, NotAsked
from ops.control.screen import Screen
from ops.control.service import Service, service_at
from supervisor.secret_files import given_secret

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Place:
    """What is None was not said by an option. The properties are None if the environment does not say it either."""

    url: str
    database_option: str | None = field(default=None, repr=False)
    redis_option: str | None = field(default=None, repr=False)

    @property
    def database_url(self) -> str | None:
        """PostgreSQL's. Raises NotAsked."""
        return self.database_option or _of_environment("DATABASE_URL")

    @property
    def redis_url(self) -> str | None:
        """Redis's or Valkey's. Raises NotAsked."""
        return self.redis_option or _of_environment("REDIS_URL")

    @property
    def keyring(self) -> Path | None:
        """The file of keys that seal credentials."""
        path = os.environ.get("BACKUP_ENCRYPTION_KEY_PATH")
        return Path(path) if path else None

    def read(
        self, screen: Screen, ask: Callable[[Service], Result], saved: Callable[[str], Result]
    ) -> Result:
        """What the service says or, if there is none to ask, what PostgreSQL has saved. Raises ControlError."""
        try:
            return ask(service_at(self.url))
        except (NoAnswer, NoCredential) as error:
            if self.database_url is None:
                fix = f"{error} (--database-url would show what is saved)"
                raise type(error)(fix, error.problem) from None
            found = saved(self.database_url)
            screen.aside(f"Shown is what PostgreSQL has saved: {error}")
            return found


def _of_environment(name: str) -> str | None:
    try:
        return given_secret(os.environ, name)
    except ValueError as fault:
        raise NotAsked(str(fault)) from None

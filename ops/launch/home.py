"""The folder in which one installation keeps its servers' data, its secrets and its sessions."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


class LaunchError(Exception):
    """Cannot go on; the sentence names the fix."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where everything of one installation lives. The sandbox and the real thing never share one."""

    path: Path

    @classmethod
    def at(cls, data: Path, *, sandbox: bool) -> Self:
        """The installation's folder, made if need be, closed to others."""
        path = data / ("sandbox" if sandbox else "real")
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return cls(path)

    @property
    def sandbox_file(self) -> Path:
        """The sandbox DC's description of itself."""
        return self.path / "telegram" / "sandbox.json"

    def keyring(self) -> Path:
        """The keys that seal the credentials in the database, made if there are none yet."""
        from actors.adapters.keyring import KeyringError, add_key  # noqa: PLC0415 - after the banner: it takes a moment

        path = self.path / "keyring"
        try:
            if not path.exists():
                add_key(path, "first")
        except KeyringError as error:
            raise LaunchError(str(error)) from None
        return path

    def write(self, name: str, text: str) -> None:
        """Write a file that only we may read, whole or not at all."""
        target = self.path / name
        fresh = target.with_suffix(".new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)
        fresh.replace(target)


@dataclass(frozen=True, slots=True)
class Keys:
    """Secrets that the installation makes for itself at its first start."""

    app_password: str
    service_key: str
    hmac_secret: str

    @classmethod
    def of(cls, home: Home) -> Self:
        """The installation's keys, made if there are none yet."""
        path = home.path / "keys.json"
        if path.exists():
            return cls(**json.loads(path.read_text()))
        keys = cls(*(secrets.token_hex(32) for _ in range(3)))
        home.write(path.name, json.dumps(asdict(keys)))
        return keys


@dataclass(frozen=True, slots=True)
class Run:
    """How a running installation is reached: what a second terminal needs to know."""

    api_url: str
    metrics_url: str
    service_key: str

    def save(self, home: Home) -> None:
        """Leave it for `Run.of`."""
        home.write("run.json", json.dumps(asdict(self)))

    @classmethod
    def of(cls, home: Home) -> Self:
        """The installation that runs now. Raises LaunchError if none was started."""
        try:
            return cls(**json.loads((home.path / "run.json").read_text()))
        except FileNotFoundError:
            raise LaunchError(
                "nothing runs here yet: start it in another terminal with ops/start --sandbox"
            ) from None

    @staticmethod
    def forget(home: Home) -> None:
        """It runs no longer."""
        (home.path / "run.json").unlink(missing_ok=True)

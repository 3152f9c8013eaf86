"""Where everything is that an import needs, as the arguments and the environment say it."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actors.adapters.keyring import KeyringFile
from actors.core.foreign import TELEGRAM, Network
from supervisor.imports import network_of
from supervisor.settings import SANDBOX_ENVIRONMENT, SandboxTelegram, SettingsError

PRODUCTION = "production"


class UsageError(Exception):
    """The arguments do not say what to do. The sentence names the fix."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is. What is None was not said."""

    sessions: Path
    database_url: str | None = field(repr=False)
    redis_url: str | None = field(repr=False)
    keyring: Path | None
    named_environment: str | None
    sandbox: Path | None
    metrics_file: Path | None

    @property
    def environment(self) -> str:
        """What credentials are bound to, as the service has it."""
        return SANDBOX_ENVIRONMENT if self.sandbox else self.named_environment or PRODUCTION

    def network(self) -> Network:
        """Which Telegram the sessions have to be of. Raises UsageError."""
        try:
            return network_of(SandboxTelegram.read(self.sandbox)) if self.sandbox else TELEGRAM
        except SettingsError as error:
            raise UsageError(str(error)) from None

    def keyring_file(self) -> KeyringFile:
        """The keyring. Raises KeyringError and UsageError."""
        if self.keyring is None:
            raise UsageError(
                "BACKUP_ENCRYPTION_KEY_PATH is missing: name the keyring's file, or give --keyring"
            )
        return KeyringFile(self.keyring)

    def database(self) -> str:
        """The database's URL. Raises UsageError."""
        if self.database_url is None:
            raise UsageError("DATABASE_URL is missing: give PostgreSQL's URL, or --database-url")
        return self.database_url


def read_accounts(path: Path) -> Mapping[str, int]:
    """The file of --accounts: whose each file is, by its path below the folder. Raises UsageError."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = [(number, row) for number, row in enumerate(csv.reader(file), 1) if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--accounts: {path} cannot be read ({type(error).__name__})") from None
    return dict(_account(path, number, row) for number, row in rows)


def _account(path: Path, number: int, row: list[str]) -> tuple[str, int]:
    fields = [value.strip() for value in row]
    if len(fields) != 2 or not (fields[1].isascii() and fields[1].isdecimal() and int(fields[1])):  # noqa: PLR2004
        raise UsageError(
            f"--accounts: line {number} of {path} is not a path and a user id, such as acme/crm.string,123456789"
        )
    return fields[0], int(fields[1])

"""The process's settings, read once from the environment; faults are named all at once, values never."""

from __future__ import annotations

import ipaddress
import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from actors.adapters.keyring import Keyring, KeyringError
from actors.core.names import NAME_PATTERN
from supervisor.secret_files import read_secret_files, secrets_directory

SHORTEST_SECRET = 32
FEWEST_CHARACTERS = 6
"""Different ones: what has fewer was typed by holding a key down, not made at random."""

OUR_SECRETS = ("supabase_service_role_key", "miniapp_hmac_secret", "miniapp_hmac_secret_next")
DIFFERENT_SECRETS = ("supabase_anon_key", *OUR_SECRETS, "supabase_jwt_secret")
"""As the fields follow each other. Every browser has the anon key, and Supabase the secret of its tokens."""

LONG_SECRETS = (*OUR_SECRETS, "supabase_jwt_secret")
REAL_TELEGRAM = ("telegram_api_id_master", "telegram_api_hash_master")
ENVIRONMENT_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"
SANDBOX_ENVIRONMENT = "sandbox"
PLACEHOLDERS = ("your-", "changeme", "change-me", "secret-here", "example")


MOST_BOTS = 16
"""Each of them is tried for every Mini App whose bot is not ours."""

_BOT = re.compile(rf"[0-9]{{3,16}}={NAME_PATTERN}", re.ASCII)
_BOT_TOKEN = re.compile(r"[0-9]{3,16}:[A-Za-z0-9_-]{20,64}", re.ASCII)


class SettingsError(Exception):
    """The environment is not fit to start with. Its text names every variable and the fix, never a value."""


@dataclass(frozen=True, slots=True)
class SandboxDc:
    """One data centre of the sandbox."""

    id: int
    host: str
    port: int


@dataclass(frozen=True, slots=True)
class SandboxTelegram:
    """The sandbox DC to talk to instead of Telegram, as `TELEGRAM_SANDBOX` names its description file."""

    home: SandboxDc
    rsa_public_key: str
    api_id: int
    api_hash: str
    dcs: tuple[SandboxDc, ...] = ()

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read the sandbox's `sandbox.json`. Raises SettingsError."""
        try:
            found: Mapping[str, Any] = json.loads(path.read_text())
            dcs = tuple(SandboxDc(*dc) for dc in found["dcs"])
            homes = [dc for dc in dcs if dc.id == found["home_dc"]]
            return cls(homes[0], found["rsa_public_key"], found["api_id"], found["api_hash"], dcs)
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise SettingsError(
                f"TELEGRAM_SANDBOX: {path} is no sandbox description ({type(error).__name__}). "
                "Start one with: python -m ops.sandbox --directory DIR"
            ) from error


class Settings(BaseSettings):
    """Everything that can be set, under the names of the environment variables."""

    model_config = SettingsConfigDict(
        frozen=True, hide_input_in_errors=True, extra="ignore", env_ignore_empty=True, populate_by_name=True
    )

    database_url: SecretStr
    redis_url: SecretStr
    supabase_url: str | None = None
    supabase_anon_key: SecretStr | None = None
    supabase_service_role_key: SecretStr
    miniapp_hmac_secret: SecretStr
    miniapp_hmac_secret_next: SecretStr | None = None
    miniapp_bots: Annotated[Mapping[int, str], NoDecode] = Field(default_factory=dict)
    supabase_jwt_secret: SecretStr | None = None
    telegram_bot_token: SecretStr | None = None
    limit_qr_starts: int = Field(default=300, ge=1, le=1_000_000)
    limit_code_requests: int = Field(default=120, ge=1, le=1_000_000)
    limit_password_attempts: int = Field(default=120, ge=1, le=1_000_000)
    miniapp_timestamp_tolerance: int = Field(default=300, ge=30, le=3600)
    telegram_api_id_master: int | None = Field(default=None, gt=0)
    telegram_api_hash_master: SecretStr | None = None
    feature_unified_session_manager: bool = True
    sessions_base_path: Path = Path("/app/sessions")
    discover_sessions: bool = False
    # Also http, and addresses of this machine and its network; for tests and closed networks.
    webhook_allow_private: bool = False
    qr_ticket_ttl: int = Field(default=600, ge=60, le=600)
    session_lock_ttl: int = Field(default=30, ge=10, le=300)
    connects_per_second: int = Field(default=50, ge=1, le=1000)
    # Seconds after which the connection of a session that nobody needs is closed until somebody does; 0 is never.
    idle_after: int = Field(default=0, ge=0, le=86400)
    node_capacity: int = Field(default=5000, ge=1, le=100_000)
    ownership_profile: Literal["small", "large"] = "small"
    enable_session_backup: bool = False
    backup_encryption_key_path: Path
    backup_retention_days: int = Field(default=7, ge=1)
    credential_grace_days: int = Field(default=7, ge=0, le=365)
    environment_name: str = Field(default="production", pattern=ENVIRONMENT_PATTERN)
    backup_every_hours: float = Field(default=24.0, ge=0.1, le=168.0)
    # Below the two that its check compares it with.
    backups_path: Path | None = None
    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=9090, ge=0, le=65535)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "console"] = "json"
    bridge_engine: Literal["fast", "stock"] = Field(
        default="fast", validation_alias=AliasChoices("bridge_engine", "RUNTIME")
    )
    # Below all that its check compares it with: fields are checked in this order.
    telegram_sandbox: Path | None = Field(default=None, validate_default=True)

    @field_validator("supabase_anon_key", "telegram_api_hash_master", "supabase_jwt_secret", *OUR_SECRETS)
    @classmethod
    def _is_no_placeholder(cls, secret: SecretStr | None, field: ValidationInfo) -> SecretStr | None:
        text = "" if secret is None else secret.get_secret_value().lower()
        if any(word in text for word in PLACEHOLDERS):
            raise ValueError(f"is a placeholder{_HINTS[str(field.field_name).upper()]}")
        return secret

    @field_validator(*LONG_SECRETS)
    @classmethod
    def _is_strong(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is None:
            return None
        text = secret.get_secret_value()
        if len(text.encode()) < SHORTEST_SECRET:
            raise ValueError(f"is shorter than {SHORTEST_SECRET} bytes; make one with: openssl rand -hex 32")
        if len(set(text)) < FEWEST_CHARACTERS:
            raise ValueError("is too simple; make one with: openssl rand -hex 32")
        return secret

    @field_validator(*DIFFERENT_SECRETS)
    @classmethod
    def _secrets_differ(cls, secret: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        for name in DIFFERENT_SECRETS[: DIFFERENT_SECRETS.index(str(others.field_name))]:
            if secret is not None and secret == others.data.get(name):
                raise ValueError(f"{name.upper()} and {str(others.field_name).upper()} must differ")
        return secret

    @field_validator("backup_encryption_key_path")
    @classmethod
    def _is_a_keyring(cls, path: Path) -> Path:
        try:
            Keyring.read(path)
        except KeyringError as error:
            raise ValueError(f"BACKUP_ENCRYPTION_KEY_PATH: {error}") from None
        return path

    @field_validator("environment_name")
    @classmethod
    def _is_not_the_sandbox(cls, name: str) -> str:
        if name == SANDBOX_ENVIRONMENT:
            raise ValueError(f"{name!r} is what the sandbox is called; choose another name")
        return name

    @field_validator("telegram_bot_token")
    @classmethod
    def _is_a_bots(cls, token: SecretStr | None, others: ValidationInfo) -> SecretStr | None:
        if token is None:
            return None
        text = token.get_secret_value()
        if not _BOT_TOKEN.fullmatch(text):
            raise ValueError("is no bot's token; @BotFather shows it")
        if int(text.partition(":")[0]) not in others.data.get("miniapp_bots", {}):
            raise ValueError("is of a bot that MINIAPP_BOTS does not name; add its id and its tenant there")
        return token

    @field_validator("miniapp_bots", mode="before")
    @classmethod
    def _bots(cls, text: object) -> object:
        if not isinstance(text, str):
            return text
        parts = [part.strip() for part in text.split(",")]
        if not all(_BOT.fullmatch(part) for part in parts) or len(parts) > MOST_BOTS:
            raise ValueError(f"should be <bot id>=<tenant>[,…], for {MOST_BOTS} bots at most")
        return {int(bot): tenant for bot, _, tenant in (part.partition("=") for part in parts)}

    @field_validator("backups_path")
    @classmethod
    def _is_elsewhere(cls, path: Path | None, others: ValidationInfo) -> Path | None:
        sessions = others.data.get("sessions_base_path")
        if path and sessions and path.resolve().is_relative_to(sessions.resolve()):
            raise ValueError("lies within SESSIONS_BASE_PATH; name a folder elsewhere, best on another disk")
        return path

    @field_validator("telegram_sandbox")
    @classmethod
    def _one_telegram(cls, sandbox: Path | None, others: ValidationInfo) -> Path | None:
        given = others.data
        absent = [name.upper() for name in REAL_TELEGRAM if name in given and given[name] is None]
        if sandbox is None and absent:
            verb = "is" if len(absent) == 1 else "are"
            raise ValueError(
                f"{' and '.join(absent)} {verb} missing; get them at https://my.telegram.org "
                "(API development tools), or try everything with: ops/start --sandbox"
            )
        if sandbox is not None and len(absent) < len(REAL_TELEGRAM):
            raise ValueError(
                "TELEGRAM_SANDBOX refuses real credentials: unset TELEGRAM_API_ID_MASTER and "
                "TELEGRAM_API_HASH_MASTER, or unset TELEGRAM_SANDBOX"
            )
        if sandbox is not None and not all(
            _is_loopback(given.get(name, "")) for name in ("host", "metrics_host")
        ):
            raise ValueError(
                "TELEGRAM_SANDBOX serves this machine only: set HOST and METRICS_HOST to 127.0.0.1"
            )
        return sandbox

    @property
    def environment(self) -> str:
        """What the seals of credentials are bound to: a copy of them is inert in any other environment."""
        return self.environment_name if self.telegram_sandbox is None else SANDBOX_ENVIRONMENT

    @property
    def backups_folder(self) -> Path:
        """Where backups are kept: BACKUPS_PATH, or `backups` beside the folder of session files."""
        return self.backups_path or self.sessions_base_path.absolute().parent / "backups"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load_settings(**overrides: object) -> Settings:
    """The settings of this process's environment. Raises SettingsError with every fault in it at once."""
    files = read_secret_files(os.environ, SECRETS)
    directory, unreadable = secrets_directory(os.environ, SECRETS)
    lines = [*files.faults, *unreadable]
    try:
        settings = Settings(_secrets_dir=directory, **files.values, **overrides)  # type: ignore[call-arg,arg-type]  # the base class takes it; each field checks its own value
    except ValidationError as error:
        faults = error.errors(include_input=False)
        lines += [
            _line(fault["loc"], fault["msg"])
            for fault in faults
            if not set(map(str, fault["loc"])) & files.missing
        ]
    if lines:
        raise SettingsError("cannot start:\n" + "\n".join(f"  {line}" for line in sorted(lines))) from None
    return settings


def _line(location: tuple[int | str, ...], message: str) -> str:
    sentence = message.removeprefix("Value error, ")
    if not location or sentence.startswith(("TELEGRAM_", "SUPABASE_", "MINIAPP_", "BACKUP_")):
        return sentence  # it names its variables itself
    name = str(location[0]).upper()
    if message == "Field required":
        return f"{name} is missing{_HINTS.get(name, '')}"
    return f"{name} {sentence[:1].lower()}{sentence[1:]}"


SECRETS = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)
"""The settings that may come from files too."""

_HINTS = {
    "DATABASE_URL": "; give PostgreSQL's URL, or let ops/start bring its own server",
    "REDIS_URL": "; give the URL of Redis or Valkey, or let ops/start bring its own server",
    "SUPABASE_ANON_KEY": "; Supabase shows it under API settings",
    "SUPABASE_SERVICE_ROLE_KEY": "; Supabase shows it under API settings, elsewhere: openssl rand -hex 32",
    "MINIAPP_HMAC_SECRET": "; make one with: openssl rand -hex 32, or everything at once with: ops/sessionctl init",
    "BACKUP_ENCRYPTION_KEY_PATH": "; make a keyring with: python -m ops.keys add PATH, and keep a copy elsewhere",
    "MINIAPP_HMAC_SECRET_NEXT": "; make one with: openssl rand -hex 32",
    "SUPABASE_JWT_SECRET": "; Supabase shows it under API settings",
    "TELEGRAM_API_HASH_MASTER": "; get yours at https://my.telegram.org (API development tools)",
}

"""Environments to start with: a good one, a sandbox's, and a place to put them that holds nothing else."""

from __future__ import annotations

import atexit
import os
import tempfile
from pathlib import Path

import pytest

from actors.adapters.keyring import add_key
from supervisor.settings import Settings, SettingsError, load_settings

MARKER = "leaked"
STRONG, OTHER = f"{MARKER}-{'s' * 32}", f"{MARKER}-{'o' * 32}"
_FOLDER = tempfile.TemporaryDirectory(prefix="usm-test-")
atexit.register(_FOLDER.cleanup)
KEYRING = Path(_FOLDER.name) / "keyring"
add_key(KEYRING, "first")
API_HASH = "0123456789abcdef0123456789abcdef"

GOOD = {
    "DATABASE_URL": f"postgresql://user:{MARKER}@localhost/db",
    "REDIS_URL": f"redis://:{MARKER}@localhost:6379",
    "SUPABASE_SERVICE_ROLE_KEY": STRONG,
    "MINIAPP_HMAC_SECRET": OTHER,
    "BACKUP_ENCRYPTION_KEY_PATH": str(KEYRING),
    "TELEGRAM_API_ID_MASTER": "12345",
    "TELEGRAM_API_HASH_MASTER": API_HASH,
}
TELEGRAM = ("TELEGRAM_API_ID_MASTER", "TELEGRAM_API_HASH_MASTER")
SANDBOX = {name: value for name, value in GOOD.items() if name not in TELEGRAM} | {
    "TELEGRAM_SANDBOX": "sandbox.json"
}


class Environment:
    """The process's environment, made of nothing but what a test puts in it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch
        for name in list(os.environ):
            monkeypatch.delenv(name)

    def load(self, values: dict[str, str]) -> Settings:
        for name, value in values.items():
            self._monkeypatch.setenv(name, value)
        return load_settings()

    def faults(self, values: dict[str, str]) -> list[str]:
        """What is said about these, a line for each fault."""
        with pytest.raises(SettingsError) as refused:
            self.load(values)
        first, *lines = str(refused.value).splitlines()
        assert first == "cannot start:"
        return [line.strip() for line in lines]

"""What the sandbox remembers over a restart: one JSON file, replaced whole whenever something changed."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import ClassVar

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ops.sandbox.accounts import Account
from ops.sandbox.files import replace_file
from ops.sandbox.keys import AuthKey
from ops.sandbox.rsa_key import RsaKey


@cache
def _key_of_this_process() -> str:
    return RsaKey.generate().private_pem


@dataclass
class State:
    """The whole memory. `ports` are those of the data centres by id, and of the control interface as 0."""

    __pydantic_config__: ClassVar = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    rsa_key: str = field(default_factory=_key_of_this_process, repr=False)
    control_key: str = field(default_factory=lambda: secrets.token_urlsafe(32), repr=False)
    ports: dict[int, int] = field(default_factory=dict)
    accounts: list[Account] = field(default_factory=list)
    keys: list[AuthKey] = field(default_factory=list)


_AS_JSON = TypeAdapter(State)


class StateFile:
    """Where the memory is kept; in no file at all without a directory."""

    def __init__(self, directory: Path | None) -> None:
        self._path = directory / "state.json" if directory else None
        self._is_changed = False

    def load(self) -> State:
        """The memory of the last run, or a fresh one; ValueError when the file is not ours."""
        if self._path is None or not self._path.exists():
            return State()
        try:
            return _AS_JSON.validate_json(self._path.read_bytes())
        except ValidationError:
            raise ValueError(f"{self._path} is damaged: delete it to begin a new sandbox") from None

    def changed(self) -> None:
        """Note that the next `save` has something to write."""
        self._is_changed = True

    def save(self, snapshot: Callable[[], State]) -> None:
        """Write the memory if it changed."""
        if self._is_changed and self._path is not None:
            replace_file(self._path, _AS_JSON.dump_json(snapshot()))
        self._is_changed = False

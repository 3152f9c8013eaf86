"""Who is connected with which key, and the proof when one key is in use twice at once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ops.sandbox import tl
from ops.sandbox.keys import AuthKey


class Line(Protocol):
    """What the rest of the sandbox may do with a connection."""

    dc_id: int
    peer: str
    since: float
    was_revoked: bool

    @property
    def is_open(self) -> bool: ...
    def push(self, key: AuthKey, update: tl.Tl) -> None: ...
    def close_after(self, delay: float | None) -> None: ...
    def end_session(self, key: AuthKey, session_id: int) -> bool: ...
    def refuse_key(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DuplicateUse:
    """One auth key spoke on two live connections at once: at Telegram that destroys the login."""

    user_id: int
    dc_id: int
    at: float
    first_peer: str
    second_peer: str


class Live:
    """The open connections, by the keys that have spoken on them."""

    def __init__(self) -> None:
        self._lines: dict[AuthKey, list[Line]] = {}

    def __iter__(self) -> Iterator[tuple[AuthKey, Line]]:
        return iter([(key, line) for key, lines in self._lines.items() for line in lines])

    def of(self, key: AuthKey) -> list[Line]:
        """The open connections on which a key has spoken."""
        return [line for line in self._lines.get(key, []) if line.is_open]

    def speaks(self, key: AuthKey, line: Line) -> DuplicateUse | None:
        """Note that `key` speaks on `line`; what is wrong with that when it is logged in and speaks elsewhere too."""
        lines = self._lines.setdefault(key, [])
        if line not in lines:
            lines.append(line)
        others = [other for other in self.of(key) if other is not line]
        if key.user_id is None or not others:
            return None
        return DuplicateUse(key.user_id, key.dc_id, time.time(), others[0].peer, line.peer)

    def leaves(self, line: Line) -> None:
        """Note that a connection is gone."""
        for key, lines in list(self._lines.items()):
            if line in lines:
                lines.remove(line)
            if not lines:
                del self._lines[key]

    def push(self, key: AuthKey, update: tl.Tl) -> None:
        """Send an update to whoever is connected with `key` and wants updates."""
        for line in self.of(key):
            line.push(key, update)

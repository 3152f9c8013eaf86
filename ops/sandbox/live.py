"""Who is connected with which key, and the proof when one key is in use twice at once."""

import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from ops.sandbox import tl
from ops.sandbox.keys import AuthKey


class Line(Protocol):
    """What the rest of the sandbox sees of a connection, and may do with it."""

    dc_id: int
    peer: str
    since: float
    was_revoked: bool

    @property
    def is_open(self) -> bool:
        """Whether the client can still be reached, as far as this side knows."""
        ...

    def push(self, key: AuthKey, update: tl.Tl) -> None:
        """Send an update to the sessions that `key` has here, those excepted that want none."""
        ...

    def close_after(self, delay: float | None) -> None:
        """End the connection in `delay` seconds unless this is called again; None takes that back."""
        ...

    def end_session(self, key: AuthKey, session_id: int) -> bool:
        """Forget a session of `key`; False if there is none here."""
        ...

    def refuse_key(self) -> None:
        """Say that the key is not known here, and end the connection."""
        ...

    def hang_up(self, *, by_reset: bool = False) -> None:
        """End the connection, in order or by a TCP reset."""
        ...


@dataclass(frozen=True, slots=True)
class DuplicateUse:
    """One auth key spoke on two live connections at once: at Telegram that destroys the login."""

    user_id: int
    dc_id: int
    at: float
    first_peer: str
    second_peer: str


@dataclass(frozen=True, slots=True)
class FirstWords:
    """What an auth key said first over a connection, in one packet.

    `delay` is that of the `ping_delay_disconnect` that it begins with, and `accepted` whether it was in order; until
    a packet was, the next is noted too. Without a delay, nothing ends a connection whose client has vanished.
    """

    dc_id: int
    peer: str
    phone: str | None
    methods: tuple[str, ...]
    delay: int | None
    accepted: bool


class Live:
    """The open connections, by the keys that have spoken on them."""

    def __init__(self) -> None:
        self._lines: defaultdict[AuthKey, list[Line]] = defaultdict(list)
        self._keys: dict[Line, list[AuthKey]] = {}
        self._left: dict[AuthKey, float] = {}

    def __iter__(self) -> Iterator[tuple[AuthKey, Line]]:
        return iter([(key, line) for line, keys in self._keys.items() for key in keys])

    def lines(self) -> list[Line]:
        """The open connections, those included on which no key has spoken yet."""
        return [line for line in self._keys if line.is_open]

    def comes(self, line: Line) -> None:
        """Note a new connection."""
        self._keys[line] = []

    def keys_on(self, line: Line) -> list[AuthKey]:
        """The keys that have spoken on a connection."""
        return list(self._keys.get(line, ()))

    def of(self, key: AuthKey) -> list[Line]:
        """The open connections on which a key has spoken."""
        return [line for line in self._lines.get(key, ()) if line.is_open]

    def left_at(self, key: AuthKey) -> float | None:
        """When the last connection of a key ended, in seconds since the epoch; None if it has had none before."""
        return self._left.get(key)

    def speaks(self, key: AuthKey, line: Line) -> DuplicateUse | None:
        """Note that `key` speaks on `line`; the proof, when it is logged in and has another live line."""
        if key not in self._keys[line]:
            self._keys[line].append(key)
            self._lines[key].append(line)
        others = [other for other in self.of(key) if other is not line]
        if key.user_id is None or not others:
            return None
        return DuplicateUse(key.user_id, key.dc_id, time.time(), others[0].peer, line.peer)

    def leaves(self, line: Line) -> None:
        """Note that a connection is gone."""
        for key in self._keys.pop(line, ()):
            self._left[key] = time.time()
            self._lines[key].remove(line)
            if not self._lines[key]:
                del self._lines[key]

    def push(self, key: AuthKey, update: tl.Tl) -> None:
        """Send an update to whoever is connected with `key` and wants updates."""
        for line in self.of(key):
            line.push(key, update)

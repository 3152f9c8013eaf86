"""The data centre: auth keys, connections with their timers, and the referee of what must never be open at once."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto

import trio

from actors.core.credential import Credential
from actors.core.names import SessionKey
from actors.core.secret import Secret
from supervisor.ownership.timings import Timings
from tests.simulation.rules import Rules

NEAR = (0.005, 0.25)
"""Seconds that a packet travels."""


class Packet(Enum):
    """What a supervisor sends."""

    FIRST = auto()
    """A container: `ping_delay_disconnect`, and the call that validates the session."""
    PING = auto()
    CALL = auto()
    FIN = auto()
    RST = auto()


class Told(Enum):
    """What a supervisor's kernel hears."""

    PONG = auto()
    ANSWER = auto()
    EOF = auto()
    ERROR = auto()


@dataclass(eq=False)
class AuthKey:
    """One session's key, and the connections that are open with it."""

    key: SessionKey
    credential: Credential
    open: set[FarEnd] = field(default_factory=set)


@dataclass(eq=False)
class FarEnd:
    """The data centre's end of one connection: open from the first packet until FIN, RST, or the timer."""

    auth_key: AuthKey
    tell: Callable[[Told], None]
    name: str
    life: str
    """Which process has it: a name that no other process ever has."""
    is_left: bool = False
    """Whether that process has dropped it."""
    is_over: bool = False
    closes_at: float = 0.0


class DataCentre:
    """Works in the world's time. `has_timers` and `duplicates_at` are for breaking it on purpose, and for reading."""

    def __init__(
        self, rules: Rules, chance: random.Random, timings: Timings, outside: Callable[..., None]
    ) -> None:
        self.keys: dict[SessionKey, AuthKey] = {}
        self.has_timers = True
        self._rules = rules
        self._chance = chance
        self._timings = timings
        self._outside = outside

    def let_in(self, key: SessionKey, number: int) -> Credential:
        """Make somebody's auth key."""
        credential = Credential(1000 + number, 2, "127.0.0.1", 443, Secret(f"{number:0512x}"))
        self.keys[key] = AuthKey(key, credential)
        return credential

    def arrive(self, end: FarEnd, packet: Packet) -> None:
        """A packet has come over the wire."""
        if end.is_over:
            if packet not in {Packet.RST, Packet.FIN}:
                end.tell(Told.ERROR)
            return
        match packet:
            case Packet.RST:
                self._close(end)
            case Packet.FIN:
                self._close(end)
                end.tell(Told.EOF)
            case Packet.FIRST:
                self._open(end)
                self._count_down(end)
                end.tell(Told.PONG)
                end.tell(Told.ANSWER)
            case Packet.PING:
                self._count_down(end)
                end.tell(Told.PONG)
            case Packet.CALL:
                end.tell(Told.ANSWER)

    def _open(self, end: FarEnd) -> None:
        """One that the same life has left behind does not count, as in `tests.ownership`; how often it is so does."""
        rules, auth_key = self._rules, end.auth_key
        for other in sorted(auth_key.open, key=lambda other: other.name):
            is_own = other.life == end.life and (other.is_left or end.is_left)
            rules.hold(is_own, f"no auth key is open twice: {end.name} beside {other.name}", auth_key.key)
            rules.note("opened beside what the same life had left", auth_key.key)
        auth_key.open.add(end)
        rules.note("opened", auth_key.key, end.name)

    def _close(self, end: FarEnd) -> None:
        end.is_over = True
        end.auth_key.open.discard(end)
        self._rules.note("closed", end.auth_key.key, end.name)

    def _count_down(self, end: FarEnd) -> None:
        begun, end.closes_at = end.closes_at > 0, trio.current_time() + self._timings.delay
        if not begun and self.has_timers:
            self._outside(self._time_out, end)

    async def _time_out(self, end: FarEnd) -> None:
        while not end.is_over and trio.current_time() < end.closes_at:
            await trio.sleep_until(end.closes_at)
        if not end.is_over:
            self._rules.note("timer ended", end.auth_key.key, end.name)
            self._close(end)
            end.tell(Told.EOF)

    def drop(self, auth_key: AuthKey) -> None:
        """The data centre closes what it has, by itself."""
        for end in sorted(auth_key.open, key=lambda end: end.name):
            self._close(end)
            end.tell(Told.EOF)

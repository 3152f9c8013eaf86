"""Telegram's side of the simulation: accounts, auth keys, session files, and who uses which key at this moment."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.clock import Clock
from actors.core.messages import Signal
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.ports import Gate
from tests.fakes import FakeAccount
from tests.simulation.rules import Rules

if TYPE_CHECKING:
    from tests.simulation.line import Line

TOKEN_LIFE = 30.0


@dataclass(eq=False, slots=True)
class AuthKey:
    """An auth key as Telegram knows it: who is logged in with it, and whether it still counts."""

    account: FakeAccount | None = None
    let_in: FakeAccount | None = None
    """Who has passed the first factor."""
    ended: Reason | None = None
    connections: int = 0
    tokens: list[QrToken] = field(default_factory=list)
    code_sent: bool = False
    owned: bool = False
    """Whether a session was saved as AUTHORIZED with it."""

    @property
    def is_valid(self) -> bool:
        """Whether somebody is logged in with it."""
        return self.account is not None and self.ended is None


@dataclass(eq=False, slots=True)
class FarSide:
    """All that lies outside the process about one session. It outlives processes."""

    key: SessionKey
    account: FakeAccount
    fragile: bool
    """Whether errors that nobody knows may happen here; every other session must never crash."""
    dc: int = 2
    poisoned: bool = False
    frozen: bool = False
    file: AuthKey | None = None
    replaced: list[AuthKey] = field(default_factory=list)
    line: Line | None = None
    revokes_waiting: int = 0
    revoke_asked: bool = False

    def scan(self, url: Secret, account: FakeAccount, now: float) -> bool:
        """Point a phone at a QR. It may be too old, or of a login that was given up."""
        key = self.line.login if self.line else None
        alive = key and any(token.url == url and now < token.expires_at for token in key.tokens)
        if key is None or not alive or key.let_in:
            return False
        key.let_in = account
        return True


class World:
    """Everybody's far side. It is the OpenTelegram port, and judges how its credentials are treated."""

    gate: Gate
    """That of the process which runs now."""

    def __init__(self, rules: Rules, clock: Clock, chance: random.Random) -> None:
        self.rules = rules
        self.clock = clock
        self.chance = chance
        self.sessions: dict[SessionKey, FarSide] = {}
        self.open_lines = 0
        self.outage = False
        self.trouble = 0.12
        """How probable it is that a call goes wrong."""
        self._numbered = 0

    @asynccontextmanager
    async def __call__(self, key: SessionKey, tell: Callable[[Signal], None]) -> AsyncIterator[Line]:
        from tests.simulation.line import Line  # noqa: PLC0415 - a line and its world know each other

        far = self.sessions[key]
        self.rules.hold(far.line is None, "a session has one line at a time", key)
        far.line = line = Line(self, far, tell)
        self.open_lines += 1
        try:
            yield line
        finally:
            line.hang_up()
            far.line = None
            self.open_lines -= 1

    def number(self) -> int:
        """One more than the last time."""
        self._numbered += 1
        return self._numbered

    def connected(self, far: FarSide, key: AuthKey) -> None:
        """A connection was opened with this key."""
        key.connections += 1
        self.rules.hold(key.connections == 1, "an auth key is never used twice at once", far.key)

    def adopted(self, far: FarSide, key: AuthKey) -> None:
        """A new credential was written over the session's file."""
        if far.file is not None and far.file.is_valid:
            far.replaced.append(far.file)
        far.file = key
        far.revoke_asked = far.revokes_waiting > 0

    def old_key_logged_out(self, far: FarSide, key: AuthKey) -> None:
        """Telegram was asked to forget the credential that another has taken the place of."""
        self.rules.hold(key is not far.file, "the new key is not logged out as the old one", far.key)
        key.ended = key.ended or Reason.REQUESTED

    def logged_out(self, far: FarSide, key: AuthKey) -> None:
        """Telegram was asked to forget the session's credential.

        One that no session was ever AUTHORIZED with may go: its login was cut off between the file and the row.
        """
        asked = far.revoke_asked or not key.is_valid or not key.owned
        self.rules.hold(asked, "nobody is logged out unless they asked for it", far.key)
        key.ended = key.ended or Reason.REQUESTED

    def calm(self) -> None:
        """No more trouble. Telegram lifts what it can lift."""
        self.outage, self.trouble = False, 0.0
        for far in self.sessions.values():
            far.poisoned = far.frozen = False

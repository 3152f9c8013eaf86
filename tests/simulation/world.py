"""Telegram's side of the simulation: accounts, auth keys, and who uses which key at this moment."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from actors.clock import Clock
from actors.core.credential import Credential
from actors.core.messages import Signal
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.ports import Gate
from tests.fakes import FakeAccount, FakeVault
from tests.simulation.rules import Rules

if TYPE_CHECKING:
    from tests.simulation.line import Line

TOKEN_LIFE = 30.0


@dataclass(eq=False, slots=True)
class AuthKey:
    """An auth key as Telegram knows it: who is logged in with it, and whether it still counts."""

    secret: Secret
    account: FakeAccount | None = None
    let_in: FakeAccount | None = None
    """Who has passed the first factor."""
    ended: Reason | None = None
    connections: int = 0
    tokens: list[QrToken] = field(default_factory=list)
    code_sent: bool = False

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
    on_disk: AuthKey | None = None
    """What lies in the session's file; it may be older than what the vault has."""
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
    vault: FakeVault
    """Where the credentials of all sessions are kept."""

    def __init__(self, rules: Rules, clock: Clock, chance: random.Random) -> None:
        self.rules = rules
        self.clock = clock
        self.chance = chance
        self.sessions: dict[SessionKey, FarSide] = {}
        self.keys: dict[Secret, AuthKey] = {}
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

    def new_key(self) -> AuthKey:
        """A key that nobody is logged in with yet."""
        secret = Secret(f"{self.number():0512x}")
        key = self.keys[secret] = AuthKey(secret)
        return key

    def current(self, key: SessionKey) -> AuthKey | None:
        """The key that is the session's, as the vault has it."""
        kept = [each.credential for each in self.vault.kept.get(key, []) if each.status == "current"]
        return self.keys[kept[0].auth_key] if kept and kept[0] else None

    def logged_out(self, far: FarSide, key: AuthKey) -> None:
        """Telegram was asked to forget a key. What is a session's own may not go."""
        well = key is not self.current(far.key) or not key.is_valid
        self.rules.hold(well, "nobody is logged out unless they asked for it", far.key)
        key.ended = key.ended or Reason.REQUESTED

    async def log_out(self, key: SessionKey, credential: Credential) -> Signal:
        """Log out a key that no session uses any more, on a connection of its own."""
        from tests.simulation.line import Line  # noqa: PLC0415 - a line and its world know each other

        line = Line(self, self.sessions[key], lambda _: None)
        try:
            return await line.log_out_with(self.keys[credential.auth_key])
        finally:
            line.hang_up()

    def calm(self) -> None:
        """No more trouble. Telegram lifts what it can lift."""
        self.outage, self.trouble = False, 0.0
        for far in self.sessions.values():
            far.poisoned = far.frozen = False

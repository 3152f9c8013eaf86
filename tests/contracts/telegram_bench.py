"""A line to Telegram, fake or real, with what the world does to it that is no business of the port."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import trio

from actors.adapters.telegram import DcAddress, TelegramApp, TelegramApps, TelethonLines
from actors.bridge import in_asyncio
from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from actors.events import ActorEvent, FileLocked, FingerprintComputed
from actors.guard import Guard, Unguarded
from actors.ports import OpenTelegram, Telegram
from ops.sandbox import Sandbox
from ops.sandbox.accounts import Account, code_of
from supervisor.gate import ConnectGate, new_breakers
from supervisor.pace import Pace
from tests.fakes import FakeAccount, FakeApps, FakeTelegram, FakeVault

KEY = SessionKey("tenant-a", "app-1")
SOON = 5.0
"""Seconds within which anything happens that is going to."""

Who = Literal["plain", "guarded", "elsewhere", "bot"]


@dataclass(frozen=True, slots=True)
class Person:
    """Whose account it is, and what they would type."""

    id: int
    phone: Secret
    code: Secret
    password: Secret | None
    hint: str | None
    bot_token: Secret


class Told:
    """What lines tell by themselves, in its order."""

    def __init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[m.Signal](math.inf)

    def __call__(self, signal: m.Signal) -> None:
        self._send.send_nowait(signal)

    async def next(self) -> m.Signal:
        """The next signal that nobody has heard yet."""
        with trio.fail_after(SOON):
            return await self._receive.receive()

    @property
    def unheard(self) -> int:
        """How many signals nobody has heard yet."""
        return self._receive.statistics().current_buffer_used


class TelegramBench(Protocol):
    """Lines for KEY and their surroundings: Telegram's servers, one account, its owner's phone."""

    clock: Clock
    told: Told
    person: Person
    vault: FakeVault

    def open(self) -> AbstractAsyncContextManager[Telegram]:
        """Open a line; only one may be open at a time."""
        ...

    async def accept(self, shown: QrToken) -> None:
        """Let the person scan this QR and confirm."""
        ...

    async def revoke(self) -> None:
        """Let the person end all their logins on another device."""
        ...

    async def ban(self) -> None:
        """Ban the account."""
        ...

    async def drop(self) -> None:
        """Cut the open connection."""
        ...

    def flooded(self, seconds: int) -> AbstractContextManager[None]:
        """Let the one call in the block be answered with the wish to wait so long.

        A Telethon client that was asked to wait for more than 3 seconds refuses the call by itself until then.
        """
        ...

    @property
    def authorizations(self) -> int:
        """With how many keys the account is logged in."""
        ...

    @property
    def connections(self) -> int:
        """How many connections are open, as Telegram sees it."""
        ...

    async def wait_connections(self, number: int) -> None:
        """Wait until so many connections are open, as Telegram sees it."""
        ...


class FakeTelegramBench:
    """The fake."""

    def __init__(self, who: Who) -> None:
        account = FakeAccount(password="sesame", hint="open") if who == "guarded" else FakeAccount()
        self.clock = Clock()
        self.told = Told()
        self.person = _fake_person(account)
        self.vault = FakeVault()
        self._telegram = FakeTelegram(self.clock, self.vault, account)
        self._far_side = self._telegram[KEY]

    def open(self) -> AbstractAsyncContextManager[Telegram]:
        lines: OpenTelegram = self._telegram
        return lines(KEY, self.told)

    async def accept(self, shown: QrToken) -> None:  # noqa: ARG002 - the fake knows what it shows
        self._far_side.accept()

    async def revoke(self) -> None:
        self._end(Reason.SESSION_REVOKED)

    async def ban(self) -> None:
        self._end(Reason.ACCOUNT_BANNED)

    async def drop(self) -> None:
        self._far_side.drop_connection()

    @contextmanager
    def flooded(self, seconds: int) -> Iterator[None]:
        self._far_side.answer(m.FloodWaited(self.clock.now() + seconds))
        yield

    @property
    def authorizations(self) -> int:
        return self._far_side.authorizations

    @property
    def connections(self) -> int:
        return self._far_side.connections

    async def wait_connections(self, number: int) -> None:
        assert self.connections == number

    def check(self) -> None:
        """Fail if two connections were ever open at once."""
        assert self._far_side.most_connections <= 1

    def _end(self, reason: Reason) -> None:
        self._far_side.end(reason)
        if self._far_side.connections:
            self._far_side.line.hang_up()
            self._far_side.push(m.CredentialLost(reason))


class SandboxBench:
    """Lines of Telethon to a sandbox that runs in the same loop. Make it in an open loop."""

    def __init__(self, sandbox: Sandbox, account: Account, base: Path) -> None:
        self.clock = Clock()
        self.told = Told()
        self.person = _sandbox_person(account)
        self.sandbox = sandbox
        self.file = base / KEY.tenant_id / f"{KEY.app_id}.session"
        self._account = account
        self.kept_apps = FakeApps()
        self.apps = TelegramApps(_app(sandbox), self.kept_apps)
        self.gate = ConnectGate(Pace(100, burst=100), new_breakers(lambda _: None), self.clock)
        self.vault = FakeVault()
        self.events: list[ActorEvent] = []
        self.guards: list[Guard] = []
        """For the lines that are opened next, one each; those after them are unguarded."""
        self.lines = TelethonLines(
            self.apps, base, self.vault, self.clock, self.gate, self.events.append, self._next_guard
        )

    def open(self) -> AbstractAsyncContextManager[Telegram]:
        lines: OpenTelegram = self.lines
        return lines(KEY, self.told)

    def _next_guard(self, key: SessionKey) -> Guard:
        assert key == KEY
        return self.guards.pop(0) if self.guards else Unguarded()

    @property
    def troubles(self) -> list[ActorEvent]:
        """What lines told that is not everyday life."""
        return [event for event in self.events if not isinstance(event, FileLocked | FingerprintComputed)]

    async def accept(self, shown: QrToken) -> None:
        await in_loop(lambda: self.sandbox.accept(shown.url.reveal(), self._account.phone))

    async def revoke(self) -> None:
        await in_loop(lambda: self.sandbox.revoke(self._account.phone))

    async def ban(self) -> None:
        await in_loop(lambda: self.sandbox.ban(self._account.phone))

    async def drop(self) -> None:
        await in_loop(self.sandbox.drop)

    async def write_to_the_person(self, text: str) -> None:
        """Let the person receive a message."""
        await in_loop(lambda: self.sandbox.message(self._account.phone, text))

    @contextmanager
    def flooded(self, seconds: int) -> Iterator[None]:
        rule = self.sandbox.faults.fail("*", f"FLOOD_WAIT_{seconds}")
        yield
        self.sandbox.faults.clear(rule.id)

    @property
    def authorizations(self) -> int:
        keys = self.sandbox.world.keys.of_account(self._account.user_id)
        return sum(key.user_id is not None for key in keys)

    @property
    def connections(self) -> int:
        return len(self.sandbox.world.live.lines())

    async def wait_connections(self, number: int) -> None:
        with trio.fail_after(SOON):
            while self.connections != number:
                await trio.sleep(0.001)

    def check(self) -> None:
        """Fail if a key that is logged in was ever in use on two connections at once."""
        assert self.sandbox.duplicates == []


@asynccontextmanager
async def open_fake_bench(who: Who) -> AsyncIterator[FakeTelegramBench]:
    """A bench with the fake."""
    bench = FakeTelegramBench(who)
    yield bench
    bench.check()


@asynccontextmanager
async def open_sandbox_bench(who: Who, base: Path) -> AsyncIterator[SandboxBench]:
    """A bench with a sandbox of its own, inside an open loop."""
    sandbox = Sandbox()
    await in_asyncio(sandbox.start)
    try:
        bench = SandboxBench(sandbox, await _account(sandbox, who), base)
        yield bench
        bench.check()
    finally:
        await in_asyncio(sandbox.stop)


async def _account(sandbox: Sandbox, who: Who) -> Account:
    if who == "bot":
        made: list[Account] = []
        await in_loop(lambda: made.append(sandbox.accounts.add("Robot", is_bot=True)))
        return made[0]
    return sandbox.accounts[{"plain": "9996621001", "guarded": "9996621002", "elsewhere": "9996611003"}[who]]


async def in_loop(act: Callable[[], object]) -> None:
    """Do something to the sandbox where it lives."""

    async def acting() -> None:
        act()

    await in_asyncio(acting)


def _app(sandbox: Sandbox) -> TelegramApp:
    described = sandbox.description
    home = DcAddress(*described.dc(described.home_dc))
    return TelegramApp(described.api_id, Secret(described.api_hash), home, described.rsa_public_key)


def _fake_person(account: FakeAccount) -> Person:
    password = None if account.password is None else Secret(account.password)
    return Person(
        account.id,
        Secret("any"),
        Secret(account.code),
        password,
        account.hint,
        Secret(account.bot_token),
    )


def _sandbox_person(account: Account) -> Person:
    password = None if account.password is None else Secret(account.password)
    return Person(
        account.user_id,
        Secret(account.phone),
        Secret(code_of(account.phone)),
        password,
        account.hint,
        Secret(account.bot_token or ""),
    )

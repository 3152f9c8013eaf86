"""The schedule of backups: soon after the start, then every so many hours, whatever changed since the last one.

One node at a time, one session at a time, at a pace; the work is done in threads. A failure is an event and another
try, and never the end of the process: nobody shall lose a connection because a disk is full.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import TypeVar

import trio

from actors.adapters.backups.errors import BackupDiskFull
from actors.adapters.backups.folder import BackupFolder, Entry
from actors.adapters.keyring import KeyringError
from actors.adapters.telegram.sqlite_login import telethon_file
from actors.clock import Clock
from actors.core.names import SessionKey
from actors.errors import StoreRefused, StoreUnavailable
from actors.ports import BackupRegister, Vault
from supervisor.events import BackupOutcome, BackupsFailed, BackupsRan, SessionBackup, Tell
from supervisor.keep_alive import first_of, one_life
from supervisor.pace import Pace

START_WITHIN = 300.0
"""Seconds after the start by which the first run begins; nodes that start together do not begin together."""

FIRST_RETRY = 900.0
"""Seconds until another try after trouble; twice as many after each further one, up to the usual interval."""

TURN = 120.0
"""Seconds after which another node may go on if we were killed in the middle of a run."""

RENEW_EVERY = 30.0
PER_SECOND = 50
"""How many sessions are looked at in a second: ten thousand in three or four minutes."""

PAGE = 500
GOODBYE = 5.0


Result = TypeVar("Result")


class TurnLost(Exception):
    """Another node makes backups now."""


@dataclass(slots=True)
class Tally:
    """What a run has done so far."""

    had_turn: bool = False
    made: int = 0
    unchanged: int = 0
    failed: int = 0
    removed: int = 0


class SessionBackups:
    """Makes the backup of one session, from its credential in the vault: the truth, whichever node runs it."""

    def __init__(self, folder: BackupFolder, vault: Vault, clock: Clock) -> None:
        self.folder = folder
        self._vault = vault
        self._clock = clock
        self._thread = trio.CapacityLimiter(1)

    async def back_up(self, key: SessionKey, *, unless_unchanged: bool = False) -> Entry | None:
        """The new backup, or None if there is no need for one: no credential, or nothing new.

        Raises BackupError, KeyringError, CredentialSealed and StoreUnavailable.
        """
        credential = await self._vault.current(key)
        if credential is None:
            return None
        now = self._clock.now()

        def make() -> Entry | None:
            self.folder.sweep(key)
            if unless_unchanged and self.folder.is_up_to_date(key, credential):
                return None
            return self.folder.make(key, telethon_file(credential), credential, now)

        return await self._in_thread(make)

    async def expire(self, key: SessionKey, before: float, *, is_wanted: bool) -> int:
        """Remove what the session's retention does not keep; how many backups. Raises BackupError."""
        return await self._in_thread(lambda: self.folder.expire(key, before, is_wanted=is_wanted))

    async def next_page(self, keys: Iterator[SessionKey]) -> list[SessionKey]:
        """Some more of these sessions, which the disk is asked for. Raises BackupError."""
        return await self._in_thread(lambda: list(islice(keys, PAGE)))

    async def _in_thread(self, work: Callable[[], Result]) -> Result:
        # Whatever a thread does that we leave behind, there is a whole backup in the end or none.
        return await trio.to_thread.run_sync(work, limiter=self._thread, abandon_on_cancel=True)


@dataclass(frozen=True, slots=True)
class Times:
    """How often, and for how long backups are kept; in seconds."""

    every: float
    retention: float


class BackupSchedule:
    """Backs up every session, again and again."""

    def __init__(
        self, backups: SessionBackups, register: BackupRegister, times: Times, clock: Clock, tell: Tell
    ) -> None:
        self._backups = backups
        self._register = register
        self._times = times
        self._clock = clock
        self._tell = tell
        self._renew_at = 0.0

    async def keep(self) -> None:
        """Run for ever."""
        await trio.sleep(START_WITHIN * random.random())  # noqa: S311 - jitter is no secret
        troubles = 0
        while True:
            tally, began = Tally(), trio.current_time()
            error = await one_life(partial(self.run, tally))
            troubles = troubles + 1 if error or tally.failed else 0
            wait = self._wait(troubles)
            if error is not None:
                self._tell(BackupsFailed(first_of(error), wait))
            elif tally.had_turn:
                self._tell(_ran(tally, self._clock.now(), trio.current_time() - began))
            await trio.sleep(wait)

    def _wait(self, troubles: int) -> float:
        if not troubles:
            return self._times.every
        return min(self._times.every, FIRST_RETRY * 2.0 ** min(troubles - 1, 20))

    async def run(self, tally: Tally) -> None:
        """Remove what is too old, which may make the room that is needed, then back up what changed.

        Does nothing while another node does it. Raises TurnLost, StoreUnavailable, KeyringError, and BackupError for
        what ends a run.
        """
        name = secrets.token_hex(8)
        tally.had_turn = await self._take_turn(name)
        if not tally.had_turn:
            return
        try:
            await self._expire(name, tally)
            await self._back_up(name, tally)
        finally:
            with trio.move_on_after(GOODBYE, shield=True), suppress(StoreUnavailable):
                await self._register.give_turn(name)  # if that fails, it ends by itself

    async def _take_turn(self, run: str) -> bool:
        self._renew_at = trio.current_time() + RENEW_EVERY
        return await self._register.take_turn(run, TURN)

    async def _renew(self, run: str) -> None:
        if trio.current_time() >= self._renew_at and not await self._take_turn(run):
            raise TurnLost("another node makes backups now: this one was held up for too long")

    async def _expire(self, run: str, tally: Tally) -> None:
        before = self._clock.now() - self._times.retention
        keys = self._backups.folder.keys()
        while page := await self._backups.next_page(keys):
            wanted = await self._register.credentialed_among(page)
            for key in page:
                await self._renew(run)
                await self._attempt(key, tally, partial(self._expire_one, key, key in wanted, before, tally))

    async def _expire_one(self, key: SessionKey, is_wanted: bool, before: float, tally: Tally) -> None:
        tally.removed += await self._backups.expire(key, before, is_wanted=is_wanted)

    async def _back_up(self, run: str, tally: Tally) -> None:
        pace = Pace(PER_SECOND, burst=1)
        last = None
        while page := await self._register.credentialed_after(last, PAGE):
            for key in page:
                await pace.turn(background=True)
                await self._renew(run)
                await self._attempt(key, tally, partial(self._back_up_one, key, tally))
            last = page[-1]

    async def _back_up_one(self, key: SessionKey, tally: Tally) -> None:
        entry = await self._backups.back_up(key, unless_unchanged=True)
        tally.unchanged += entry is None
        tally.made += entry is not None
        self._tell(SessionBackup(key, BackupOutcome.UNCHANGED if entry is None else BackupOutcome.MADE))

    async def _attempt(self, key: SessionKey, tally: Tally, work: Callable[[], Awaitable[None]]) -> None:
        """Go on after whatever is one session's trouble. A full disk, and what is everybody's, end the run."""
        caught = await one_life(work)
        if caught is None:
            return
        error = first_of(caught)
        if isinstance(error, StoreUnavailable | StoreRefused | KeyringError):
            raise error
        is_full = isinstance(error, BackupDiskFull)
        tally.failed += 1
        self._tell(SessionBackup(key, BackupOutcome.DISK_FULL if is_full else BackupOutcome.FAILED, error))
        if is_full:
            raise error


def _ran(tally: Tally, at: float, seconds: float) -> BackupsRan:
    return BackupsRan(at, seconds, tally.made, tally.unchanged, tally.failed, tally.removed)

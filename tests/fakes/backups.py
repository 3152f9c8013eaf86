"""The twin of what the database knows for backups, by trio's clock."""

from __future__ import annotations

from collections.abc import Sequence

import trio

from actors.core.names import SessionKey
from actors.errors import StoreUnavailable
from tests.fakes.stores import FakeStore


class FakeBackupRegister:
    """A BackupRegister over the credentials of a FakeStore, whose outages it shares."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self._holder: str | None = None
        self._until = 0.0

    async def take_turn(self, run: str, seconds: float) -> bool:
        await self._reach()
        now = trio.current_time()
        if self._holder not in {None, run} and now <= self._until:
            return False
        self._holder, self._until = run, now + seconds
        return True

    async def give_turn(self, run: str) -> None:
        await self._reach()
        if self._holder == run:
            self._holder = None

    async def credentialed_after(self, last: SessionKey | None, limit: int) -> list[SessionKey]:
        await self._reach()
        return [key for key in sorted(self._credentialed()) if last is None or key > last][:limit]

    async def credentialed_among(self, keys: Sequence[SessionKey]) -> set[SessionKey]:
        await self._reach()
        return {key for key in keys if key in self._credentialed()}

    def _credentialed(self) -> set[SessionKey]:
        kept = self._store.vault.kept.items()
        return {key for key, all_of_it in kept if any(each.status == "current" for each in all_of_it)}

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self._store.down:
            raise StoreUnavailable("the fake database is down")

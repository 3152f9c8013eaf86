"""Twins of the database and of the stores of tickets and answers, in dicts."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import replace
from math import inf

import trio

from actors.core.credential import Keeping
from actors.core.names import SessionKey
from actors.core.record import Record
from actors.core.secret import Secret
from actors.core.states import Reason, SessionState
from actors.epochs import Epochs
from actors.errors import NotOwner, StoreUnavailable, VersionConflict
from actors.ports import (
    EVERYTHING,
    LONGEST_STRETCH,
    Answered,
    JournalLine,
    Saved,
    Stretch,
    Ticket,
    Transition,
    Wanted,
)
from tests.fakes.arbiter import FakeArbiter
from tests.fakes.vault import FakeVault


class FakeStore:
    """A Store in a dict. `down = True` is an outage.

    `vault` holds the credentials that were saved here. It saves what is its process's by `epochs`, or nobody's, as
    `arbiter` knows.
    """

    def __init__(self, epochs: Epochs | None = None, arbiter: FakeArbiter | None = None) -> None:
        self.down = False
        self.epochs = epochs or Epochs()
        self.arbiter = arbiter or FakeArbiter(is_down=lambda: self.down)
        self.rows: dict[SessionKey, Saved] = {}
        self.journal: list[tuple[SessionKey, int, Transition]] = []
        self.vault = FakeVault(self._reach, may_write=self._is_ours, owned_at=self.arbiter.epoch_of)

    async def load(self, key: SessionKey) -> Saved | None:
        await self._reach()
        return self.rows.get(key)

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        await self._reach()
        if not self._is_ours(key):
            self.epochs.refused(key)
            raise NotOwner(f"{key} belongs to another supervisor")
        saved = replace(saved, record=_written_down(saved.record))
        present = self.rows.get(key)
        if present == saved and (keeping is None or self.vault.has_kept(key, keeping)):
            return
        if saved.version != (present.version if present else 0) + 1:
            raise VersionConflict(f"{key} is not at version {saved.version - 1}")
        if keeping is not None:
            self.vault.keep(key, keeping)
        self.rows[key] = saved
        if transition is not None:
            self.journal.append((key, saved.version, transition))

    async def running(self) -> list[SessionKey]:
        await self._reach()
        runs = [key for key, saved in self.rows.items() if _runs(saved.record)]
        return [key for key in runs if not self.arbiter.has_living_owner(key)]

    async def due(self, now: float) -> list[SessionKey]:
        await self._reach()
        return [
            key
            for key, saved in self.rows.items()
            if not saved.record.stopped and saved.record.details.get("wake_at", inf) <= now
            if not self.arbiter.has_living_owner(key)
        ]

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Saved]]:
        await self._reach()
        rest = [
            (key, saved)
            for key, saved in sorted(self.rows.items())
            if tenant_id in (None, key.tenant_id) and (after is None or key > after)
        ]
        return rest[:limit]

    def _is_ours(self, key: SessionKey) -> bool:
        row = self.arbiter.rows.get(key)
        return (None if row is None or row.owner is None else row.epoch) == self.epochs.of(key)

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake database is down")


def _written_down(record: Record) -> Record:
    """The record as it comes back from JSON, so that nothing else can be kept here either."""
    return replace(record, details=json.loads(json.dumps(record.details)))


def _runs(record: Record) -> bool:
    match record.state:
        case _ if record.stopped:
            return False
        case SessionState.ABSENT | SessionState.REVOKED:
            return False
        case SessionState.AUTHORIZED:
            return "wake_at" not in record.details
        case SessionState.STALE:
            for_a_person = record.reason in {Reason.CREDENTIAL_MISSING, Reason.ACCOUNT_MISMATCH}
            return "retry_at" in record.details or not for_a_person
        case _:
            return True


class FakeJournal:
    """The journal of a fake store, whose lines have their place for a moment. `down = True` is an outage."""

    def __init__(self, store: FakeStore) -> None:
        self._store = store
        self.down = False
        self.reads = 0

    async def after(self, tenant_id: str, seq: int, limit: int, wanted: Wanted = EVERYTHING) -> Stretch:
        await self._reach()
        looked_at = self._lines(tenant_id)[seq : seq + LONGEST_STRETCH]
        lines = [
            line
            for line in looked_at
            if (wanted.apps is None or line.key.app_id in wanted.apps)
            and (wanted.states is None or line.after in wanted.states)
        ][:limit]
        return Stretch(lines, lines[-1].seq if len(lines) == limit else seq + len(looked_at))

    async def of_session(self, key: SessionKey, before: int | None, limit: int) -> list[JournalLine]:
        await self._reach()
        lines = [
            line
            for line in reversed(self._lines(key.tenant_id))
            if line.key == key and (before is None or line.version < before)
        ]
        return lines[:limit]

    async def ends(self, tenants: Collection[str]) -> Mapping[str, int]:
        await self._reach()
        return {tenant: len(lines) for tenant in tenants if (lines := self._lines(tenant))}

    async def _reach(self) -> None:
        self.reads += 1
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake journal is down")

    def _lines(self, tenant_id: str) -> list[JournalLine]:
        own = [entry for entry in self._store.journal if entry[0].tenant_id == tenant_id]
        return [
            JournalLine(seq, key, version, float(seq), line.message, line.before, line.after, line.reason)
            for seq, (key, version, line) in enumerate(own, start=1)
        ]


class FakeTickets:
    """Tickets in a dict, by trio's clock. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self._kept: dict[Secret, tuple[Ticket, float]] = {}

    async def remember(self, ticket: Secret, opens: Ticket, ttl: float) -> None:
        await self._reach()
        self._kept[ticket] = (opens, trio.current_time() + ttl)

    async def find(self, ticket: Secret) -> Ticket | None:
        await self._reach()
        opens, until = self._kept.get(ticket, (None, 0.0))
        return opens if trio.current_time() < until else None

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake ticket store is down")


class FakeAnswers:
    """Answers in a dict, by trio's clock. `down = True` is an outage, `lose_next_answer` a short one."""

    def __init__(self) -> None:
        self.down = False
        self.lose_next_answer = False
        self.kept: dict[str, tuple[Answered, float]] = {}

    async def claim(self, name: str, fingerprint: str, ttl: float) -> Answered | None:
        await self._reach()
        kept, until = self.kept.get(name, (None, 0.0))
        if kept is not None and trio.current_time() < until:
            return kept
        self.kept[name] = (Answered(fingerprint, None), trio.current_time() + ttl)
        return None

    async def keep(self, name: str, answered: Answered, ttl: float) -> None:
        await self._reach()
        if self.lose_next_answer:
            self.lose_next_answer = False
            raise StoreUnavailable("the fake store of answers was down for a moment")
        self.kept[name] = (answered, trio.current_time() + ttl)

    async def forget(self, name: str) -> None:
        await self._reach()
        self.kept.pop(name, None)

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake store of answers is down")

"""Twins of the database and of the stores of tickets and answers, in dicts."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass, replace
from math import inf
from typing import Literal

import trio

from actors.core.credential import Bury, Credential, Deposit, Keeping, Owe, Settle
from actors.core.names import SessionKey
from actors.core.record import Record
from actors.core.secret import Secret
from actors.core.states import Reason, SessionState
from actors.errors import CredentialSealed, StoreUnavailable, VersionConflict
from actors.ports import Answered, Debt, Saved, Ticket, Transition


@dataclass(slots=True)
class Kept:
    """A credential in the fake vault, and what became of it."""

    credential: Credential
    status: Literal["current", "owed", "settled", "buried"] = "current"
    attempts: int = 0
    due: float = 0.0


class FakeVault:
    """A Vault, and the Debts that it knows of, in a dict. `sealed = True` is a keyring that opens nothing."""

    def __init__(self) -> None:
        self.down = False
        self.sealed = False
        self.kept: defaultdict[SessionKey, dict[Secret, Kept]] = defaultdict(dict)

    async def current(self, key: SessionKey) -> Credential | None:
        await self._reach()
        kept = self._of_status(key, "current")
        if kept is not None and self.sealed:
            raise CredentialSealed("the fake keyring opens nothing")
        return None if kept is None else kept.credential

    async def knows(self, key: SessionKey, credential: Credential) -> bool:
        await self._reach()
        return credential.auth_key in self.kept[key]

    async def checkpoint(self, key: SessionKey, credential: Credential) -> None:
        await self._reach()
        kept = self.kept[key].get(credential.auth_key)
        if kept is not None and kept.status == "current":
            kept.credential = credential

    async def owed(self, limit: int) -> list[Debt]:
        await self._reach()
        due = [
            Debt(key, kept.credential, kept.attempts)
            for key, all_kept in self.kept.items()
            for kept in all_kept.values()
            if kept.status == "owed" and kept.due <= trio.current_time()
        ][:limit]
        for debt in due:
            self._of(debt).due = trio.current_time() + 120.0
        return due

    async def settled(self, debt: Debt) -> None:
        await self._reach()
        self._of(debt).status = "settled"

    async def postponed(self, debt: Debt, until: float) -> None:
        await self._reach()
        self._of(debt).attempts += 1
        self._of(debt).due = until

    def keep(self, key: SessionKey, keeping: Keeping) -> None:
        """What `Store.save` does with it."""
        kept = self.kept[key]
        match keeping:
            case Deposit(credential):
                if credential.auth_key not in kept:
                    self._become(key, "owed")
                    kept[credential.auth_key] = Kept(credential)
            case Owe(credential) if credential is not None:
                kept.setdefault(credential.auth_key, Kept(credential, "owed", due=trio.current_time() + 60.0))
            case Owe():
                self._become(key, "owed")
            case Settle():
                owed = [each for each in kept.values() if each.status == "owed"]
                for each in owed[-1:]:
                    each.status = "settled"
            case Bury():
                self._become(key, "buried")

    def status(self, key: SessionKey, credential: Credential) -> str:
        """What became of a credential."""
        return self.kept[key][credential.auth_key].status

    def _become(self, key: SessionKey, status: Literal["owed", "buried"]) -> None:
        current = self._of_status(key, "current")
        if current is not None:
            current.status, current.due = status, trio.current_time() + 60.0

    def _of_status(self, key: SessionKey, status: str) -> Kept | None:
        return next((kept for kept in self.kept[key].values() if kept.status == status), None)

    def _of(self, debt: Debt) -> Kept:
        return self.kept[debt.key][debt.credential.auth_key]

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake vault is down")


class FakeStore:
    """A Store in a dict, with a vault. `down = True` is an outage."""

    def __init__(self) -> None:
        self.down = False
        self.vault = FakeVault()
        self.rows: dict[SessionKey, Saved] = {}
        self.journal: list[tuple[SessionKey, int, Transition]] = []

    async def load(self, key: SessionKey) -> Saved | None:
        await self._reach()
        return self.rows.get(key)

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        await self._reach()
        saved = replace(saved, record=_written_down(saved.record))
        present = self.rows.get(key)
        if present == saved:
            return
        if saved.version != (present.version if present else 0) + 1:
            raise VersionConflict(f"{key} is not at version {saved.version - 1}")
        self.rows[key] = saved
        if transition is not None:
            self.journal.append((key, saved.version, transition))
        if keeping is not None:
            self.vault.keep(key, keeping)

    async def running(self) -> list[SessionKey]:
        await self._reach()
        return [key for key, saved in self.rows.items() if _runs(saved.record)]

    async def due(self, now: float) -> list[SessionKey]:
        await self._reach()
        return [
            key
            for key, saved in self.rows.items()
            if not saved.record.stopped and saved.record.details.get("wake_at", inf) <= now
        ]

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

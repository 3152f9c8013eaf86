"""Takes over logins from a folder of session files: read, judge against the database, write. It never connects.

Every session is one transaction, so an import that is killed leaves no half of one, and the next run goes on.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import trio

from actors.adapters.imports import Found, Oddity, Room, find, read
from actors.clock import Clock
from actors.core.credential import Credential
from actors.core.decide import decide
from actors.core.decision import backoff
from actors.core.foreign import Fault, ForeignLogin, Network, Unreadable
from actors.core.import_plan import (
    Candidate,
    Outcome,
    Prefer,
    Standing,
    Verdict,
    plan,
    refusal,
    session_key,
)
from actors.core.messages import ImportLogin
from actors.core.names import SessionKey
from actors.core.record import from_record, to_record
from actors.core.states import Absent
from actors.core.transitions import Refused
from actors.errors import CredentialSealed, CredentialSpent, NotOwner, StoreUnavailable, VersionConflict
from actors.ports import Saved, Store, Transition
from supervisor.settings import SandboxTelegram
from supervisor.standings import Login, Standings

Answer = TypeVar("Answer")

AT_ONCE = 100
"""Logins that are held in memory, and looked up together."""

ATTEMPTS = 5
WRITERS = 4
"""Sessions that are written at the same time: most of an import is waiting for the database."""

Progress = Callable[[int, int], None]
"""Is told how many files are read, and of how many."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What whoever imports has chosen. `accounts` says whose a file is that does not say so itself, by its path."""

    tenant: str = "default"
    accounts: Mapping[str, int] = field(default_factory=dict)
    prefer: Prefer = Prefer.NONE
    same_account: bool = False
    start: bool = False


@dataclass(frozen=True, slots=True)
class Planned:
    """A verdict, and for a file that is to be imported where it lies and by what its auth key is recognised."""

    verdict: Verdict
    found: Found | None = None
    fingerprint: str | None = None


@dataclass(slots=True)
class _Survey:
    """What is known of the folder so far. No key is among it."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    standings: dict[str, Standing] = field(default_factory=dict)
    places: dict[str, Found] = field(default_factory=dict)
    refusals: list[Verdict] = field(default_factory=list)

    def plan(self, wishes: Wishes) -> list[Planned]:
        """What becomes of each file, in the order of paths."""
        candidates = list(self.candidates.values())
        judged = plan(candidates, self.standings, prefer=wishes.prefer, same_account=wishes.same_account)
        of_candidates = [
            Planned(verdict, self.places[verdict.path], self.candidates[verdict.path].fingerprint)
            for verdict in judged
        ]
        refused = [Planned(verdict) for verdict in self.refusals]
        return sorted([*of_candidates, *refused], key=lambda planned: planned.verdict.path)


async def patiently(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Ask a database that may be busy, at most ATTEMPTS times within half a minute. Raises StoreUnavailable."""
    for attempts in range(ATTEMPTS - 1):
        try:
            return await ask()
        except StoreUnavailable:
            await trio.sleep(backoff(attempts))
    return await ask()


def network_of(sandbox: SandboxTelegram) -> Network:
    """The sandbox as the Telegram that sessions have to be of."""
    return Network(is_sandbox=True, dcs={dc.id: (dc.host, dc.port) for dc in sandbox.dcs})


class Imports:
    """Imports from one folder into one database."""

    def __init__(
        self, base: Path, network: Network, store: Store, standings: Standings, wishes: Wishes
    ) -> None:
        self._base = base
        self._network = network
        self._store = store
        self._standings = standings
        self._wishes = wishes
        self._clock = Clock()
        self._reading = trio.Lock()
        self._mark = secrets.token_bytes(32)
        """Makes fingerprints that mean nothing outside of this run."""

    async def discover(self) -> int:
        """How many sessions the folder holds that the database does not know yet and that could be imported."""
        planned = await self.plan()
        return sum(each.verdict.outcome is Outcome.IMPORTED for each in planned)

    async def plan(self, progress: Progress = lambda _, __: None) -> list[Planned]:
        """Read every file, and say what would become of it. Nothing is written, no key is remembered.

        Raises OSError if the folder cannot be read, StoreUnavailable and StoreRefused.
        """
        entries = await trio.to_thread.run_sync(lambda: list(find(self._base)))
        survey = _Survey()
        with Room.open() as room:
            for first in range(0, len(entries), AT_ONCE):
                batch = entries[first : first + AT_ONCE]
                await self._take(room, batch, survey)
                progress(first + len(batch), len(entries))
        return survey.plan(self._wishes)

    async def carry_out(self, planned: Sequence[Planned], done: Callable[[Verdict], None]) -> None:
        """Write what the plan says; `done` is told each verdict as it comes out.

        Raises StoreUnavailable once what was begun is ended, and StoreRefused in an exception group.
        """
        outages: list[StoreUnavailable] = []
        # Saves of one tenant take turns, so those of different ones are mixed: fingerprints come in any order.
        left = iter(sorted(planned, key=lambda each: each.fingerprint or ""))
        with Room.open() as room:
            async with trio.open_nursery() as nursery:
                for _ in range(WRITERS):
                    nursery.start_soon(self._write, room, left, done, outages)
        if outages:
            raise outages[0]

    async def _write(
        self,
        room: Room,
        left: Iterator[Planned],
        done: Callable[[Verdict], None],
        outages: list[StoreUnavailable],
    ) -> None:
        for each in left:
            is_new = each.verdict.outcome is Outcome.IMPORTED
            try:
                done(await self._import(room, each) if is_new else each.verdict)
            except StoreUnavailable as outage:
                outages.append(outage)
            if outages:
                return

    # -- reading

    async def _take(self, room: Room, entries: Sequence[Found | Oddity], survey: _Survey) -> None:
        logins: dict[str, Login] = {}
        for entry in entries:
            path = str(entry)
            try:
                logins[path] = await self._login(room, entry, path, survey)
            except Unreadable as fault:
                survey.refusals.append(refusal(path, fault))
        known = await patiently(lambda: self._standings.known(logins.values()))
        for path, login in logins.items():
            try:
                survey.standings[path] = await patiently(partial(self._standings.of, login, known))
            except CredentialSealed as sealed:
                survey.refusals.append(refusal(path, Unreadable(Fault.SEALED, str(sealed))))
                del survey.candidates[path]

    async def _login(self, room: Room, entry: Found | Oddity, path: str, survey: _Survey) -> Login:
        if isinstance(entry, Oddity):
            raise Unreadable(entry.fault, entry.sentence)
        key = session_key(entry.parts, self._wishes.tenant)
        login = await self._read(room, entry)
        credential = login.credential(self._account(path, login))
        fingerprint = self._fingerprint(credential)
        survey.places[path] = entry
        survey.candidates[path] = Candidate(
            path, key, login.format, credential.account_id, fingerprint, entry.modified
        )
        return key, credential

    async def _read(self, room: Room, found: Found) -> ForeignLogin:
        async with self._reading:  # a room has place for one copy
            return await trio.to_thread.run_sync(read, room, self._base, found, self._network)

    def _account(self, path: str, login: ForeignLogin) -> int:
        """Whose login it is: as the file says, or else as whoever imports says. Raises Unreadable."""
        said = self._wishes.accounts.get(path)
        if login.account_id is None and said is None:
            raise Unreadable(
                Fault.ACCOUNT_UNKNOWN,
                f"it does not say whose login it is: say so in the file of --accounts, {path},USER_ID",
            )
        if login.account_id is not None and said is not None and said != login.account_id:
            raise Unreadable(
                Fault.ACCOUNT_MISMATCH, f"it is of account {login.account_id}, and --accounts says {said}"
            )
        return login.account_id or said or 0

    def _fingerprint(self, credential: Credential) -> str:
        return hashlib.blake2b(credential.auth_key.reveal().encode(), key=self._mark).hexdigest()

    # -- writing

    async def _import(self, room: Room, planned: Planned) -> Verdict:
        verdict, found = planned.verdict, planned.found
        if found is None or verdict.key is None or verdict.account_id is None:
            raise AssertionError(f"{verdict.path} is to be imported from nowhere")
        try:
            credential = (await self._read(room, found)).credential(verdict.account_id)
            self._require_same(credential, planned.fingerprint)
            await self._save(verdict.key, credential)
        except Unreadable as fault:
            return replace(refusal(verdict.path, fault), key=verdict.key)
        except (Refused, VersionConflict):
            sentence = f"{verdict.key} was written while this ran: run it again"
            return replace(verdict, outcome=Outcome.COLLISION, sentence=sentence)
        except NotOwner:
            sentence = (
                f"{verdict.key} is a running supervisor's: stop that one, or the session, and run it again"
            )
            return replace(verdict, outcome=Outcome.COLLISION, sentence=sentence)
        except CredentialSpent as spent:
            return replace(verdict, outcome=Outcome.REFUSED, sentence=f"ended: {spent}")
        return verdict

    def _require_same(self, credential: Credential, fingerprint: str | None) -> None:
        if self._fingerprint(credential) != fingerprint:
            raise Unreadable(Fault.IN_USE, "it was written while this ran: run it again")

    async def _save(self, key: SessionKey, credential: Credential) -> None:
        """Row, journal line and sealed credential, in one transaction. Raises Refused where there is a login."""
        saved = await patiently(lambda: self._store.load(key))
        state = from_record(saved.record) if saved else Absent()
        message = ImportLogin(credential, stopped=not self._wishes.start)
        decision = decide(state, message)
        after = decision.state
        transition = Transition(type(message).__name__, state.name, after.name, after.reason)
        version = saved.version + 1 if saved else 1
        written = Saved(to_record(after), version, self._clock.now())
        # The same again, if no answer came: what has been written already is no conflict.
        await patiently(lambda: self._store.save(key, written, transition, decision.keeping))

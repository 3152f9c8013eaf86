"""The verbs that need the database: a backup now, a restore, and the schedule without a supervisor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio

from actors.adapters.backup_register import PostgresBackupRegister
from actors.adapters.backups.errors import BackupError
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import KeyringError
from actors.adapters.ownership import PostgresArbiter
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.bridge import open_loop, stop_signals
from actors.clock import Boottime, Clock
from actors.core.names import SessionKey
from actors.epochs import Epochs
from actors.errors import CredentialSealed, StoreRefused, StoreUnavailable
from ops.backups.place import Place
from ops.backups.screen import Screen
from supervisor import logs
from supervisor.backups import BackupSchedule, SessionBackups, Times
from supervisor.owner.watching import Witness
from supervisor.ownership.timings import Timings
from supervisor.restoring import Owners, Restorer, RestoreRefused

HOUR, DAY = 3600.0, 86400.0


@dataclass(frozen=True, slots=True)
class Stores:
    """The open database, and what of it backups need."""

    store: PostgresStore
    vault: PostgresVault
    clock: Clock
    epochs: Epochs


@asynccontextmanager
async def open_stores(place: Place) -> AsyncIterator[Stores]:
    """Open the database as the service does."""
    seals, epochs = Seals(place.environment, place.read_keyring), Epochs()
    async with (
        open_loop("fast"),
        open_postgres(
            place.database(), pool_size=2, on_denied=_no_matter, keeper=SealingKeeper(seals), epochs=epochs
        ) as store,
    ):
        yield Stores(store, PostgresVault(store.database, seals, epochs=epochs), Clock(), epochs)


def _no_matter() -> None:
    """There are no metrics here; the refusal itself is raised."""


def back_up(place: Place, screen: Screen, key: SessionKey) -> int:
    """Back a session up now, changed or not."""

    async def run() -> int:
        async with open_stores(place) as stores:
            entry = await SessionBackups(place.folder(), stores.vault, stores.clock).back_up(key)
        if entry is None:
            return screen.refuse("no_credential", f"{key} has no login: there is nothing to back up", 1)
        return screen.made(key, entry)

    return in_trio(place, screen, run)


def restore(place: Place, screen: Screen, key: SessionKey, backup_id: str | None) -> int:
    """Put a session's login back from a backup."""
    timings = place.timings

    async def run() -> int:
        async with open_stores(place) as stores:
            owners = _owners(place, stores, timings)
            restorer = Restorer(place.folder(), stores.store, stores.vault, stores.clock, owners)
            restored = await restorer.restore(key, backup_id)
        return screen.restored(key, restored.opened, restored.version)

    return in_trio(place, screen, run)


def _owners(place: Place, stores: Stores, timings: Timings) -> Owners:
    """Who owns sessions, and this machine's dead, who may have left theirs."""
    arbiter = PostgresArbiter(stores.store.database)
    witness = Witness(Boottime(), timings, arbiter, logs.note, place.sessions)
    return Owners(arbiter, witness, stores.epochs)


def schedule(place: Place, screen: Screen, retention_days: int, every_hours: float) -> int:
    """Run the schedule until SIGTERM or SIGINT; the log on standard error tells of it."""
    logs.configure("info", "json", sandbox=False)

    async def run() -> int:
        with stop_signals() as wait_for_stop_signal:
            async with open_stores(place) as stores, trio.open_nursery() as nursery:
                backups = SessionBackups(place.folder(), stores.vault, stores.clock)
                register = PostgresBackupRegister(stores.store.database)
                times = Times(every_hours * HOUR, retention_days * DAY)
                nursery.start_soon(BackupSchedule(backups, register, times, stores.clock, logs.note).keep)
                structlog.get_logger(__name__).info("backups are scheduled", folder=str(place.folder().base))
                await wait_for_stop_signal()
                nursery.cancel_scope.cancel()
        return 0

    return in_trio(place, screen, run)


def in_trio(place: Place, screen: Screen, run: Callable[[], Awaitable[int]]) -> int:
    """Run it; what it is known to raise becomes a refusal: 1 for a no, 2 where it could not even be tried.

    Raises UsageError if the place lacks a database or a keyring.
    """
    code = 0
    place.database()
    try:
        place.read_keyring()
        code = trio.run(run)
    except* (BackupError, RestoreRefused, CredentialSealed) as group:
        code = _refuse(screen, group, 1)
    except* (StoreUnavailable, StoreRefused, KeyringError) as group:
        code = _refuse(screen, group, 2)
    return code


CODES: dict[type[Exception], str] = {
    CredentialSealed: "credential_sealed",
    StoreUnavailable: "store_unavailable",
    StoreRefused: "store_refused",
    KeyringError: "keyring_unusable",
}


def _refuse(screen: Screen, group: BaseException, exit_code: int) -> int:
    error = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    code = error.code if isinstance(error, BackupError | RestoreRefused) else CODES[type(error)]  # type: ignore[index]
    sentence = str(error)
    if isinstance(error, StoreUnavailable):
        sentence += ": check that it runs, and DATABASE_URL"
    return screen.refuse(code, sentence, exit_code)

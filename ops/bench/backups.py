"""`python -m ops.bench.backups [sessions]`: what runs of the schedule cost a process that has other things to do.

Real PostgreSQL, real files, made-up logins. Prints for a first run, in which every session is backed up, and for the
next, in which nothing has changed: how long it took at its pace, the CPU time of it, how late a task of the same loop
was that wakes every 10 ms, with a calm loop for comparison, and how much memory and disk it took.
"""

from __future__ import annotations

import resource
import secrets
import statistics
import sys
import tempfile
import time
from pathlib import Path

import trio

from actors.adapters.backup_register import PostgresBackupRegister
from actors.adapters.backups.folder import BackupFolder
from actors.adapters.keeper import SealingKeeper
from actors.adapters.keyring import Keyring, add_key
from actors.adapters.postgres import PostgresStore, open_postgres
from actors.adapters.sealing import Seals
from actors.adapters.vault import PostgresVault
from actors.bridge import open_loop
from actors.clock import Clock
from actors.core.credential import Credential, Deposit, UpdatePoint
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.secret import Secret
from actors.core.states import Authorized
from actors.ports import Saved
from ops.embedded import Postgres
from ops.migrate import bootstrap, migrate
from supervisor.backups import BackupSchedule, SessionBackups, Tally, Times

SESSIONS = 10_000
TICK = 0.01
WRITERS = 8
PASSWORD = secrets.token_hex(16)


def main() -> None:
    """Start a server, fill it, and run the schedule twice."""
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory() as place, Postgres(Path(place) / "postgres") as postgres:
        bootstrap(postgres.url, PASSWORD)
        migrate(postgres.url)
        add_key(Path(place) / "keyring", "bench")
        url = postgres.url_for("usm_app", PASSWORD, "postgres")
        trio.run(measure, url, Path(place), sessions)


async def measure(url: str, place: Path, sessions: int) -> None:
    """Print a line for each run."""
    keyring = Keyring.read(place / "keyring")
    seals = Seals("bench", lambda: keyring)
    async with (
        open_loop("fast"),
        open_postgres(url, on_denied=lambda: None, keeper=SealingKeeper(seals)) as store,
    ):
        await fill(store, sessions)
        folder = BackupFolder(place / "backups", lambda: keyring, "bench")
        backups = SessionBackups(folder, PostgresVault(store.database, seals), Clock())
        schedule = BackupSchedule(
            backups,
            PostgresBackupRegister(store.database),
            Times(86_400.0, 7 * 86_400.0),
            Clock(),
            lambda _: None,
        )
        await calm()
        for name in ("first run", "next run"):
            await one_run(name, schedule)
    size = sum(path.stat().st_size for path in (place / "backups").rglob("*.usmb"))
    print(f"{sessions} backups take {size / 1e6:.1f} MB")


async def fill(store: PostgresStore, sessions: int) -> None:
    """Save so many sessions with a credential each."""

    async def some(first: int) -> None:
        for number in range(first, sessions, WRITERS):
            auth_key = Secret(secrets.token_hex(256))
            credential = Credential(
                7_000_000_000 + number, 2, "149.154.167.51", 443, auth_key, (UpdatePoint(0, 1, 2, 3, 4),)
            )
            saved = Saved(to_record(Authorized(credential.account_id)), 1, time.time())
            key = SessionKey(f"tenant{number % 100}", f"app{number}")
            await store.save(key, saved, None, Deposit(credential))

    async with trio.open_nursery() as nursery:
        for first in range(WRITERS):
            nursery.start_soon(some, first)


async def calm() -> None:
    """What the loop is like with nothing to do."""
    late = Lateness()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(late.watch)
        await trio.sleep(20)
        nursery.cancel_scope.cancel()
    print(f"calm: {late}")


async def one_run(name: str, schedule: BackupSchedule) -> None:
    """Run the schedule once, and watch the loop meanwhile."""
    late, tally = Lateness(), Tally()
    memory, began, worked = peak_mb(), time.perf_counter(), time.process_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(late.watch)
        await schedule.run(tally)
        nursery.cancel_scope.cancel()
    took, cpu = time.perf_counter() - began, time.process_time() - worked
    print(
        f"{name}: {tally.made} made, {tally.unchanged} unchanged, {tally.failed} failed in {took:.0f} s, "
        f"{cpu:.0f} s of CPU; {late}; {peak_mb() - memory:.0f} MB more memory at its peak"
    )


class Lateness:
    """How many milliseconds late a task is that wakes every 10 ms."""

    def __init__(self) -> None:
        self._late: list[float] = []

    async def watch(self) -> None:
        """Go on until cancelled."""
        while True:
            due = trio.current_time() + TICK
            await trio.sleep_until(due)
            self._late.append((trio.current_time() - due) * 1000)

    def __str__(self) -> str:
        parts = statistics.quantiles(self._late, n=1000)
        return (
            f"late by {parts[499]:.1f} ms (median), {parts[989]:.1f} (99 %), {max(self._late):.1f} (at most)"
        )


def peak_mb() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()

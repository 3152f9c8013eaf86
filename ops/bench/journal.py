"""What the journal's hash chain costs: saves per second with it, as a multiple of those without.

Run as `python -m ops.bench.journal [rounds]`. The two databases are on one durable server; one lacks the migration
that chains the journal, and its saves take no turns. They are measured by turns within a round, ratios formed in a
round, and the median over the rounds is printed with its range. A save is a whole transaction of the service's own
store, with its line.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import trio

from actors.adapters.postgres import PostgresStore, open_postgres
from actors.bridge import in_asyncio, open_loop
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import Login, PendingQr, SessionState
from actors.ports import Saved, Transition
from ops.embedded import Postgres
from ops.migrate import MIGRATIONS, apply, bootstrap

ROUNDS = 7
SAVES = 800
HOT_WRITERS = 48
NEIGHBOURS_SAVES = 30
CHAIN = "_journal_chain.sql"
LINE = Transition("StartQr", SessionState.ABSENT, SessionState.PENDING_QR, None)
RECORD = to_record(PendingQr(Login("login-1", 1.0)))


@dataclass(frozen=True, slots=True)
class Load:
    """Who saves: so many tenants, each with so many sessions that save at once."""

    tenants: int
    sessions: int

    def __str__(self) -> str:
        return f"{self.tenants:>2} tenants with {self.sessions:>2} writers each"


LOADS = (Load(1, 1), Load(1, 16), Load(16, 1), Load(4, 4))


async def saves_per_second(store: PostgresStore, load: Load, turn: int) -> float:
    """How fast new sessions of this turn write version after version."""
    writers = load.tenants * load.sessions
    each = SAVES // 8 if writers == 1 else SAVES // writers

    app = f"{turn}-{load.tenants}-{load.sessions}"

    async def write(key: SessionKey) -> None:
        for version in range(1, each + 1):
            await store.save(key, Saved(RECORD, version, 1.0), LINE)

    began = time.perf_counter()
    async with trio.open_nursery() as nursery:
        for tenant in range(load.tenants):
            for session in range(load.sessions):
                nursery.start_soon(write, SessionKey(f"tenant-{tenant}", f"{app}-{session}"))
    return each * writers / (time.perf_counter() - began)


async def neighbours_wait(store: PostgresStore, turn: int) -> float:
    """Median milliseconds of another tenant's save while one tenant has more to save than there are connections."""
    waits: list[float] = []

    async def write_for_ever(key: SessionKey) -> None:
        for version in itertools.count(1):
            await store.save(key, Saved(RECORD, version, 1.0), LINE)

    async with trio.open_nursery() as nursery:
        for session in range(HOT_WRITERS):
            nursery.start_soon(write_for_ever, SessionKey("hot", f"{turn}-{session}"))
        await trio.sleep(0.2)
        for version in range(1, NEIGHBOURS_SAVES + 1):
            began = time.perf_counter()
            await store.save(SessionKey("neighbour", f"{turn}"), Saved(RECORD, version, 1.0), LINE)
            waits.append(time.perf_counter() - began)
        nursery.cancel_scope.cancel()
    return statistics.median(waits) * 1000


async def measure_neighbours(chained: PostgresStore, plain: PostgresStore, rounds: int) -> None:
    """Print how long a neighbour of a hot tenant waits."""
    waits: dict[str, list[float]] = {"chained": [], "plain": []}
    for turn in range(rounds):
        for name, store in (("chained", chained), ("plain", plain))[:: 1 if turn % 2 else -1]:
            waits[name].append(await neighbours_wait(store, turn))
    ratios = [a / b for a, b in zip(waits["chained"], waits["plain"], strict=True)]
    print(
        f"a save beside {HOT_WRITERS} writers of one other tenant:"
        f" chained {statistics.median(waits['chained']):.0f} ms, plain {statistics.median(waits['plain']):.0f} ms,"
        f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    )


async def measure(chained: PostgresStore, plain: PostgresStore, rounds: int) -> None:
    """Print, for every load, both speeds and their ratio."""
    for load in LOADS:
        speeds: dict[str, list[float]] = {"chained": [], "plain": []}
        for turn in range(rounds + 1):
            for name, store in (("chained", chained), ("plain", plain))[:: 1 if turn % 2 else -1]:
                speed = await saves_per_second(store, load, turn)
                if turn:  # the first round warms up
                    speeds[name].append(speed)
        ratios = [a / b for a, b in zip(speeds["chained"], speeds["plain"], strict=True)]
        print(
            f"{load}: chained {statistics.median(speeds['chained']):6.0f}/s,"
            f" plain {statistics.median(speeds['plain']):6.0f}/s,"
            f" ratio {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
            flush=True,
        )


async def make_database(url: str, name: str, *, chained: bool) -> None:
    """Make a database with all migrations or with all but the chain."""
    connection: asyncpg.Connection[asyncpg.Record] = await asyncpg.connect(url)
    await connection.execute(f"create database {name}")
    await connection.close()
    connection = await asyncpg.connect(urlsplit(url)._replace(path=f"/{name}").geturl())
    with tempfile.TemporaryDirectory() as folder:
        copy_migrations(Path(folder), chained=chained)
        await apply(connection, Path(folder))
    await connection.close()


def copy_migrations(folder: Path, *, chained: bool) -> None:
    for path in MIGRATIONS.glob("*.sql"):
        if chained or not path.name.endswith(CHAIN):
            (folder / path.name).write_bytes(path.read_bytes())


@asynccontextmanager
async def stores(server: Postgres) -> AsyncIterator[tuple[PostgresStore, PostgresStore]]:
    """The chained store and the plain one."""
    for name in ("chained", "plain"):
        await in_asyncio(partial(make_database, server.url, name, chained=name == "chained"))
    urls = [server.url_for("usm_app", "bench", name) for name in ("chained", "plain")]
    async with (
        open_postgres(urls[0], pool_size=16, on_denied=denied, deadline=30) as chained,
        open_postgres(urls[1], pool_size=16, on_denied=denied, deadline=30) as plain,
    ):
        plain.database.saves_at_once = 16  # taking turns is a part of what the chain costs
        yield chained, plain


def denied() -> None:
    raise AssertionError("row level security refused a save")


async def run(server: Postgres, rounds: int) -> None:
    async with open_loop(), stores(server) as (chained, plain):
        await measure(chained, plain, rounds)
        await measure_neighbours(chained, plain, rounds)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder, Postgres(Path(folder)) as server:
        bootstrap(server.url, "bench")
        trio.run(run, server, rounds)


if __name__ == "__main__":
    main()

"""What every Journal does: the fake, and PostgreSQL, where nobody who writes at the same time is skipped."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest
import trio

from actors.adapters.journal import PostgresJournal
from actors.bridge import in_asyncio
from actors.core.names import SessionKey
from actors.core.states import SessionState
from actors.errors import StoreUnavailable
from actors.ports import LONGEST_STRETCH, Journal, Store, Stretch, Transition, Wanted
from tests.contracts.benches import FakeBench, PostgresBench, StoreBench
from tests.contracts.credentials import saved
from tests.fakes import FakeJournal
from tests.stores import Database

A1, A2, B1 = SessionKey("acme", "one"), SessionKey("acme", "two"), SessionKey("other", "one")
LINE = Transition("StartQr", SessionState.ABSENT, SessionState.PENDING_QR, None)
ADD = """insert into session_journal (tenant_id, app_id, version, message, from_state, to_state)
         values ($1, $2, $3, 'StartQr', 'ABSENT', 'PENDING_QR')"""
ADD_MANY = """insert into session_journal (tenant_id, app_id, version, message, from_state, to_state)
              select $1, $2, n, 'StartQr', 'ABSENT', 'PENDING_QR' from generate_series(1, $3::int) n"""

real = pytest.mark.parametrize("kind", ["fast"], indirect=True)


@pytest.fixture
def journal(bench: StoreBench) -> Journal:
    """The journal of the bench's store."""
    if isinstance(bench, FakeBench):
        return FakeJournal(bench.store)
    assert isinstance(bench, PostgresBench)
    return PostgresJournal(bench.store.database)


async def write(store: Store, keys: Sequence[SessionKey]) -> None:
    """A line of each session, every time that it is named."""
    versions: Counter[SessionKey] = Counter()
    for key in keys:
        versions[key] += 1
        await store.save(key, saved(versions[key]), LINE)


async def test_a_tenants_lines_are_numbered_without_a_gap_and_read_in_pages(
    journal: Journal, store: Store
) -> None:
    await write(store, [A1, B1, A2, A1, A2])
    first = await journal.after("acme", 0, 3)
    rest = await journal.after("acme", 3, 3)

    assert [(line.seq, line.key, line.version) for line in first.lines + rest.lines] == [
        (1, A1, 1),
        (2, A2, 1),
        (3, A1, 2),
        (4, A2, 2),
    ]
    assert (first.reached, rest.reached) == (3, 4)
    assert await journal.after("acme", 4, 3) == Stretch([], 4)
    assert [line.key for line in (await journal.after("other", 0, 3)).lines] == [B1]
    assert (first.lines[0].before, first.lines[0].reason) == ("ABSENT", None)


async def test_only_what_is_wanted_is_read_and_what_is_not_is_passed_over(
    journal: Journal, store: Store
) -> None:
    await write(store, [A1, A2, A1, A1, A2, A1])
    twos, pending = Wanted(apps=("two",)), Wanted(states=("PENDING_QR",))

    assert [line.seq for line in (await journal.after("acme", 0, 9, twos)).lines] == [2, 5]
    assert (await journal.after("acme", 0, 9, twos)).reached == 6
    assert (
        await journal.after("acme", 0, 1, twos)
    ).reached == 2  # a full page is no further than its last line
    assert await journal.after("acme", 5, 1, twos) == Stretch([], 6)
    assert len((await journal.after("acme", 0, 9, pending)).lines) == 6
    assert await journal.after("acme", 0, 9, Wanted(states=("REVOKED",))) == Stretch([], 6)
    assert await journal.after("acme", 0, 9, Wanted(("two",), ("REVOKED",))) == Stretch([], 6)
    assert await journal.after("nobody", 0, 9, twos) == Stretch([], 0)


async def test_a_sessions_lines_are_read_from_the_newest_back(journal: Journal, store: Store) -> None:
    await write(store, [A1, A2, A1, A1])

    newest = await journal.of_session(A1, None, 2)
    rest = await journal.of_session(A1, newest[-1].version, 2)
    assert [(line.version, line.seq) for line in newest + rest] == [(3, 4), (2, 3), (1, 1)]
    assert await journal.of_session(SessionKey("acme", "nobody"), None, 2) == []


async def test_the_ends_are_told_of_all_that_were_asked_for_and_have_one(
    journal: Journal, store: Store
) -> None:
    await write(store, [A1, A2, B1])

    assert await journal.ends(["acme", "other", "nobody"]) == {"acme": 2, "other": 1}
    assert await journal.ends([]) == {}


# -- what only the real one shows


@real
async def test_an_outage_is_an_outage_to_every_method(bench: StoreBench, journal: Journal) -> None:
    await bench.go_down()
    for ask in (journal.after("acme", 0, 1), journal.of_session(A1, None, 1), journal.ends(["acme"])):
        with pytest.raises(StoreUnavailable):
            await ask


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
    connection = await in_asyncio(_connect, url)
    try:
        yield connection
    finally:
        await in_asyncio(connection.close)


async def _connect(url: str) -> asyncpg.Connection[asyncpg.Record]:
    return await asyncpg.connect(url)


@real
async def test_who_reads_while_many_write_never_sees_a_line_before_the_one_before_it(
    journal: Journal, database: Database
) -> None:
    """Twelve writers, some of whom hold their transaction open after the line is written, and a reader who tails."""
    writers, lines = 12, 15
    seen: list[int] = []

    async def read_all() -> None:
        while len(seen) < writers * lines:
            found = await journal.after("acme", seen[-1] if seen else 0, 7)
            seen.extend(line.seq for line in found.lines)

    async def add(number: int) -> None:
        async with connected(database.admin_url) as connection:
            for version in range(1, lines + 1):
                await in_asyncio(connection.execute, "begin")
                await in_asyncio(connection.execute, ADD, "acme", f"app{number}", version)
                await trio.sleep(0.004 * (number % 3))
                await in_asyncio(connection.execute, "commit" if version % 5 or number else "rollback; begin")
                if not (version % 5 or number):  # what was rolled back leaves no gap either
                    await in_asyncio(connection.execute, ADD, "acme", f"app{number}", version)
                    await in_asyncio(connection.execute, "commit")

    with trio.fail_after(60):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(read_all)
            for number in range(writers):
                nursery.start_soon(add, number)

    assert seen == list(range(1, writers * lines + 1))


@real
async def test_a_rare_app_in_a_long_chain_is_looked_for_a_stretch_at_a_time(
    bench: StoreBench, journal: Journal
) -> None:
    assert isinstance(bench, PostgresBench)
    lines = LONGEST_STRETCH + 10
    await bench.sql(ADD_MANY, "acme", "busy", lines)
    await bench.sql(ADD, "acme", "rare", 1)
    rare = Wanted(apps=("rare",))

    first = await journal.after("acme", 0, 1, rare)
    second = await journal.after("acme", first.reached, 1, rare)
    assert first == Stretch([], LONGEST_STRETCH)
    assert ([line.seq for line in second.lines], second.reached) == ([lines + 1], lines + 1)

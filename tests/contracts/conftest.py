"""Which store a test is about: the fake, or PostgreSQL on either engine of the bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from actors.ports import Store
from tests.contracts.benches import FakeBench, PostgresBench, StoreBench, open_bench, open_engine
from tests.stores import Database


@pytest.fixture(params=["fake", "fast"])
def kind(request: pytest.FixtureRequest) -> str:
    """`fake`, or the name of an engine."""
    return str(request.param)


@pytest.fixture
def place(request: pytest.FixtureRequest, kind: str) -> Database | None:
    """The database, if a real one is wanted."""
    if kind == "fake":
        return None
    database: Database = request.getfixturevalue("database")
    return database


@pytest.fixture
async def bench(kind: str, place: Database | None) -> AsyncIterator[StoreBench]:
    """The store and its surroundings."""
    if place is None:
        yield FakeBench()
        return
    async with open_engine(kind), open_bench(place) as bench:
        yield bench


@pytest.fixture
def store(bench: StoreBench) -> Store:
    """What is tested."""
    return bench.store


@pytest.fixture
def postgres(bench: StoreBench) -> PostgresBench:
    """The same bench, where it must be a real one."""
    assert isinstance(bench, PostgresBench)
    return bench

"""What a test is about: the fake, or the real one on either engine of the bridge."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from telethon import TelegramClient
from telethon.crypto import rsa
from telethon.network import authenticator

from actors.ports import Farewells, Store, Telegram, Tickets, Vault
from tests.contracts.benches import (
    FakeBench,
    FakeTicketsBench,
    PostgresBench,
    RedisBench,
    StoreBench,
    TicketsBench,
    open_bench,
    open_engine,
    open_tickets_bench,
)
from tests.contracts.credentials import Saver
from tests.contracts.telegram_bench import (
    SandboxBench,
    TelegramBench,
    Who,
    open_fake_bench,
    open_sandbox_bench,
)
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
def save(store: Store) -> Saver:
    """One save after another of each session."""
    return Saver(store)


@pytest.fixture
def vault(bench: StoreBench) -> Vault:
    """What is tested."""
    return bench.vault


@pytest.fixture
def farewells(bench: StoreBench) -> Farewells:
    """What is tested."""
    return bench.farewells


@pytest.fixture
def postgres(bench: StoreBench) -> PostgresBench:
    """The same bench, where it must be a real one."""
    assert isinstance(bench, PostgresBench)
    return bench


@pytest.fixture
def tickets_place(request: pytest.FixtureRequest, kind: str) -> str | None:
    """The server's URL, if a real one is wanted."""
    return None if kind == "fake" else str(request.getfixturevalue("redis_url"))


@pytest.fixture
async def tickets_bench(kind: str, tickets_place: str | None) -> AsyncIterator[TicketsBench]:
    """The tickets and their surroundings."""
    if tickets_place is None:
        yield FakeTicketsBench()
        return
    async with open_engine(kind), open_tickets_bench(tickets_place) as bench:
        yield bench


@pytest.fixture
def tickets(tickets_bench: TicketsBench) -> Tickets:
    """What is tested."""
    return tickets_bench.tickets


@pytest.fixture
def valkey(tickets_bench: TicketsBench) -> RedisBench:
    """The same bench, where it must be a real one."""
    assert isinstance(tickets_bench, RedisBench)
    return tickets_bench


@pytest.fixture(params=["plain"])
def who(request: pytest.FixtureRequest) -> Who:
    """Whose account at Telegram it is about."""
    who: Who = request.param
    return who


@pytest.fixture
def session_files(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path | None:
    """Where the session files are, if real lines are wanted. What they set in Telethon is undone."""
    if kind == "fake":
        return None
    monkeypatch.setattr(authenticator, "pow", pow, raising=False)
    monkeypatch.setattr(rsa, "_server_keys", dict(rsa._server_keys))
    monkeypatch.setattr(TelegramClient, "_config", None)
    return tmp_path


@pytest.fixture
async def telegram(kind: str, who: Who, session_files: Path | None) -> AsyncIterator[TelegramBench]:
    """Telegram and a person, for one session's lines."""
    if session_files is None:
        async with open_fake_bench(who) as fake:
            yield fake
        return
    async with open_engine(kind), open_sandbox_bench(who, session_files) as real:
        yield real


@pytest.fixture
def sandbox_bench(telegram: TelegramBench) -> SandboxBench:
    """The same bench, where it must be a real one."""
    assert isinstance(telegram, SandboxBench)
    return telegram


@pytest.fixture
async def line(telegram: TelegramBench) -> AsyncIterator[Telegram]:
    """What is tested."""
    async with telegram.open() as line:
        yield line

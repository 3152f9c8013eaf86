"""The running service under schemathesis: no error of ours, and no answer that the document does not name.

Here for as long as CI has patience. `ops/fuzz` takes all the time that 20,000 cases need.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import trio

from actors.adapters.api_keys import PostgresApiKeys
from actors.adapters.postgres import open_postgres
from actors.bridge import open_loop
from actors.guards import KeyRole
from api.keys import new_key
from supervisor.settings import Settings
from tests.fuzz.runner import Found, Target, fuzz, server_errors
from tests.stores import Database
from tests.stories.conftest import HMAC_KEY, make_settings, running, sandbox

__all__ = ["sandbox"]

SECONDS = 40
CASES = int(os.environ.get("FUZZ_CASES", "0"))
"""How many for each route; 0 for as many as there is time for."""

PROCESSES = 2
"""Of schemathesis, when there are many cases: one is busy making them up. Not threads of one: in Python 3.11 they
meet in the parser, which then says "AST constructor recursion depth mismatch"."""

TICKET_LIVES = 60
"""Seconds: as long as a stream of its login can keep one who follows it."""

HOURS = 6 * 3600


@pytest.fixture
def settings(request: pytest.FixtureRequest, database: Database, redis_url: str, tmp_path: Path) -> Settings:
    file = request.getfixturevalue("sandbox").file
    made = make_settings(database.app_url, redis_url, file, tmp_path / "sessions")
    many = {
        "limit_qr_starts": 100_000,
        "limit_code_requests": 100_000,
        "limit_password_attempts": 100_000,
        "qr_ticket_ttl": TICKET_LIVES,
    }
    return made.model_copy(update=many)


async def _tenant_key(database: Database) -> str:
    key, kept = new_key(KeyRole.TENANT, "demo", "fuzz", 0.0)
    async with open_loop(), open_postgres(database.app_url, on_denied=lambda: None) as store:
        await PostgresApiKeys(store.database).add(kept)
    return key.reveal()


@pytest.mark.timeout(HOURS)
async def test_nothing_that_can_be_sent_brings_about_an_error_or_an_answer_that_is_not_documented(
    settings: Settings, database: Database
) -> None:
    key = await _tenant_key(database)
    async with running(settings) as service:
        target = Target(str(service.http.base_url).rstrip("/"), key, HMAC_KEY)
        found = await (_many(target) if CASES else _for_a_while(target))
        errors = server_errors(await service.metrics())

    for each in found:
        print(each.text[-3000:])  # noqa: T201 - pytest shows it if it fails, ops/fuzz always
    print(sum(each.cases for each in found), "cases")  # noqa: T201
    for each in found:
        assert each.passed, each.text
        assert each.cases > 50
    assert errors == []


async def _for_a_while(target: Target) -> list[Found]:
    return [await fuzz(target, "--max-time", str(SECONDS))]


async def _many(target: Target) -> list[Found]:
    """As many cases as were asked for, with a seed for each process."""
    found: list[Found] = []

    async def add(seed: int) -> None:
        found.append(await fuzz(target, "--max-examples", str(CASES // PROCESSES), seed=seed))

    async with trio.open_nursery() as nursery:
        for seed in range(PROCESSES):
            nursery.start_soon(add, seed)
    return found

"""The whole service is killed while people log in, again and again: nobody who was told AUTHORIZED logs in anew."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import httpx
import pytest
import trio

from actors.adapters.telegram.session_file import SessionFiles
from actors.core.names import SessionKey
from supervisor.settings import Settings
from tests.stores import Database
from tests.stories.conftest import RunningSandbox, Service, qr_url
from tests.stories.served import Served, served
from tests.stories.terminal import ROOT

TENANT = "killed"
ROUNDS = 4
PEOPLE = 4
"""Who log in at the same time in each round."""

A_MOMENT = 0.3
"""Seconds at most that the service lives on once so many people as are wanted are through."""


class People:
    """Everybody who has begun to log in, and who was told that it worked."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        self.begun = 0
        self.told: dict[str, str] = {}
        """The phones of those who were told AUTHORIZED, by the tickets of their logins."""

    async def log_in(self, service: Service) -> None:
        """One more; the service may die meanwhile."""
        number = self.begun = self.begun + 1
        account = {"first_name": f"Person {number}", "phone": f"999662{7000 + number}"}
        await trio.to_thread.run_sync(self._sandbox.control, "POST", "/accounts", account)
        try:
            started = await service.start(TENANT, f"app{number}")
            await self._sandbox.accept(qr_url(started), account["phone"])
            await service.wait_for(started["ticket"], "AUTHORIZED")
        except httpx.TransportError:
            return
        self.told[started["ticket"]] = account["phone"]


async def live_and_die(running: Served, people: People, through: int, seconds: float) -> None:
    """Let people log in, and kill the service when so many are through, and so many seconds have passed."""
    before = len(people.told)
    async with trio.open_nursery() as nursery:
        for _ in range(PEOPLE):
            nursery.start_soon(people.log_in, running.service)
        while len(people.told) < before + through:
            await trio.sleep(0.01)
        await trio.sleep(seconds)
        running.process.kill()
        await running.process.wait()


async def journal_is_whole(database: Database) -> bool:
    done = await trio.run_process(
        [sys.executable, "-m", "ops.journal", "verify"],
        cwd=ROOT,
        env={"DATABASE_URL": database.app_url},
        capture_stdout=True,
        capture_stderr=True,
        check=False,
    )
    assert done.returncode in {0, 1}, done.stderr.decode()
    return done.returncode == 0


@pytest.mark.timeout(600)
async def test_a_killed_service_finds_every_login_again_that_it_had_told_of(
    settings: Settings, sandbox: RunningSandbox, database: Database, tmp_path: Path
) -> None:
    people, chance, log = People(sandbox), random.Random(4), tmp_path / "log"
    for number in range(ROUNDS):
        async with served(settings, log) as running:
            await live_and_die(running, people, number, chance.uniform(0, A_MOMENT))
        assert await journal_is_whole(database)
    assert people.begun == ROUNDS * PEOPLE
    assert len(people.told) >= sum(range(ROUNDS))

    async with served(settings, log) as running:
        for ticket, phone in people.told.items():
            status = await running.service.wait_for(ticket, "AUTHORIZED")
            assert status["user_action"] in {"none", "wait"}, phone
        await all_connected(sandbox, set(people.told.values()))
        await running.service.start(TENANT, "one-more")
    assert await journal_is_whole(database)
    assert sandbox.control("GET", "/duplicates") == []
    files = SessionFiles(settings.sessions_base_path)
    for path in (settings.sessions_base_path / TENANT).iterdir():
        assert files.read(SessionKey(TENANT, path.stem)) is not None, path.name


async def all_connected(sandbox: RunningSandbox, phones: set[str]) -> None:
    with trio.fail_after(60):
        while phones - {
            line["phone"] for line in await trio.to_thread.run_sync(sandbox.control, "GET", "/connections")
        }:
            await trio.sleep(0.2)

"""Two supervisors on one machine share the sessions: one is killed or stopped, and the other has them all again."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import trio

from supervisor.settings import Settings
from tests.stores import Database
from tests.stories.conftest import RunningSandbox, qr_url
from tests.stories.served import Served, served
from tests.stories.test_login import fetch

TENANT = "shared"
PEOPLE = 6
PHONES = count(8001)
"""The sandbox outlasts a test, and so do its people."""
OWNERS = """
select o.app_id, coalesce(n.node_id, '-'), o.is_clean
  from session_owners o
  left join nodes n on n.node_id = o.owner_node and n.node_epoch = o.owner_node_epoch
 where o.tenant_id = 'shared' order by 1
"""


@dataclass
class House:
    """Two supervisors, and the people whose sessions they have."""

    sandbox: RunningSandbox
    database: Database
    first: Served
    second: Served
    tickets: dict[str, str] = field(default_factory=dict)
    """Of each person's login, by phone."""

    async def log_in(self, number: int) -> None:
        """One more person, through either supervisor."""
        phone = f"999662{next(PHONES)}"
        account = {"first_name": f"Person {number}", "phone": phone}
        await trio.to_thread.run_sync(self.sandbox.control, "POST", "/accounts", account)
        service = (self.first, self.second)[number % 2].service
        started = await service.start(TENANT, f"app{number}")
        await self.sandbox.accept(qr_url(started), phone)
        await service.wait_for(started["ticket"], "AUTHORIZED")
        self.tickets[phone] = started["ticket"]

    async def owners(self) -> dict[str, str]:
        """The living node that owns each session."""
        return {app: node for app, node, _ in await fetch(self.database.admin_url, OWNERS)}

    async def connected(self) -> set[str]:
        lines = await trio.to_thread.run_sync(self.sandbox.control, "GET", "/connections")
        return {line["phone"] for line in lines} & set(self.tickets)

    async def all_with(self, others: set[str], within: float) -> float:
        """Wait until every session is owned by a node that is none of these, and connected; how long it took."""
        began = trio.current_time()
        with trio.fail_after(within):
            while True:
                owners = set((await self.owners()).values())
                if not owners & (others | {"-"}) and await self.connected() == set(self.tickets):
                    return trio.current_time() - began
                await trio.sleep(0.1)

    async def all_well(self, through: Served) -> None:
        """Everybody is logged in, as one supervisor says, and no key was in use twice."""
        for ticket in self.tickets.values():
            await through.service.wait_for(ticket, "AUTHORIZED")
        assert self.sandbox.control("GET", "/duplicates") == []


@pytest.fixture
async def house(
    settings: Settings, sandbox: RunningSandbox, database: Database, tmp_path: Path
) -> AsyncIterator[House]:
    async with housed(settings, sandbox, database, tmp_path) as house:
        for number in range(PEOPLE):
            await house.log_in(number)
        yield house


@asynccontextmanager
async def housed(
    settings: Settings, sandbox: RunningSandbox, database: Database, tmp_path: Path
) -> AsyncIterator[House]:
    async with (
        served(settings, tmp_path / "first.log") as first,
        served(settings, tmp_path / "second.log") as second,
    ):
        yield House(sandbox, database, first, second)


def node_of(settings: Settings, slot: int) -> str:
    """The name of the node in a slot; the first that started is in the first."""
    text = (settings.sessions_base_path / ".nodes" / str(slot)).read_text()
    return text.split('"node_id": "')[1].split('"')[0]


@pytest.mark.timeout(240)
async def test_when_one_of_two_is_killed_the_other_has_every_session_within_seconds(
    house: House, settings: Settings
) -> None:
    first, second = node_of(settings, 0), node_of(settings, 1)
    assert set((await house.owners()).values()) == {first, second}

    house.first.process.kill()
    await house.first.process.wait()
    # Where a connection was reset lately, some 17 seconds; a takeover after silence would take 47.
    await house.all_with({first}, 40)

    assert set((await house.owners()).values()) == {second}
    await house.all_well(house.second)


@pytest.mark.timeout(240)
async def test_what_one_of_two_gives_away_when_it_is_stopped_the_other_connects_at_once(
    house: House, settings: Settings
) -> None:
    first, second = node_of(settings, 0), node_of(settings, 1)

    house.first.process.send_signal(signal.SIGTERM)
    took = await house.all_with({first}, 30)

    assert await house.first.process.wait() == 0
    rows = await fetch(house.database.admin_url, OWNERS)
    assert {(node, is_clean) for _, node, is_clean in rows} == {(second, True)}
    await house.all_well(house.second)
    assert took < 15, took

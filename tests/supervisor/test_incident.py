"""What happens when auth keys are found in use twice: everybody stops connecting, wherever they are."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState
from actors.events import Transitioned
from supervisor.events import Event, OwnershipIncident
from supervisor.owner.incident import HOLD, WITHIN, IncidentBrake
from tests.fakes.arbiter import FakeArbiter


class Node:
    """A brake, and what it did."""

    def __init__(self) -> None:
        self.arbiter = FakeArbiter(is_down=lambda: self.is_cut_off)
        self.is_cut_off = False
        self.held: list[float] = []
        self.told: list[Event] = []
        self.brake = IncidentBrake(self.arbiter, self.held.append, self.told.append)

    def lose_a_key(self, number: int, reason: Reason = Reason.AUTH_KEY_DUPLICATED) -> None:
        key = SessionKey("tenant", f"app-{number}")
        ended = Transitioned(key, SessionState.AUTHORIZED, SessionState.REVOKED, reason, "CredentialLost")
        self.brake.note(ended)

    async def held_everywhere(self) -> float:
        return (await self.arbiter.poll()).held


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    node = Node()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(node.brake.keep_watching)
        yield node
        nursery.cancel_scope.cancel()


async def test_two_keys_in_use_twice_stop_everybody(node: Node) -> None:
    node.lose_a_key(1)
    await trio.sleep(WITHIN - 1)
    assert node.held == []
    node.lose_a_key(2)
    await wait_all_tasks_blocked()

    assert node.held == [HOLD]
    assert node.told == [OwnershipIncident(HOLD)]
    assert await node.held_everywhere() == HOLD
    await trio.sleep(HOLD + 1)
    assert await node.held_everywhere() == 0.0


async def test_one_key_now_and_then_stops_nobody(node: Node) -> None:
    for number in range(5):
        node.lose_a_key(number)
        await trio.sleep(WITHIN + 1)

    assert node.held == []


async def test_a_logout_is_no_incident(node: Node) -> None:
    for number in range(5):
        node.lose_a_key(number, Reason.SESSION_REVOKED)
    await wait_all_tasks_blocked()

    assert node.held == []


async def test_the_others_are_told_as_soon_as_they_can_be(node: Node) -> None:
    node.is_cut_off = True
    node.lose_a_key(1)
    node.lose_a_key(2)
    await trio.sleep(30)
    assert node.held == [HOLD]

    node.is_cut_off = False
    await trio.sleep(3)
    assert await node.held_everywhere() > 0

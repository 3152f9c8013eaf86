"""When a node gives sessions away because it has too many: late, slowly, and only those that nobody is busy with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch
from supervisor.owner.balancing import LOOK_EVERY, PATIENCE, Balancer
from supervisor.sessions import Sessions
from tests.supervisor.service import Service

ME, OTHER = "node-a", "node-b"
SIZE = 20


class Eyes:
    """What a watcher sees: two nodes, this one with all sessions."""

    def __init__(self) -> None:
        self.nodes: Sequence[Heartbeat] = [
            Heartbeat(NodeEpoch(ME, 1), 1, load=SIZE),
            Heartbeat(NodeEpoch(OTHER, 1), 1, load=0),
        ]

    def place(self, key: SessionKey) -> str:
        return OTHER if int(key.app_id) % 2 else ME


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def sessions(service: Service) -> AsyncIterator[Sessions]:
    sessions = service.sessions()
    async with sessions.open():
        for number in range(SIZE):
            key = SessionKey("tenant", str(number))
            await sessions.ask(key, service.start_qr(), within=5)
            service.telegram[key].accept()
        await wait_all_tasks_blocked()
        yield sessions


def balancer(sessions: Sessions, eyes: Any) -> Balancer:
    return Balancer(eyes, sessions, lambda: ME)


async def after(nursery: trio.Nursery, balancer: Balancer, sessions: Sessions, seconds: float) -> list[int]:
    nursery.start_soon(balancer.keep_balancing)
    await trio.sleep(seconds)
    nursery.cancel_scope.cancel()
    return sorted(set(range(SIZE)) - {int(key.app_id) for key in sessions.running})


async def test_too_many_are_given_away_one_at_a_look_once_it_has_lasted(sessions: Sessions) -> None:
    async with trio.open_nursery() as nursery:
        gone = await after(nursery, balancer(sessions, Eyes()), sessions, PATIENCE + 3 * LOOK_EVERY + 1)

    assert len(gone) == 3
    assert all(number % 2 for number in gone)  # those that are placed elsewhere


async def test_nothing_moves_before_it_has_lasted(sessions: Sessions) -> None:
    async with trio.open_nursery() as nursery:
        assert await after(nursery, balancer(sessions, Eyes()), sessions, PATIENCE - 1) == []


async def test_a_moment_of_balance_begins_the_wait_anew(sessions: Sessions) -> None:
    eyes = Eyes()
    uneven, even = eyes.nodes, [replace(node, load=SIZE // 2) for node in eyes.nodes]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(balancer(sessions, eyes).keep_balancing)
        await trio.sleep(PATIENCE - 1)
        eyes.nodes = even
        await trio.sleep(LOOK_EVERY)
        eyes.nodes = uneven
        await trio.sleep(PATIENCE - 1)
        nursery.cancel_scope.cancel()

    assert len(sessions.running) == SIZE


async def test_whoever_is_alone_or_among_those_that_drain_keeps_all(sessions: Sessions) -> None:
    eyes = Eyes()
    eyes.nodes = [eyes.nodes[0], replace(eyes.nodes[1], is_draining=True)]
    async with trio.open_nursery() as nursery:
        assert await after(nursery, balancer(sessions, eyes), sessions, 10 * PATIENCE) == []


async def test_a_session_that_somebody_waits_for_or_that_logs_in_stays(
    service: Service, sessions: Sessions
) -> None:
    """A page that shows a QR would see it go dark for a moment."""
    login = SessionKey("tenant", "99")
    await sessions.ask(login, service.start_qr("login-2"), within=5)
    async with trio.open_nursery() as nursery:
        watched = SessionKey("tenant", "1")
        snapshot = await sessions.look(watched)
        nursery.start_soon(sessions.wait_change, watched, snapshot.sequence, 10_000.0)
        gone = await after(nursery, balancer(sessions, Eyes()), sessions, PATIENCE + 9 * LOOK_EVERY)

    assert login in sessions.running
    assert watched in sessions.running
    assert len(gone) >= 8

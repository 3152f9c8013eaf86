"""How a node hands all its sessions over before it stops: one after the other, so that none waits long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.names import SessionKey
from supervisor.owner.handing_over import A_SECOND, LINGER, LONGEST, hand_over
from supervisor.sessions import Sessions
from tests.supervisor.service import Service

SIZE = 80


@pytest.fixture
async def service() -> Service:
    return Service()


@pytest.fixture
async def sessions(service: Service) -> AsyncIterator[Sessions]:
    sessions = service.sessions()
    async with sessions.open():
        for number in range(SIZE):
            await sessions.ask(SessionKey("tenant", str(number)), service.start_qr(), within=5)
        yield sessions


async def test_sessions_go_one_after_the_other(sessions: Sessions) -> None:
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(hand_over, sessions, lambda: True)
        await trio.sleep(1.0)
        await wait_all_tasks_blocked()
        assert abs(len(sessions.running) - (SIZE - A_SECOND)) <= 2

    assert not sessions.running
    assert trio.current_time() - began < SIZE / A_SECOND + 1


async def test_whoever_has_no_others_keeps_its_sessions_for_the_end(sessions: Sessions) -> None:
    await hand_over(sessions, lambda: False)

    assert len(sessions.running) == SIZE


async def test_one_that_cannot_end_holds_nobody_up_for_long(service: Service, sessions: Sessions) -> None:
    service.store.hold()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        stuck = SessionKey("tenant", "0")
        nursery.start_soon(_ask, sessions, stuck)
        await wait_all_tasks_blocked()
        await hand_over(sessions, lambda: True)
        assert trio.current_time() - began < LONGEST + LINGER + 0.1
        assert list(sessions.running) == [stuck]
        service.store.release()


async def _ask(sessions: Sessions, key: SessionKey) -> None:
    await sessions.ask(key, m.CancelLogin("login-1"), within=60)

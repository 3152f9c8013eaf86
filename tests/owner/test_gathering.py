"""Which of the sessions that nobody has are started here, and when, on virtual clocks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.core.owners import Ownership
from actors.core.record import to_record
from actors.core.states import Authorized
from actors.ports import Saved
from supervisor.owner.gathering import PATIENCE, Gatherer
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import Sessions
from tests.owner.nodes import KEY, OTHER
from tests.supervisor.service import Service
from tests.supervisor.test_owned_sessions import Owner


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Service, Sessions, Gatherer]]:
    """Two sessions that should run, of which one is proposed to this node; their owner never answers."""
    service, owner = Service(), Owner()
    owner.answers = trio.Event()
    for key in (KEY, OTHER):
        await service.store.save(key, Saved(to_record(Authorized(7)), 1, 0.0), None)
    sessions = Sessions(service.surroundings, RestartPolicy(jitter=0.0), service.told.append, owner=owner)
    pace = Pace(1000, burst=1000)
    gatherer = Gatherer(service.store, service.clock, sessions, pace, is_mine=lambda key: key == KEY)
    async with sessions.open():
        yield service, sessions, gatherer


async def test_what_is_proposed_to_another_is_left_to_it_for_a_while_and_then_taken() -> None:
    async with opened() as (_, sessions, gatherer), trio.open_nursery() as nursery:
        nursery.start_soon(gatherer.keep_gathering)
        await trio.sleep(PATIENCE - 1)
        assert set(sessions.running) == {KEY}

        await trio.sleep(3)
        assert set(sessions.running) == {KEY, OTHER}
        nursery.cancel_scope.cancel()


async def test_who_is_taken_by_another_meanwhile_is_waited_for_anew() -> None:
    async with opened() as (service, sessions, gatherer):
        await gatherer.gather()
        me = await service.store.arbiter.boot("node-b", "boot")
        await trio.sleep(PATIENCE - 1)
        taken = await service.store.arbiter.acquire(me, _free())
        assert taken is not None
        await gatherer.gather()
        await service.store.arbiter.release(me, taken, is_clean=True)
        await gatherer.gather()
        await trio.sleep(2)

        await gatherer.gather()
        assert set(sessions.running) == {KEY}
        await trio.sleep(PATIENCE)
        await gatherer.gather()
        assert set(sessions.running) == {KEY, OTHER}


async def test_an_outage_ends_no_gathering() -> None:
    async with opened() as (service, sessions, gatherer), trio.open_nursery() as nursery:
        service.store.down = True
        nursery.start_soon(gatherer.keep_gathering)
        await trio.sleep(30)
        assert set(sessions.running) == set()

        service.store.down = False
        await trio.sleep(2)
        assert KEY in sessions.running
        nursery.cancel_scope.cancel()


def _free() -> Ownership:
    return Ownership(OTHER, 0, None, is_clean=True)

"""Sessions that need nobody: they leave memory, and are back when somebody or their own time asks for them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.actor import LINGER
from actors.core import messages as m
from actors.core.states import Absent, Authorized, PendingQr, Revoked, State, Substate
from supervisor.owner.gathering import LOOK_EVERY
from supervisor.sessions import Sessions
from tests.supervisor.service import KEY, Service

IDLE_AFTER = 600.0


@pytest.fixture
async def service() -> Service:
    service = Service()
    service.surroundings = replace(service.surroundings, idle_after=IDLE_AFTER)
    return service


@pytest.fixture
async def sessions(service: Service) -> AsyncIterator[Sessions]:
    sessions = service.sessions()
    async with sessions.open(), trio.open_nursery() as nursery:
        nursery.start_soon(service.gatherer(sessions).keep_gathering)
        yield sessions
        nursery.cancel_scope.cancel()


async def log_in(service: Service, sessions: Sessions) -> None:
    await sessions.ask(KEY, service.start_qr(), within=5)
    service.telegram[KEY].accept()
    await wait_all_tasks_blocked()
    assert await substate(sessions) is Substate.ONLINE


async def substate(sessions: Sessions) -> Substate:
    state = (await sessions.look(KEY)).state
    assert isinstance(state, Authorized)
    return state.substate


async def test_an_idle_session_hangs_up_and_leaves_memory(service: Service, sessions: Sessions) -> None:
    await log_in(service, sessions)

    await trio.sleep(IDLE_AFTER - 1)
    assert service.telegram[KEY].connections == 1
    await trio.sleep(2)
    assert service.telegram[KEY].connections == 0
    assert await substate(sessions) is Substate.ASLEEP
    await trio.sleep(LINGER)

    assert sessions.running == {}
    assert await substate(sessions) is Substate.ASLEEP


async def test_a_session_that_is_needed_stays_connected(service: Service, sessions: Sessions) -> None:
    await log_in(service, sessions)

    for _ in range(10):
        await trio.sleep(IDLE_AFTER - 1)
        await sessions.ask(KEY, m.Validate(), within=5)

    assert service.telegram[KEY].connections == 1


async def test_a_sleeping_session_is_back_as_soon_as_somebody_needs_it(
    service: Service, sessions: Sessions
) -> None:
    await log_in(service, sessions)
    await trio.sleep(IDLE_AFTER + LINGER + 2)
    assert sessions.running == {}

    state = await sessions.ask(KEY, m.StartSession(), within=5)

    assert isinstance(state, Authorized)
    assert state.substate is Substate.ONLINE


async def test_a_sleeping_session_shows_itself_to_telegram_twice_a_day(
    service: Service, sessions: Sessions
) -> None:
    await log_in(service, sessions)
    service.telegram[KEY].calls.clear()

    await trio.sleep(3 * 86400)

    assert 4 <= service.telegram[KEY].calls.count("connect") <= 6
    assert await substate(sessions) is Substate.ASLEEP


async def test_a_restart_lets_the_sleepers_sleep(service: Service) -> None:
    first, second = service.sessions(), service.sessions()
    async with first.open():
        await log_in(service, first)
        await trio.sleep(IDLE_AFTER + 1)

    async with second.open():
        await service.gatherer(second).gather()
        assert second.running == {}


async def test_an_outage_of_the_database_wakes_nobody_and_ends_nothing(
    service: Service, sessions: Sessions
) -> None:
    await log_in(service, sessions)
    await trio.sleep(IDLE_AFTER + LINGER + 2)
    service.store.down = True
    await trio.sleep(86400)
    service.telegram[KEY].calls.clear()

    service.store.down = False
    await trio.sleep(LOOK_EVERY + 1)

    assert "connect" in service.telegram[KEY].calls


@pytest.mark.parametrize("rest", [Absent, Revoked], ids=["absent", "revoked"])
async def test_a_session_without_a_credential_does_not_stay_in_memory(
    rest: type[State], service: Service, sessions: Sessions
) -> None:
    if rest is Revoked:
        await log_in(service, sessions)
        await sessions.ask(KEY, m.Revoke(), within=5)
    else:
        await sessions.ask(KEY, service.start_qr(), within=5)
        await sessions.ask(KEY, m.CancelLogin("login-1"), within=5)

    await trio.sleep(LINGER + 1)

    assert sessions.running == {}
    assert isinstance((await sessions.look(KEY)).state, rest)


async def test_who_watches_a_resting_session_keeps_it_and_sees_it_change(
    service: Service, sessions: Sessions
) -> None:
    await sessions.ask(KEY, service.start_qr(), within=5)
    state = await sessions.ask(KEY, m.CancelLogin("login-1"), within=5)
    seen = (await sessions.look(KEY)).sequence
    changes: list[State] = []

    async def watch() -> None:
        changes.append((await sessions.wait_change(KEY, seen, within=3600)).state)

    async with trio.open_nursery() as watchers:
        watchers.start_soon(watch)
        await trio.sleep(10 * LINGER)
        assert KEY in sessions.running
        await sessions.ask(KEY, service.start_qr("login-2"), within=5)

    assert changes != [state]


async def test_whoever_looks_again_never_sees_an_older_number(service: Service, sessions: Sessions) -> None:
    await log_in(service, sessions)
    seen = (await sessions.look(KEY)).sequence
    await trio.sleep(IDLE_AFTER + LINGER + 2)
    assert sessions.running == {}

    await sessions.ask(KEY, m.StartSession(), within=5)

    assert (await sessions.look(KEY)).sequence > seen


@pytest.mark.parametrize("moment", [-1e-9, 0.0, 1e-9])
async def test_a_command_around_the_last_moment_of_a_life_is_served(
    moment: float, service: Service, sessions: Sessions
) -> None:
    await sessions.ask(KEY, service.start_qr(), within=5)
    await sessions.ask(KEY, m.CancelLogin("login-1"), within=5)
    await trio.sleep(LINGER + moment)

    state = await sessions.ask(KEY, service.start_qr("login-2"), within=5)

    assert isinstance(state, PendingQr)

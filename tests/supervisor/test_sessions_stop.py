"""Stopping all sessions: what is in hand is finished, nothing else is begun, and it is over in time."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.states import Authorized, PendingQr, State
from actors.errors import Stopping
from actors.events import Left
from supervisor.keep_alive import Phase
from supervisor.sessions import DRAIN
from tests.fakes import Stall
from tests.supervisor.running import NEIGHBOUR, Boom, crash_until, log_in
from tests.supervisor.service import KEY, PATIENCE, Service


async def test_idle_sessions_stop_at_once(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await sessions.ask(NEIGHBOUR, service.start_qr(), PATIENCE)
        began = trio.current_time()

    assert trio.current_time() == began
    assert service.telegram[KEY].connections == service.telegram[NEIGHBOUR].connections == 0
    assert {event.key for event in service.told if isinstance(event, Left)} == {KEY, NEIGHBOUR}


@pytest.mark.parametrize("phase", [Phase.BACKING_OFF, Phase.PARKED])
async def test_a_session_between_two_lives_does_not_delay_the_stop(service: Service, phase: Phase) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await crash_until(service, sessions, phase)
        began = trio.current_time()

    assert trio.current_time() == began
    assert sessions.running == {}


async def test_what_is_in_hand_is_finished_and_the_rest_refused(
    service: Service, nursery: trio.Nursery
) -> None:
    sessions = service.sessions()
    answers: dict[m.Command, type[State] | float | None] = {}
    start, cancel = service.start_qr(), m.CancelLogin("login-1")

    async def ask(command: m.Command) -> None:
        try:
            answers[command] = type(await sessions.ask(KEY, command, PATIENCE))
        except Stopping as stopping:
            answers[command] = stopping.retry_after

    async def release_after(seconds: float) -> None:
        await trio.sleep(seconds)
        service.store.release()

    async with sessions.open():
        service.store.hold()
        nursery.start_soon(ask, start)
        await wait_all_tasks_blocked()
        nursery.start_soon(ask, cancel)
        await wait_all_tasks_blocked()
        nursery.start_soon(release_after, 5)
        began = trio.current_time()
    await wait_all_tasks_blocked()

    assert trio.current_time() - began == 5
    assert answers == {start: PendingQr, cancel: 5}


async def test_a_session_that_does_not_finish_is_cut_off_in_time(
    service: Service, nursery: trio.Nursery
) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(Stall(), to="export_token")
    refused: list[Stopping] = []

    async def ask() -> None:
        with pytest.raises(Stopping) as stopping:
            await sessions.ask(KEY, service.start_qr(), PATIENCE)
        refused.append(stopping.value)

    async with sessions.open():
        await sessions.ask(NEIGHBOUR, service.start_qr(), PATIENCE)
        nursery.start_soon(ask)
        await wait_all_tasks_blocked()
        began = trio.current_time()
    await wait_all_tasks_blocked()

    assert trio.current_time() - began == DRAIN == 15
    assert len(refused) == 1
    assert service.telegram[KEY].connections == 0


async def test_an_outage_of_the_database_does_not_hold_the_stop_up_for_longer(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await sessions.ask(KEY, service.start_qr(), PATIENCE)
        service.store.down = True
        service.telegram[KEY].accept()
        await trio.sleep(100)
        began = trio.current_time()

    assert trio.current_time() - began <= DRAIN


async def test_a_stopped_directory_takes_no_more_asks(service: Service) -> None:
    sessions = service.sessions()
    with pytest.raises(Stopping):
        await sessions.ask(KEY, service.start_qr(), PATIENCE)

    async with sessions.open():
        await sessions.ask(KEY, service.start_qr(), PATIENCE)

    with pytest.raises(Stopping) as refused:
        await sessions.ask(KEY, m.CancelLogin("login-1"), PATIENCE)
    assert refused.value.retry_after == 5


async def test_what_goes_wrong_in_the_block_ends_the_sessions_and_is_not_hidden(service: Service) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(Stall(), to="connect")
    began = trio.current_time()

    with pytest.RaisesGroup(Boom):
        async with sessions.open():
            await log_in(service, sessions)
            raise Boom

    assert trio.current_time() == began
    assert sessions.running == {}
    assert service.telegram[KEY].connections == 0


async def test_a_session_stopped_and_started_again_is_the_same_session(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
    async with sessions.open():
        state = await sessions.ask(KEY, m.Validate(), PATIENCE)

    assert isinstance(state, Authorized)
    assert service.telegram[KEY].most_connections == 1

"""The directory of sessions: one actor a session, started when it is needed, stopped in time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.states import Absent, Authorized, PendingQr, State, Substate
from actors.errors import Crashed, NotOwner, Parked, StoreUnavailable
from actors.events import Loaded
from actors.published import Snapshot
from supervisor.keep_alive import Phase
from supervisor.policy import RestartPolicy
from supervisor.sessions import Held, Sessions
from tests.fakes import Stall
from tests.supervisor.running import NEIGHBOUR, Boom, crash_until, log_in
from tests.supervisor.service import KEY, PATIENCE, Service


async def test_nothing_runs_before_it_is_needed(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await wait_all_tasks_blocked()
        assert sessions.running == {}

        await sessions.ask(KEY, service.start_qr(), PATIENCE)
        assert set(sessions.running) == {KEY}
    assert sessions.running == {}


async def test_a_crowd_of_first_askers_gets_one_actor(service: Service) -> None:
    sessions = service.sessions()
    states: list[State] = []

    async def ask() -> None:
        states.append(await sessions.ask(KEY, service.start_qr(), PATIENCE))

    async with sessions.open(), trio.open_nursery() as crowd:
        for _ in range(50):
            crowd.start_soon(ask)

    assert len(states) == 50
    assert len({id(state) for state in states}) == 1
    assert service.told.count(Loaded(KEY, Absent.name)) == 1
    assert service.telegram[KEY].calls == ["export_token"]


async def test_sessions_do_not_wait_for_each_other(service: Service) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(Stall(), to="export_token")
    async with sessions.open(), trio.open_nursery() as nursery:
        nursery.start_soon(sessions.ask, KEY, service.start_qr(), PATIENCE)
        await wait_all_tasks_blocked()
        began = trio.current_time()

        await sessions.ask(NEIGHBOUR, service.start_qr(), PATIENCE)
        assert trio.current_time() == began


async def test_the_sessions_that_should_run_are_resumed(service: Service) -> None:
    first = service.sessions()
    async with first.open():
        await log_in(service, first)
        await first.ask(NEIGHBOUR, service.start_qr("login-2"), PATIENCE)
        await first.ask(NEIGHBOUR, m.CancelLogin("login-2"), PATIENCE)

    second = service.sessions()
    async with second.open():
        await service.gatherer(second).gather()
        await wait_all_tasks_blocked()

        assert set(second.running) == {KEY}
        state = (await second.look(KEY)).state
        assert isinstance(state, Authorized)
        assert state.substate is Substate.ONLINE
    assert service.telegram[KEY].most_connections == 1


# -- looking


async def test_a_look_disturbs_nobody(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        snapshot = await sessions.look(KEY)

        assert (snapshot.state, snapshot.version, snapshot.sequence) == (Absent(), 0, 0)
        assert sessions.running == {}


async def test_a_look_at_a_session_that_does_not_run_reads_the_database(service: Service) -> None:
    first = service.sessions()
    async with first.open():
        await log_in(service, first)
        live = await first.look(KEY)

    saved = await service.sessions().look(KEY)

    assert isinstance(saved.state, Authorized)
    assert (saved.version, saved.since) == (live.version, live.since)
    assert live.sequence > saved.sequence == 0


async def test_a_look_at_a_session_that_runs_needs_no_database(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        service.store.down = True

        assert isinstance((await sessions.look(KEY)).state, Authorized)
        with pytest.raises(StoreUnavailable):
            await sessions.look(NEIGHBOUR)


async def test_a_change_is_seen_as_soon_as_it_is_there(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await sessions.ask(KEY, service.start_qr(), PATIENCE)
        shown = await sessions.look(KEY)
        began = trio.current_time()

        rotated = await sessions.wait_change(KEY, shown.sequence, within=60)

        assert trio.current_time() - began == pytest.approx(27)
        assert rotated.sequence == shown.sequence + 1


async def test_without_a_change_the_present_is_shown_in_the_end(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        shown = await sessions.look(KEY)
        began = trio.current_time()

        assert await sessions.wait_change(KEY, shown.sequence, within=25) == shown
        assert trio.current_time() - began == 25


async def test_who_waits_for_a_session_that_leaves_is_shown_it_as_it_was(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open(), trio.open_nursery() as nursery:
        await log_in(service, sessions)
        shown = await sessions.look(KEY)
        seen: list[Snapshot] = []

        async def watch() -> None:
            seen.append(await sessions.wait_change(KEY, shown.sequence, within=25))

        nursery.start_soon(watch)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        sessions.running[KEY].drain()
        await wait_all_tasks_blocked()

        assert trio.current_time() == began
        assert seen == [shown]


async def test_who_waits_for_a_session_that_leaves_before_it_was_taken_up_is_shown_what_was_saved(
    service: Service,
) -> None:
    sessions = service.sessions()
    async with sessions.open(), trio.open_nursery() as nursery:
        seen: list[Snapshot] = []

        async def watch() -> None:
            seen.append(await sessions.wait_change(KEY, 0, within=25))

        nursery.start_soon(watch)
        while KEY not in sessions.running:
            await trio.lowlevel.checkpoint()
        sessions.running[KEY].scope.cancel()
        await wait_all_tasks_blocked()

        assert [snapshot.state for snapshot in seen] == [Absent()]


async def test_two_processes_never_show_the_same_sequence(service: Service) -> None:
    first, second = service.sessions(), service.sessions()
    async with first.open(), second.open():
        await first.ask(KEY, service.start_qr(), PATIENCE)
        await second.ask(NEIGHBOUR, service.start_qr(), PATIENCE)
        shown = [(await first.look(KEY)).sequence, (await second.look(NEIGHBOUR)).sequence]

    assert shown[0] >> 32 != shown[1] >> 32
    assert shown[0] % 2**32 == shown[1] % 2**32 == 3


async def test_a_higher_sequence_of_another_process_is_answered_at_once(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        shown = await sessions.look(KEY)
        began = trio.current_time()

        for foreign in (shown.sequence + 1, shown.sequence + 2**40, 0, 1):
            assert await sessions.wait_change(KEY, foreign, within=25) == shown
        assert trio.current_time() == began


# -- other nodes


class Elsewhere:
    """An Owner to whom nothing belongs."""

    quarantine_left = 0.0

    @asynccontextmanager
    async def holding(self, key: SessionKey, on_lost: Callable[[], None]) -> AsyncIterator[Held]:  # noqa: ARG002
        await self._refuse(key)
        yield self

    async def _refuse(self, key: SessionKey) -> None:
        await trio.sleep(1)
        raise NotOwner(f"{key} belongs to another supervisor", 1.0)


async def test_whoever_waits_for_a_session_of_another_node_is_told_so(service: Service) -> None:
    sessions = Sessions(service.surroundings, RestartPolicy(), service.told.append, owner=Elsewhere())
    async with sessions.open():
        began = trio.current_time()
        with pytest.raises(NotOwner):
            await sessions.wait_change(KEY, 0, within=25)
        with pytest.raises(NotOwner):
            await sessions.ask(KEY, service.start_qr(), PATIENCE)
        assert trio.current_time() - began == 2


async def test_what_has_not_begun_when_a_session_is_handed_over_is_for_the_next_node(
    service: Service,
) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(Stall(), to="export_token")
    async with sessions.open(), trio.open_nursery() as nursery:
        answers: list[State] = []
        refusals: list[Exception] = []

        async def begun() -> None:
            answers.append(await sessions.ask(KEY, service.start_qr(), PATIENCE))

        async def waiting() -> None:
            with pytest.raises(NotOwner) as refused:
                await sessions.ask(KEY, m.CancelLogin("login-1"), PATIENCE)
            refusals.append(refused.value)

        nursery.start_soon(begun)
        await wait_all_tasks_blocked()
        nursery.start_soon(waiting)
        await wait_all_tasks_blocked()
        sessions.hand_over(KEY)

    assert isinstance(answers[0], PendingQr)
    assert len(refusals) == 1


# -- crashes


async def test_a_crash_of_one_session_is_nothing_to_its_neighbour(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await log_in(service, sessions, NEIGHBOUR)
        calls = list(service.telegram[NEIGHBOUR].calls)

        await crash_until(service, sessions, Phase.PARKED)

        assert sessions.running[NEIGHBOUR].health.phase is Phase.RUNNING
        assert sessions.running[NEIGHBOUR].health.crashes == []
        assert service.telegram[NEIGHBOUR].calls == calls


async def test_who_asks_during_a_backoff_is_answered_by_the_next_life(service: Service) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(Boom(), to="export_token")
    async with sessions.open():
        with pytest.raises(Crashed):
            await sessions.ask(KEY, service.start_qr(), PATIENCE)
        began = trio.current_time()

        state = await sessions.ask(KEY, service.start_qr("login-2"), PATIENCE)

        assert trio.current_time() - began == 2
        assert isinstance(state, PendingQr)
        assert state.login.login_id == "login-1"


async def test_a_parked_session_refuses_at_once_and_says_when_to_come_back(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await crash_until(service, sessions, Phase.PARKED)
        began = trio.current_time()

        with pytest.raises(Parked) as refused:
            await sessions.ask(KEY, m.Validate(), PATIENCE)

        assert trio.current_time() == began
        assert refused.value.retry_after is not None
        assert 295 < refused.value.retry_after <= 300


async def test_a_parked_session_can_still_be_looked_at(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await crash_until(service, sessions, Phase.PARKED)

        assert isinstance((await sessions.look(KEY)).state, Authorized)


async def test_a_parked_session_recovers_by_itself(service: Service) -> None:
    sessions = service.sessions()
    service.telegram[KEY].answer(*[Boom()] * 6, to="connect")
    async with sessions.open():
        await sessions.ask(KEY, service.start_qr(), PATIENCE)
        service.telegram[KEY].accept()
        await trio.sleep(70)
        assert sessions.running[KEY].health.phase is Phase.PARKED
        await trio.sleep(300)

        assert sessions.running[KEY].health.phase is Phase.RUNNING
        assert isinstance(await sessions.ask(KEY, m.Validate(), PATIENCE), Authorized)


async def test_a_hurry_makes_the_next_try_now_of_those_only_who_wait_to_reconnect(service: Service) -> None:
    sessions = service.sessions()
    async with sessions.open():
        await log_in(service, sessions)
        await log_in(service, sessions, NEIGHBOUR)
        service.telegram[KEY].answer(*[m.Unreachable(service.clock.now())] * 9, to="connect")
        service.telegram[KEY].drop_connection()
        await trio.sleep(20)
        tries, neighbours = (service.telegram[key].calls.count("connect") for key in (KEY, NEIGHBOUR))
        began = trio.current_time()

        sessions.hurry()
        await wait_all_tasks_blocked()

        assert trio.current_time() == began
        assert service.telegram[KEY].calls.count("connect") == tries + 1
        assert service.telegram[NEIGHBOUR].calls.count("connect") == neighbours

"""How a life ends: by a crash, by being told to stop, by being cut off; and what those who asked are told."""

from __future__ import annotations

from collections import Counter

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.states import (
    Absent,
    Authorized,
    PendingQr,
    SessionState,
    State,
)
from actors.errors import Crashed, Stopping, VersionConflict
from actors.events import Left, Loaded, Transitioned
from supervisor.events import Event
from tests.fakes import Stall
from tests.supervisor.service import OneSession


def running(told: list[Event]) -> Counter[SessionState]:
    """The sessions that run, by state, as a gauge counts them."""
    gauge: Counter[SessionState] = Counter()
    for event in told:
        match event:
            case Loaded(state=state):
                gauge[state] += 1
            case Left(state=state):
                gauge[state] -= 1
            case Transitioned(before=before, after=after):
                gauge[before] -= 1
                gauge[after] += 1
            case _:
                pass
    return +gauge


class Boom(Exception):
    pass


async def test_a_crash_ends_the_life_and_fails_the_asker(session: OneSession) -> None:
    life = session.life
    session.far_side.answer(Boom("tg://login?token=secret"), to="export_token")

    with pytest.raises(Crashed) as crashed:
        await session.ask(session.service.start_qr())
    await life.ended.wait()

    assert "secret" not in str(crashed.value)
    assert isinstance(life.error, Boom)
    assert session.far_side.connections == 0


async def test_the_next_life_takes_up_what_was_saved_before_the_crash(session: OneSession) -> None:
    session.far_side.answer(Boom(), to="export_token")
    with pytest.raises(Crashed):
        await session.ask(session.service.start_qr())

    await session.live()

    state = session.must_be(PendingQr)
    assert state.token is not None
    assert state.login.login_id == "login-1"


async def test_a_crash_right_after_the_scan_loses_only_the_scan(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    session.far_side.answer(Boom(), to="export_token")
    await session.accept()

    await session.live()
    session.must_be(PendingQr)
    await session.accept()

    session.must_be(Authorized)


async def test_those_who_wait_are_served_by_the_next_life(session: OneSession) -> None:
    life = session.life
    session.far_side.answer(Boom(), to="export_token")
    answers: list[State | Exception] = []

    async def ask(command: m.Command) -> None:
        try:
            answers.append(await session.ask(command))
        except Crashed as error:
            answers.append(error)

    async with trio.open_nursery() as askers:
        askers.start_soon(ask, session.service.start_qr())
        await wait_all_tasks_blocked()
        askers.start_soon(ask, m.CancelLogin("login-1"))
        await life.ended.wait()
        await session.live()

    assert [type(answer) for answer in answers] == [Crashed, Absent]


async def test_another_writer_of_the_row_ends_the_life(session: OneSession) -> None:
    other = OneSession(session.service, session._nursery)
    life = session.life
    await other.live()
    await other.ask(session.service.start_qr("login-of-the-other"))

    with pytest.raises(Crashed):
        await session.ask(session.service.start_qr())
    await life.ended.wait()
    assert isinstance(life.error, VersionConflict)

    await session.live()
    assert session.must_be(PendingQr).login.login_id == "login-of-the-other"


async def test_every_session_that_was_taken_up_is_let_go_whatever_happens(session: OneSession) -> None:
    told = session.service.told
    life = session.life
    assert running(told) == {SessionState.ABSENT: 1}

    await session.log_in()
    assert running(told) == {SessionState.AUTHORIZED: 1}

    session.far_side.answer(Boom(), to="connect")
    session.far_side.drop_connection()
    await life.ended.wait()
    assert running(told) == {}

    life = await session.live()
    assert running(told) == {SessionState.AUTHORIZED: 1}
    await life.end()
    assert running(told) == {}


async def test_a_stopped_life_ends_without_an_error_and_hangs_up(session: OneSession) -> None:
    life = session.life
    await session.log_in()

    session.mailbox.stop()
    await life.ended.wait()

    assert life.error is None
    assert session.far_side.connections == 0
    session.must_be(Authorized)


async def test_a_stop_lets_the_message_in_hand_finish_and_leaves_the_rest(
    session: OneSession, nursery: trio.Nursery
) -> None:
    life = session.life
    session.service.store.hold()
    answers: list[State] = []

    async def ask(command: m.Command) -> None:
        answers.append(await session.ask(command))

    nursery.start_soon(ask, session.service.start_qr())
    await wait_all_tasks_blocked()
    nursery.start_soon(ask, m.CancelLogin("login-1"))
    await wait_all_tasks_blocked()
    session.mailbox.stop()
    await trio.sleep(10)
    assert not life.ended.is_set()

    session.service.store.release()
    await life.ended.wait()
    await wait_all_tasks_blocked()

    assert [type(answer) for answer in answers] == [PendingQr]
    assert len(session.mailbox) == 1


async def test_a_life_that_is_cut_off_tells_its_asker(session: OneSession) -> None:
    life = session.life
    session.far_side.answer(Stall(), to="export_token")

    async with trio.open_nursery() as askers:

        async def ask() -> None:
            with pytest.raises(Stopping) as stopping:
                await session.ask(session.service.start_qr())
            assert stopping.value.retry_after == 1

        askers.start_soon(ask)
        await wait_all_tasks_blocked()
        await life.end()

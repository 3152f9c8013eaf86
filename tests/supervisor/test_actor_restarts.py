"""What the next life of an actor takes up after a restart."""

from __future__ import annotations

import pytest
import trio

from actors.core import messages as m
from actors.core.states import (
    Absent,
    Authorized,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    Substate,
)
from actors.core.steps import Failed, step_for
from actors.errors import NoAnswer
from actors.published import Snapshot
from tests.fakes import FakeAccount, Stall
from tests.supervisor.service import KEY, OneSession, Service


async def test_a_new_session_is_shown_as_absent_and_writes_nothing(session: OneSession) -> None:
    assert session.published.snapshot == Snapshot(Absent(), version=0, since=0.0, sequence=1)
    assert session.service.store.rows == {}
    assert session.far_side.calls == []


async def test_a_qr_login_survives_a_restart_with_the_same_ticket(session: OneSession) -> None:
    life = session.life
    await session.ask(session.service.start_qr())
    first = session.must_be(PendingQr)
    await trio.sleep(5)
    await life.end()
    assert session.far_side.connections == 0

    await session.live()
    state = session.must_be(PendingQr)

    assert state.login == first.login
    assert state.token not in {None, first.token}
    await session.accept()
    session.must_be(Authorized)


async def test_a_login_that_needs_what_was_typed_ends_with_a_restart(nursery: trio.Nursery) -> None:
    session = OneSession(Service(FakeAccount(password="secret")), nursery)
    life = await session.live()
    await session.ask(session.service.start_qr())
    await session.accept()
    session.must_be(PendingPassword)
    await life.end()

    life = await session.live()

    assert step_for(session.state, "login-1") == Failed(Reason.RESTARTED)
    await life.end()


async def test_a_logged_in_session_comes_back_online(session: OneSession) -> None:
    life = session.life
    await session.log_in()
    await life.end()
    assert session.far_side.connections == 0

    await session.live()

    assert session.must_be(Authorized).substate is Substate.ONLINE
    assert session.far_side.most_connections == 1


async def test_a_flood_wait_survives_a_restart(session: OneSession) -> None:
    life = session.life
    await session.log_in()
    until = session.service.clock.now() + 3600
    session.far_side.answer(m.FloodWaited(until), to="connect")
    await session.ask(m.Validate())
    await life.end()
    calls = len(session.far_side.calls)

    await session.live()
    waiting = session.must_be(Authorized)
    assert (waiting.substate, waiting.deadline) == (Substate.FLOOD_WAIT, until)
    await trio.sleep(3599)
    assert len(session.far_side.calls) == calls
    await trio.sleep(2)
    assert session.must_be(Authorized).substate is Substate.ONLINE


async def test_a_logout_that_was_cut_off_stays_owed(session: OneSession) -> None:
    life = session.life
    credential = await session.log_in()
    session.far_side.answer(Stall(), to="log_out")
    with pytest.raises(NoAnswer):
        await session.ask(m.Revoke(), within=5)
    await life.end()

    await session.live()

    session.must_be(Revoked)
    vault = session.service.store.vault
    assert vault.status(KEY, credential) == "owed"
    assert session.far_side.calls.count("log_out") == 1
    await trio.sleep(54)
    assert await vault.owed(10) == []  # its connection may still be closing
    await trio.sleep(2)
    assert [owed.fingerprint[-8:] for owed in await vault.owed(10)] == [credential.auth_key.reveal()[:8]]


async def test_a_stopped_session_stays_stopped_after_a_restart(session: OneSession) -> None:
    life = session.life
    await session.log_in()
    await session.ask(m.StopSession())
    assert session.far_side.connections == 0
    await life.end()
    assert await session.service.store.running() == []

    await session.live()
    assert session.must_be(Authorized).substate is Substate.STOPPED
    assert session.far_side.connections == 0

    await session.ask(m.StartSession())
    assert session.must_be(Authorized).substate is Substate.ONLINE


async def test_the_time_of_a_state_is_when_its_name_began(session: OneSession) -> None:
    life = session.life
    await session.ask(session.service.start_qr())
    await trio.sleep(5)
    await session.accept()
    began = session.service.clock.now()
    await trio.sleep(500)
    session.far_side.answer(m.FloodWaited(began + 1010), to="connect")
    await session.ask(m.Validate())
    await life.end()

    await session.live()

    assert session.published.snapshot.since == began

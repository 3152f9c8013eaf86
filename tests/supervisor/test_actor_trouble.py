"""Logins that do not go smoothly: trouble at Telegram, waits, wrong people, changed minds."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import (
    Authorized,
    PendingQr,
    Reason,
    Revoked,
    Substate,
)
from actors.core.steps import Failed, ShowQr, step_for
from actors.core.transitions import AnotherLogin, MustWait, Refused
from actors.events import SignalIgnored
from tests.fakes import FakeAccount, Stall
from tests.supervisor.service import KEY, TICKET_LIFE, OneSession

ANNA = FakeAccount(4242)
PHONE = Secret("+15550001111")


async def test_trouble_at_telegram_only_delays_the_first_qr(session: OneSession) -> None:
    now = session.service.clock.now()
    session.far_side.answer(m.Unreachable(now), m.Unreachable(now + 2), to="export_token")

    step = step_for(await session.ask(session.service.start_qr()), "login-1")
    assert isinstance(step, ShowQr)
    assert (step.token, step.reason, step.retry_at) == (None, Reason.UNREACHABLE, now + 2)

    await trio.sleep(4.5)
    assert session.must_be(PendingQr).token is not None
    assert session.must_be(PendingQr).reason is None


async def test_a_telegram_that_does_not_answer_is_given_up_and_asked_again(session: OneSession) -> None:
    session.far_side.answer(Stall(), to="export_token")
    began = trio.current_time()

    state = await session.ask(session.service.start_qr())

    assert trio.current_time() - began == 30.0
    assert state.reason is Reason.UNREACHABLE
    await trio.sleep(2.5)
    assert session.must_be(PendingQr).token is not None


async def test_a_connection_that_is_lost_under_a_qr_is_replaced(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    session.far_side.drop_connection()
    await trio.sleep(0.1)

    assert session.far_side.connections == 1
    await session.accept()
    session.must_be(Authorized)


async def test_a_flood_wait_is_shown_and_kept_to_the_second(session: OneSession) -> None:
    until = session.service.clock.now() + 120
    session.far_side.answer(m.FloodWaited(until), to="export_token")

    step = step_for(await session.ask(session.service.start_qr()), "login-1")
    assert isinstance(step, ShowQr)
    assert (step.token, step.reason, step.retry_at) == (None, Reason.FLOOD_WAIT, until)

    session.far_side.push(m.ConnectionLost(session.service.clock.now()))
    await trio.sleep(119.5)
    assert session.far_side.calls == ["export_token"]
    await trio.sleep(1)
    assert session.must_be(PendingQr).token is not None


async def test_a_flood_wait_on_a_password_costs_no_attempt_and_is_kept(locked: OneSession) -> None:
    await locked.ask(locked.service.start_qr())
    await locked.accept()
    until = locked.service.clock.now() + 3600
    locked.far_side.answer(m.FloodWaited(until), to="check_password")

    await locked.ask(m.SubmitPassword("login-1", Secret("battery staple")))
    with pytest.raises(MustWait) as refused:
        await locked.ask(m.SubmitPassword("login-1", Secret("correct horse")))
    assert refused.value.retry_at == until
    assert locked.far_side.calls.count("check_password") == 1

    await trio.sleep(3601)
    state = await locked.ask(m.SubmitPassword("login-1", Secret("correct horse")))
    assert isinstance(state, Authorized)


async def test_somebody_else_than_expected_is_logged_out_again(session: OneSession) -> None:
    start = m.StartQr("login-1", session.service.clock.now() + TICKET_LIFE, expected_account_id=777)
    await session.ask(start)

    await session.accept(ANNA)

    assert step_for(session.state, "login-1") == Failed(Reason.ACCOUNT_MISMATCH)
    assert session.far_side.logins_logged_out == 1
    assert session.far_side.credential is None


async def test_a_cancelled_login_leaves_nothing_open(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    with pytest.raises(AnotherLogin):
        await session.ask(m.CancelLogin("login-0"))

    state = await session.ask(m.CancelLogin("login-1"))

    assert step_for(state, "login-1") == Failed(Reason.CANCELLED)
    assert session.far_side.connections == 0


async def test_a_login_in_place_that_is_cancelled_leaves_the_old_session(session: OneSession) -> None:
    await session.log_in()
    session.far_side.push(m.CredentialLost(Reason.SESSION_REVOKED))
    await wait_all_tasks_blocked()
    session.must_be(Revoked)

    await session.ask(session.service.start_qr("login-2"))
    state = await session.ask(m.CancelLogin("login-2"))

    assert isinstance(state, Revoked)
    assert (state.account_id, state.reason) == (ANNA.id, Reason.SESSION_REVOKED)
    assert step_for(state, "login-2") == Failed(Reason.CANCELLED)


async def test_a_stale_session_goes_on_after_a_login_in_place_expired(session: OneSession) -> None:
    await session.log_in()
    session.far_side.answer(*[Stall()] * 6, to="connect")
    session.far_side.drop_connection()
    await trio.sleep(280)
    assert session.state.name == "STALE"

    await session.ask(session.service.start_qr("login-2"))
    await trio.sleep(TICKET_LIFE + 120)

    assert session.must_be(Authorized).substate is Substate.ONLINE
    assert step_for(session.state, "login-2") == Failed(Reason.TICKET_EXPIRED)


async def test_a_refused_command_changes_and_publishes_nothing(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    before = session.published.snapshot

    with pytest.raises(Refused):
        await session.ask(m.Revoke())

    assert session.published.snapshot == before


async def test_a_late_signal_is_ignored_and_told(session: OneSession) -> None:
    before = session.published.snapshot
    session.mailbox.tell(m.TokenAccepted())
    await wait_all_tasks_blocked()

    assert session.published.snapshot == before
    assert SignalIgnored(KEY, before.state.name, "TokenAccepted") in session.service.told


async def test_a_crowd_of_askers_cannot_hold_a_deadline_back(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    clock = trio.lowlevel.current_clock()
    assert isinstance(clock, trio.testing.MockClock)
    clock.jump(TICKET_LIFE + 1)
    asked = 0

    async def hammer() -> None:
        nonlocal asked
        while ("TimePassed", "ABSENT") not in session.service.transitions():
            asked += 1
            assert asked < 1000
            await session.ask(session.service.start_qr("login-2"))

    async with trio.open_nursery() as crowd:
        for _ in range(20):
            crowd.start_soon(hammer)

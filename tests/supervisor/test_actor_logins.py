"""Logins through the actor, with Telegram, a database and hours of time that are all made up."""

from __future__ import annotations

import trio

from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import (
    Absent,
    Authorized,
    PastLogin,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Substate,
)
from actors.core.steps import Complete, EnterPassword, Failed, step_for
from actors.events import TokenRotated
from tests.core.examples import unscheduled
from tests.fakes import FakeAccount
from tests.fakes.telegram import TOKEN_LIFE
from tests.supervisor.service import KEY, TICKET_LIFE, OneSession

ANNA = FakeAccount(4242)
PHONE = Secret("+15550001111")


async def test_a_qr_login_ends_online(session: OneSession) -> None:
    started = await session.ask(session.service.start_qr())
    assert isinstance(started, PendingQr)
    assert started.token is not None

    await session.accept()

    online = Authorized(ANNA.id, Substate.ONLINE, last_login=PastLogin("login-1"))
    assert unscheduled(session.state) == online
    assert step_for(session.state, "login-1") == Complete(ANNA.id)
    assert session.far_side.credential == ANNA.id
    assert (session.far_side.connections, session.far_side.most_connections) == (1, 1)


async def test_a_qr_login_asks_telegram_for_nothing_it_does_not_need(session: OneSession) -> None:
    await session.log_in()

    assert session.far_side.calls == ["export_token", "export_token", "connect"]


async def test_a_second_start_shows_the_same_qr_and_disturbs_nobody(session: OneSession) -> None:
    first = await session.ask(session.service.start_qr())
    second = await session.ask(session.service.start_qr("login-2"))

    assert second == first
    assert session.far_side.calls == ["export_token"]


async def test_a_2fa_account_is_asked_for_its_password(locked: OneSession) -> None:
    await locked.ask(locked.service.start_qr())
    await locked.accept()

    step = step_for(locked.state, "login-1")
    assert isinstance(step, EnterPassword)
    assert (step.hint, step.attempts_left) == ("the usual", 5)

    wrong = await locked.ask(m.SubmitPassword("login-1", Secret("battery staple")))
    assert isinstance(wrong, PendingPassword)
    assert wrong.attempts_left == 4

    right = await locked.ask(m.SubmitPassword("login-1", Secret("correct horse")))
    assert isinstance(right, Authorized)
    assert right.substate is Substate.ONLINE


async def test_five_wrong_passwords_end_the_login(locked: OneSession) -> None:
    await locked.ask(locked.service.start_qr())
    await locked.accept()

    for _ in range(4):
        state = await locked.ask(m.SubmitPassword("login-1", Secret("battery staple")))
        assert isinstance(state, PendingPassword)
    state = await locked.ask(m.SubmitPassword("login-1", Secret("battery staple")))

    assert isinstance(state, Absent)
    assert step_for(state, "login-1") == Failed(Reason.PASSWORD_ATTEMPTS_USED)
    assert locked.far_side.connections == 0


async def test_a_password_window_that_is_over_ends_the_login(locked: OneSession) -> None:
    await locked.ask(locked.service.start_qr())
    await locked.accept()

    await trio.sleep(299)
    locked.must_be(PendingPassword)
    await trio.sleep(2)

    assert step_for(locked.state, "login-1") == Failed(Reason.PASSWORD_WINDOW_OVER)


async def test_a_code_login_ends_online(session: OneSession) -> None:
    start = m.StartCode("login-1", session.service.clock.now() + TICKET_LIFE, PHONE)
    sent = await session.ask(start)
    assert isinstance(sent, PendingCode)
    assert sent.delivery == "app"

    again = await session.ask(m.ResendCode("login-1"))
    assert isinstance(again, PendingCode)
    assert again.delivery == "sms"

    wrong = await session.ask(m.SubmitCode("login-1", Secret("54321")))
    assert isinstance(wrong, PendingCode)
    assert wrong.rejected == 1

    right = await session.ask(m.SubmitCode("login-1", Secret("12345")))
    assert isinstance(right, Authorized)
    assert right.substate is Substate.ONLINE


async def test_a_code_of_a_2fa_account_is_followed_by_its_password(locked: OneSession) -> None:
    await locked.ask(m.StartCode("login-1", locked.service.clock.now() + TICKET_LIFE, PHONE))

    state = await locked.ask(m.SubmitCode("login-1", Secret("12345")))
    assert isinstance(state, PendingPassword)

    state = await locked.ask(m.SubmitPassword("login-1", Secret("correct horse")))
    assert isinstance(state, Authorized)


async def test_the_qr_on_screen_lives_for_the_whole_ticket(session: OneSession) -> None:
    began = trio.current_time()
    await session.ask(session.service.start_qr())

    seen = set()
    for second in range(1, int(TICKET_LIFE)):
        await trio.sleep_until(began + second)
        token = session.must_be(PendingQr).token
        assert token is not None
        # Telegram repeats a token to its very end: only then can it be replaced.
        assert token.expires_at + 0.5 >= session.service.clock.now()
        seen.add(token.url.reveal())

    assert len(seen) == TICKET_LIFE // (TOKEN_LIFE + 0.5) + 1
    assert session.service.told.count(TokenRotated(KEY)) == len(seen) - 1
    assert session.far_side.calls.count("export_token") == 2 * len(seen) - 1


async def test_a_qr_can_be_accepted_in_the_last_second_of_its_ticket(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    await trio.sleep(TICKET_LIFE - 1)

    await session.accept()

    session.must_be(Authorized)


async def test_a_ticket_that_ends_leaves_its_reason_behind(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    await trio.sleep(TICKET_LIFE + 3600)

    assert session.must_be(Absent).reason is Reason.TICKET_EXPIRED
    assert step_for(session.state, "login-1") == Failed(Reason.TICKET_EXPIRED)
    assert session.far_side.connections == 0


async def test_rotation_writes_nothing_to_the_database(session: OneSession) -> None:
    await session.ask(session.service.start_qr())
    before = session.service.store.attempts

    await trio.sleep(TICKET_LIFE - 1)

    assert session.service.store.attempts == before

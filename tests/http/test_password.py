"""The 2FA password."""

from __future__ import annotations

import trio

from actors.core import messages as m
from api.events import PasswordTried, PasswordTry
from tests.fakes import Stall
from tests.http.conftest import PASSWORD, Answer, VirtualTime, World


async def test_an_account_with_2fa_is_asked_for_its_password_with_its_hint(world: World) -> None:
    ticket = await world.until_password()

    status = (await world.status(ticket)).json

    assert (status["state"], status["requires_password"]) == ("PENDING_PASSWORD", True)
    assert (status["hint"], status["attempts_left"], status["retry_after"]) == ("the usual", 5, None)
    assert (status["step"]["type"], status["step"]["kind"]) == ("user_input", "password")


async def test_the_right_password_links_the_account(world: World) -> None:
    ticket = await world.until_password()

    answer = await world.password(ticket, PASSWORD)

    assert answer.json == {"status": "success", "message": "Password verified successfully"}
    assert (await world.status(ticket)).json["state"] == "AUTHORIZED"
    assert PasswordTried(PasswordTry.ACCEPTED) in world.events


async def test_a_wrong_password_keeps_the_place(world: World) -> None:
    ticket = await world.until_password()

    wrong = await world.password(ticket, "wrong horse")

    assert (wrong.status, wrong.code) == (401, "password_invalid")
    assert (wrong.json["attempts_left"], wrong.json["hint"]) == (4, "the usual")
    assert (await world.status(ticket)).json["state"] == "PENDING_PASSWORD"
    assert (await world.password(ticket, PASSWORD)).status == 200


async def test_the_last_wrong_password_ends_the_login_and_says_so(world: World) -> None:
    ticket = await world.until_password()

    answers = [await world.password(ticket, "wrong horse") for _ in range(5)]

    assert [answer.code for answer in answers] == ["password_invalid"] * 4 + ["login_ended"]
    assert answers[-1].json["reason"] == "password_attempts_used"
    status = (await world.status(ticket)).json
    assert (status["step"]["type"], status["reason"]) == ("failed", "password_attempts_used")


async def test_a_wait_that_telegram_asks_for_keeps_the_place(world: World, time: VirtualTime) -> None:
    ticket = await world.until_password()
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 40.0), to="check_password")

    first, second = await world.password(ticket, PASSWORD), await world.password(ticket, PASSWORD)

    assert [(answer.status, answer.code, answer.json["retry_after"]) for answer in (first, second)] == [
        (429, "flood_wait", 40)
    ] * 2
    assert first.headers["retry-after"] == "40"
    assert (await world.status(ticket)).json["retry_after"] == 40
    await time.after(40.5)
    assert (await world.password(ticket, PASSWORD)).status == 200


async def test_a_ticket_outlives_a_long_wait(world: World, time: VirtualTime) -> None:
    ticket = await world.until_password()
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 86_400.0), to="check_password")
    assert (await world.password(ticket, PASSWORD)).code == "flood_wait"
    await time.after(86_401)

    assert (await world.status(ticket, credential=world.token("demo"))).json["requires_password"]


async def test_an_accepted_password_counts_even_if_what_follows_takes_long(
    world: World, time: VirtualTime
) -> None:
    ticket = await world.until_password()
    world.session.answer(Stall(), to="connect")
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await world.password(ticket, PASSWORD))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await time.after(25)

    assert answers[0].status == 200


async def test_a_telegram_that_does_not_answer_costs_no_attempt(world: World) -> None:
    ticket = await world.until_password()
    world.session.answer(m.Unreachable(world.doors.clock.now()), to="check_password")

    answer = await world.password(ticket, PASSWORD)

    assert (answer.status, answer.code) == (503, "upstream_unavailable")
    assert (await world.status(ticket)).json["attempts_left"] == 5


async def test_a_password_out_of_turn_is_refused(world: World) -> None:
    answer = await world.password(await world.ticket(), PASSWORD)

    assert (answer.status, answer.code) == (409, "out_of_turn")


async def test_a_newer_login_takes_the_place_of_one_that_waits_for_its_password(world: World) -> None:
    old = await world.until_password()
    new = await world.ticket()
    world.session.accept()
    await world.settle()

    answer = await world.password(old, PASSWORD)

    assert new != old
    assert (answer.status, answer.code) == (409, "ticket_superseded")
    status = (await world.status(old)).json
    assert (status["step"]["type"], status["reason"], status["hint"]) == ("failed", "superseded", None)
    assert status["user_action"] == "relogin"

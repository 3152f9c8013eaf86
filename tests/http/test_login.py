"""The login by QR over HTTP, from the first request to a linked account."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable

import pytest
import trio

from actors.bridge import in_asyncio, in_trio
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason
from api.events import PasswordTried, PasswordTry, QrStart, QrStarted
from tests.fakes import Stall
from tests.http.conftest import PASSWORD, SERVICE_KEY, Answer, VirtualTime, World

PNG = b"\x89PNG\r\n\x1a\n"


async def test_a_start_answers_with_the_specified_members_in_order_and_ours_after_them(world: World) -> None:
    answer = await world.start()

    assert answer.status == 200
    assert list(answer.json)[:5] == ["ticket", "qr_base64", "ttl", "tenant_id", "app_id"]
    body = answer.json
    assert (body["tenant_id"], body["app_id"], body["ttl"]) == ("demo", "main", 600)
    assert base64.b64decode(body["qr_base64"]).startswith(PNG)
    assert body["state"] == "PENDING_QR"
    assert body["environment"] == "sandbox"
    assert body["qr_expires_at"] - body["server_time"] == pytest.approx(30, abs=2)
    assert world.events[0] == QrStarted(QrStart.SHOWN)


async def test_starting_again_shows_the_live_login_with_the_time_it_has_left(
    world: World, time: VirtualTime
) -> None:
    first = (await world.start()).json
    await time.after(10)

    second = (await world.start()).json

    assert second["ticket"] == first["ticket"]
    assert second["qr_base64"] == first["qr_base64"]
    assert second["ttl"] == 590
    assert world.session.calls == ["export_token"]


async def test_a_double_tap_is_one_login(world: World) -> None:
    answers: list[Answer] = []

    async def tap() -> None:
        answers.append(await world.start())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(tap)
        nursery.start_soon(tap)

    assert len({answer.json["ticket"] for answer in answers}) == 1
    assert world.session.calls == ["export_token"]


async def test_the_ticket_is_the_same_on_a_node_that_never_saw_the_first_start(world: World) -> None:
    first = await world.ticket()
    world.tickets._kept.clear()

    assert await world.ticket() == first
    assert (await world.status(first)).status == 200


async def test_the_service_itself_may_start_for_any_tenant(world: World) -> None:
    body = {"tenant_id": "another", "app_id": "main"}

    assert (await world.call("POST", "/api/qr/start", body, credential=SERVICE_KEY)).status == 200


async def test_the_status_of_a_live_qr_says_what_to_show_and_until_when(world: World) -> None:
    started = (await world.start()).json

    status = (await world.status(started["ticket"])).json

    assert list(status)[:3] == ["state", "telegram_user_id", "requires_password"]
    assert (status["state"], status["telegram_user_id"], status["requires_password"]) == (
        "PENDING_QR",
        None,
        False,
    )
    assert (status["step"]["type"], status["step"]["kind"]) == ("display_and_wait", "qr")
    assert (status["qr_base64"], status["qr_expires_at"]) == (started["qr_base64"], started["qr_expires_at"])
    assert status["user_action"] == "scan_qr"
    assert status["environment"] == "sandbox"


async def test_a_ticket_in_the_url_opens_the_same_status(world: World) -> None:
    ticket = await world.ticket()

    by_url = (await world.call("GET", f"/api/qr/status?ticket={ticket}")).json
    by_header = (await world.status(ticket)).json

    assert by_url | {"server_time": 0} == by_header | {"server_time": 0}


async def test_a_scanned_qr_links_the_account(world: World) -> None:
    ticket = await world.ticket()
    world.session.accept()
    await world.settle()

    status = (await world.status(ticket)).json

    assert (status["state"], status["telegram_user_id"], status["requires_password"]) == (
        "AUTHORIZED",
        4242,
        False,
    )
    assert status["step"] == {"type": "complete", "kind": None, "expires_at": None}
    assert status["qr_base64"] is None


async def test_a_long_poll_answers_as_soon_as_something_changes(world: World) -> None:
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]

    async def accept() -> None:
        world.session.accept()

    polled = await _while_polling(world, ticket, known, accept)

    assert polled.json["state"] == "AUTHORIZED"
    assert polled.json["sequence"] > known


async def test_a_long_poll_brings_the_next_qr_before_the_old_one_dies(
    world: World, time: VirtualTime
) -> None:
    started = (await world.start()).json
    known = (await world.status(started["ticket"])).json["sequence"]
    await time.after(10)
    second = QrToken(Secret("tg://login?token=second"), world.doors.clock.now() + 47.0)
    world.session.answer(m.TokenIssued(world.doors.clock.now(), second), to="export_token")

    polled = await _while_polling(world, started["ticket"], known, lambda: time.after(17.5))
    shown = (await world.status(started["ticket"])).json

    assert polled.json["sequence"] > known
    assert world.doors.clock.now() < started["qr_expires_at"]
    assert shown["qr_base64"] != started["qr_base64"]
    assert shown["qr_expires_at"] == second.expires_at


async def test_a_long_poll_without_news_answers_with_the_present_after_its_time(
    world: World, time: VirtualTime
) -> None:
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]

    polled = await _while_polling(world, ticket, known, lambda: time.after(20), wait=20)

    assert polled.status == 200
    assert polled.json["sequence"] == known


async def test_a_long_poll_that_knows_another_sequence_is_answered_at_once(world: World) -> None:
    ticket = await world.ticket()

    assert (await world.status(ticket, "?wait=25&since=999")).status == 200


async def test_long_polls_are_answered_at_once_when_the_service_stops(world: World) -> None:
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]

    async def stop() -> None:
        world.doors.polls.end()

    during = await _while_polling(world, ticket, known, stop)
    after = await world.status(ticket, f"?wait=25&since={known}")

    assert (during.status, after.status) == (200, 200)
    assert during.json["sequence"] == after.json["sequence"] == known


async def test_a_client_that_hangs_up_leaves_no_poll_behind(world: World) -> None:
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]

    async def poll_and_hang_up() -> None:
        path, headers = f"/api/qr/status?wait=25&since={known}", {"X-Ticket": ticket}
        bearer = {"Authorization": f"Bearer {world.credential.reveal()}"}
        async with world.client.request(path, headers=headers | bearer) as connection:
            await in_trio(world.settle)
            assert len(world.doors.polls._waiting) == 1
            await connection.disconnect()

    await in_asyncio(poll_and_hang_up)

    assert world.doors.polls._waiting == set()


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


async def test_a_cancelled_login_is_over(world: World) -> None:
    ticket = await world.ticket()

    answer = await world.call("POST", "/api/qr/cancel", {"ticket": ticket})

    assert answer.json == {"status": "success", "message": "Login cancelled"}
    status = (await world.status(ticket)).json
    assert (status["state"], status["step"]["type"], status["reason"]) == ("ABSENT", "failed", "cancelled")


async def test_a_linked_account_is_not_logged_in_again(world: World) -> None:
    await world.ticket()
    world.session.accept()
    await world.settle()

    answer = await world.start()

    assert (answer.status, answer.code) == (409, "already_authorized")
    assert answer.json["telegram_user_id"] == 4242
    assert world.events[-2] == QrStarted(QrStart.ALREADY_AUTHORIZED)


async def test_a_telegram_that_is_slow_with_the_first_qr_is_worth_asking_again(
    world: World, time: VirtualTime
) -> None:
    world.session.answer(m.Unreachable(world.doors.clock.now()), Stall(), to="export_token")
    answers: list[Answer] = []

    async def start() -> None:
        answers.append(await world.start())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await time.after(25)

    assert (answers[0].status, answers[0].code) == (503, "upstream_unavailable")
    assert answers[0].json["retry_after"] == int(answers[0].headers["retry-after"]) == 5
    assert world.events[0] == QrStarted(QrStart.UPSTREAM_UNAVAILABLE)
    await time.after(31)  # the call that never comes back is given up
    await time.after(3)
    assert (await world.start()).status == 200


async def test_a_start_waits_for_a_qr_that_comes_late(world: World, time: VirtualTime) -> None:
    world.session.answer(m.Unreachable(world.doors.clock.now()), to="export_token")
    answers: list[Answer] = []

    async def start() -> None:
        answers.append(await world.start())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(start)
        await time.after(3)

    assert answers[0].json["qr_base64"]


async def test_a_qr_that_telegram_delays_says_for_how_long(world: World) -> None:
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 90.0), to="export_token")

    answer = await world.start()

    assert (answer.status, answer.code, answer.json["retry_after"]) == (429, "flood_wait", 90)


async def test_a_login_that_telegram_refuses_says_why(world: World) -> None:
    world.session.answer(m.LoginFailed(Reason.APP_REFUSED), to="export_token")

    answer = await world.start()

    assert (answer.status, answer.code, answer.json["reason"]) == (410, "login_ended", "app_refused")


async def test_a_page_can_still_read_for_an_hour_how_its_login_ended(world: World, time: VirtualTime) -> None:
    ticket = await world.ticket()
    await time.after(600)
    assert (await world.status(ticket, credential=world.token("demo"))).json["reason"] == "ticket_expired"
    await time.after(3599)
    assert (await world.status(ticket, credential=world.token("demo"))).json["reason"] == "ticket_expired"
    await time.after(2)

    assert (await world.status(ticket, credential=world.token("demo"))).code == "ticket_unknown"


async def test_another_account_than_the_first_one_can_be_linked_to_another_app(world: World) -> None:
    await world.ticket()
    other = (await world.start(app_id="second")).json

    assert other["app_id"] == "second"
    assert other["ticket"] != await world.ticket()


async def test_equal_tokens_are_drawn_once(world: World) -> None:
    ticket = await world.ticket()
    for _ in range(3):
        await world.status(ticket)

    assert len(world.doors.pictures._drawn) == 1
    assert b"tg://" not in b"".join(world.doors.pictures._drawn)


async def _while_polling(
    world: World, ticket: str, known: int, act: Callable[[], Awaitable[None]], wait: int = 25
) -> Answer:
    """The answer to a long poll during which this is done. Time stands still unless that moves it."""
    answers: list[Answer] = []

    async def poll() -> None:
        answers.append(await world.status(ticket, f"?wait={wait}&since={known}"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await world.settle()
        assert answers == []
        await act()
    return answers[0]

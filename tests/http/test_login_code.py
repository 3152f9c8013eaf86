"""Logging in by phone number and code."""

from __future__ import annotations

import re
from typing import Any

import pytest

from actors.core import messages as m
from actors.core.states import Reason
from tests.http.conftest import PASSWORD, VirtualTime, World
from tests.http.logins import PHONE, begin, code, code_ticket, password, read, resend


async def test_a_login_by_code_says_how_the_code_was_sent_and_links_the_account(world: World) -> None:
    ticket = await code_ticket(world, resend_after=60.0)

    shown = (await read(world, ticket))["step"]
    assert shown["type"] == "user_input"
    assert re.fullmatch("[0-9a-f]{32}", shown["txn_id"])
    now = world.doors.clock.now()
    assert shown["code"] == {
        "delivery": "app",
        "length": 5,
        "attempts_left": 5,
        "next_delivery": "sms",
        "resend_at": pytest.approx(now + 60, abs=2),
    }

    done = (await code(world, ticket, "12345", shown["txn_id"])).json

    assert (done["step"]["type"], done["step"]["telegram_user_id"]) == ("complete", 4242)
    assert done["login"]["expires_at"] is None


async def test_a_code_of_a_2fa_account_is_followed_by_its_password(world: World) -> None:
    ticket = await code_ticket(world, password=PASSWORD, hint="the usual")

    asked = (await code(world, ticket, "12345")).json["step"]
    assert (asked["step_id"], asked["password"]) == ("password", {"hint": "the usual", "attempts_left": 5})
    assert asked["error"] is None

    wrong = await password(world, ticket, "wrong horse")
    assert wrong.status == 200
    assert wrong.json["step"]["error"] == {"code": "password_invalid", "retry_after": None}
    assert wrong.json["step"]["password"]["attempts_left"] == 4

    done = await password(world, ticket, PASSWORD, "txn-3")
    assert done.json["step"]["type"] == "complete"


async def test_five_wrong_codes_end_the_login(world: World) -> None:
    ticket = await code_ticket(world)

    steps = [(await code(world, ticket, "00000", f"txn-{n}")).json["step"] for n in range(5)]

    assert [each["error"] and each["error"]["code"] for each in steps] == ["code_invalid"] * 4 + [None]
    assert [each["code"]["attempts_left"] for each in steps[:4]] == [4, 3, 2, 1]
    assert (steps[4]["type"], steps[4]["reason"]) == ("failed", "code_attempts_used")


async def test_an_expired_code_ends_the_login_and_says_so(world: World) -> None:
    ticket = await code_ticket(world)
    world.session.answer(m.LoginFailed(Reason.CODE_EXPIRED), to="sign_in")

    over = (await code(world, ticket, "12345")).json["step"]

    assert (over["type"], over["reason"]) == ("failed", "code_expired")
    assert (await read(world, ticket))["step"]["reason"] == "code_expired"


async def test_a_code_is_sent_again_only_when_telegram_allows_it(world: World, time: VirtualTime) -> None:
    ticket = await code_ticket(world, resend_after=60.0)
    await time.after(20)

    early = (await resend(world, ticket, "early")).json["step"]
    assert early["error"] == {"code": "resend_too_early", "retry_after": 40}
    assert early["code"]["delivery"] == "app"
    await time.after(40.5)

    again = (await resend(world, ticket, "again")).json["step"]
    assert again["error"] is None
    assert (again["code"]["delivery"], again["code"]["next_delivery"]) == ("sms", None)

    no_more = (await resend(world, ticket, "no-more")).json["step"]
    assert no_more["error"]["code"] == "resend_unavailable"
    assert world.session.calls.count("send_code_again") == 1


async def test_another_number_takes_the_place_of_the_first(world: World) -> None:
    ticket = await code_ticket(world)

    other = (await begin(world, "code", phone="+1 555 000-22-22")).json["login"]["ticket"]

    assert other != ticket
    assert (await read(world, ticket))["step"]["reason"] == "superseded"
    assert (await code(world, ticket, "12345")).code == "ticket_superseded"
    assert (await code(world, other, "12345")).json["step"]["type"] == "complete"


async def test_the_same_number_twice_is_one_login_and_one_code(world: World) -> None:
    ticket = await code_ticket(world)

    again = await begin(world, "code", phone="+1 555 000-1111")

    assert again.json["login"]["ticket"] == ticket
    assert world.session.calls == ["send_code"]


@pytest.mark.parametrize(
    "phone",
    [
        "15550001111",
        "+123456",
        "+1234567890123456",
        "+1555000111x",
        "+1555000\u0661\u0661\u0661",
        "",
        "+",
        15550001111,
    ],
)
async def test_what_is_no_phone_number_is_refused_at_the_door(world: World, phone: Any) -> None:
    answer = await begin(world, "code", phone=phone)

    assert answer.code == "invalid_request"
    assert answer.json["errors"][0]["field"] == "phone"
    assert world.session.calls == []
    if phone not in ("", "+"):
        assert str(phone).encode() not in answer.raw


async def test_a_number_that_telegram_refuses_fails_with_its_reason(world: World) -> None:
    world.session.answer(m.LoginFailed(Reason.PHONE_NUMBER_BANNED), to="send_code")

    answer = await begin(world, "code", phone=PHONE)

    assert (answer.status, answer.json["step"]["type"]) == (200, "failed")
    assert answer.json["step"]["reason"] == "phone_number_banned"
    assert (await read(world, answer.json["login"]["ticket"]))["step"]["reason"] == "phone_number_banned"


async def test_a_code_that_telegram_delays_comes_by_itself(world: World, time: VirtualTime) -> None:
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 90.0), to="send_code")

    waiting = (await begin(world, "code", phone=PHONE)).json
    assert (waiting["step"]["type"], waiting["step"]["step_id"]) == ("display_and_wait", "sending_code")
    assert waiting["step"]["error"] == {"code": "flood_wait", "retry_after": 90}
    await time.after(90.5)

    assert (await read(world, waiting["login"]["ticket"]))["step"]["step_id"] == "code"


async def test_trouble_costs_no_try_and_is_told(world: World) -> None:
    ticket = await code_ticket(world)
    world.session.answer(m.Unreachable(world.doors.clock.now()), to="sign_in")

    shown = (await code(world, ticket, "12345")).json["step"]

    assert (shown["error"]["code"], shown["code"]["attempts_left"]) == ("upstream_unavailable", 5)
    assert (await code(world, ticket, "12345", "txn-2")).json["step"]["type"] == "complete"


async def test_a_flood_wait_after_a_code_keeps_the_place(world: World, time: VirtualTime) -> None:
    ticket = await code_ticket(world)
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 40.0), to="sign_in")

    first = (await code(world, ticket, "12345", "first")).json["step"]["error"]
    second = (await code(world, ticket, "12345", "second")).json["step"]["error"]
    assert first == second == {"code": "flood_wait", "retry_after": 40}
    await time.after(40.5)

    assert (await code(world, ticket, "12345", "third")).json["step"]["type"] == "complete"

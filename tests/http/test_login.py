"""Every way to log in, in one vocabulary: flows, starts and steps."""

from __future__ import annotations

import re
from typing import Any

import pytest
import trio

from actors.core import messages as m
from actors.core.states import Reason
from api.once import IN_WORK
from tests.fakes import FakeAccount, Stall
from tests.http.conftest import PASSWORD, SERVICE_KEY, Answer, VirtualTime, World

PHONE = "+15550001111"
BOT_TOKEN = FakeAccount().bot_token


async def begin(world: World, flow: str, **body: Any) -> Answer:
    names = {"tenant_id": "demo", "app_id": "main"}
    return await world.call("POST", f"/api/v1/login/start/{flow}", names | body)


async def code_ticket(world: World, **account: Any) -> str:
    """The ticket of a login that waits for its code."""
    world.session.account = FakeAccount(**account)
    answer = await begin(world, "code", phone=PHONE)
    assert answer.json["step"]["step_id"] == "code", answer.json
    return str(answer.json["login"]["ticket"])


async def step(world: World, ticket: str, txn_id: str = "txn-1", **body: Any) -> Answer:
    return await world.call("POST", f"/api/v1/login/{ticket}/step", {"txn_id": txn_id} | body)


async def code(world: World, ticket: str, digits: str, txn_id: str = "txn-1") -> Answer:
    return await step(world, ticket, txn_id, type="code", code=digits)


async def password(world: World, ticket: str, text: str, txn_id: str = "txn-2") -> Answer:
    return await step(world, ticket, txn_id, type="password", password=text)


async def resend(world: World, ticket: str, txn_id: str = "txn-3") -> Answer:
    return await step(world, ticket, txn_id, type="action", action="resend")


async def read(world: World, ticket: str, query: str = "") -> Any:
    return (await world.call("GET", f"/api/v1/login/{ticket}{query}")).json


async def test_every_flow_says_what_it_needs_and_can_be_started(world: World) -> None:
    flows = (await world.call("GET", "/api/v1/login/flows")).json["flows"]

    assert [flow["id"] for flow in flows] == ["qr", "code", "bot"]
    sample = {"phone": PHONE, "bot_token": BOT_TOKEN}
    for flow in flows:
        needed = [field["name"] for field in flow["fields"] if field["required"]]
        body = {name: sample[name] for name in needed}
        assert (await begin(world, flow["id"], app_id=flow["id"], **body)).status == 200
        if needed:
            assert (await begin(world, flow["id"], app_id=flow["id"])).code == "invalid_request"


async def test_a_login_by_qr_shows_it_and_waits(world: World) -> None:
    body = (await begin(world, "qr")).json

    assert body["login"].keys() == {"ticket", "tenant_id", "app_id", "expires_at"}
    assert (body["login"]["tenant_id"], body["login"]["app_id"]) == ("demo", "main")
    shown = body["step"]
    assert (shown["type"], shown["step_id"], shown["txn_id"]) == ("display_and_wait", "qr", None)
    assert shown["qr"]["png_base64"].startswith("iVBOR")
    assert shown["expires_at"] == body["login"]["expires_at"]
    assert shown["instructions"]

    world.session.accept()
    await world.settle()

    done = (await read(world, body["login"]["ticket"]))["step"]
    assert (done["type"], done["telegram_user_id"], done["qr"]) == ("complete", 4242, None)


async def test_both_vocabularies_tell_of_the_same_login(world: World) -> None:
    ticket = await world.ticket()

    assert (await begin(world, "qr")).json["login"]["ticket"] == ticket
    assert (await read(world, ticket))["sequence"] == (await world.status(ticket)).json["sequence"]


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


async def test_a_bot_is_logged_in_by_its_token(world: World) -> None:
    answer = await begin(world, "bot", bot_token=BOT_TOKEN)

    assert (answer.json["step"]["type"], answer.json["step"]["telegram_user_id"]) == ("complete", 4242)
    assert world.session.credential == 4242


async def test_a_wrong_bot_token_fails_with_its_reason(world: World) -> None:
    answer = await begin(world, "bot", bot_token=f"{BOT_TOKEN}x")

    assert answer.status == 200
    assert (answer.json["step"]["type"], answer.json["step"]["reason"]) == ("failed", "bot_token_invalid")


async def test_a_bot_token_that_meets_trouble_is_waited_for(world: World, time: VirtualTime) -> None:
    world.session.answer(m.Unreachable(world.doors.clock.now()), to="import_bot")

    waiting = (await begin(world, "bot", bot_token=BOT_TOKEN)).json
    assert (waiting["step"]["step_id"], waiting["step"]["error"]["retry_after"]) == ("bot", 2)
    await time.after(2.5)

    assert (await read(world, waiting["login"]["ticket"]))["step"]["type"] == "complete"


@pytest.mark.parametrize(
    "token", ["4242", "4242:short", "bot:abcdefghijklmnopqrstuvwxyz", "4242:" + "é" * 30]
)
async def test_what_is_no_bot_token_is_refused_at_the_door(world: World, token: str) -> None:
    answer = await begin(world, "bot", bot_token=token)

    assert (answer.code, answer.json["errors"][0]["field"]) == ("invalid_request", "bot_token")
    assert world.session.calls == []


@pytest.mark.parametrize("flow", ["qr", "code", "bot"])
async def test_another_account_than_the_expected_one_is_not_kept(world: World, flow: str) -> None:
    body = {"code": {"phone": PHONE}, "bot": {"bot_token": BOT_TOKEN}}.get(flow, {})
    ticket = (await begin(world, flow, expected_telegram_user_id=777, **body)).json["login"]["ticket"]
    if flow == "qr":
        world.session.accept()
        await world.settle()
    if flow == "code":
        await code(world, ticket, "12345")

    assert (await read(world, ticket))["step"]["reason"] == "account_mismatch"
    assert world.session.logins_logged_out == 1


async def test_an_unknown_flow_is_no_address(world: World) -> None:
    assert (await begin(world, "pigeon")).code == "not_found"


async def test_the_same_transaction_is_answered_as_before_and_done_once(world: World) -> None:
    ticket = await code_ticket(world)

    first, second = [await code(world, ticket, "00000") for _ in range(2)]

    assert first.json["step"] == second.json["step"]
    assert world.session.calls.count("sign_in") == 1
    assert (await read(world, ticket))["step"]["code"]["attempts_left"] == 4


async def test_one_transaction_cannot_be_two_requests(world: World) -> None:
    ticket = await code_ticket(world)
    await code(world, ticket, "00000")

    answer = await code(world, ticket, "12345")

    assert (answer.status, answer.code) == (422, "txn_reused")
    assert world.session.calls.count("sign_in") == 1


async def test_a_transaction_in_work_is_not_begun_again(world: World, time: VirtualTime) -> None:
    ticket = await code_ticket(world)
    world.session.answer(Stall(), to="sign_in")
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await code(world, ticket, "12345"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await world.settle()
        again = await code(world, ticket, "12345")
        await time.after(21)

    assert (again.status, again.code, again.json["retry_after"]) == (409, "txn_in_work", 1)
    assert answers[0].json["step"]["error"]["code"] == "upstream_unavailable"
    assert world.session.calls.count("sign_in") == 1


async def test_a_transaction_whose_outcome_nobody_knows_is_not_begun_again(
    world: World, time: VirtualTime
) -> None:
    ticket = await code_ticket(world)
    world.session.answer(Stall(), to="sign_in")
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await code(world, ticket, "12345"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await time.after(26)

    assert answers[0].code == "no_answer"
    assert (await code(world, ticket, "12345")).code == "txn_in_work"


async def test_a_transaction_that_was_out_of_turn_may_come_again(world: World) -> None:
    ticket = await code_ticket(world, password=PASSWORD)
    assert (await password(world, ticket, PASSWORD, "early")).code == "out_of_turn"
    await code(world, ticket, "12345")

    assert (await password(world, ticket, PASSWORD, "early")).json["step"]["type"] == "complete"


async def test_two_logins_may_use_the_same_transaction_id(world: World) -> None:
    first = await code_ticket(world)
    other = (await begin(world, "code", phone="+15550002222")).json["login"]["ticket"]

    assert (await code(world, first, "12345")).code == "ticket_superseded"
    assert (await code(world, other, "12345")).json["step"]["type"] == "complete"


async def test_what_is_kept_of_a_transaction_holds_no_secret_and_no_ticket(world: World) -> None:
    ticket = await code_ticket(world, password=PASSWORD)
    await code(world, ticket, "12345")
    await password(world, ticket, PASSWORD)

    kept = repr(world.answers.kept)
    assert len(world.answers.kept) == 2
    for secret in (ticket, "12345", PASSWORD, PHONE):
        assert secret not in kept


async def test_an_answer_that_cannot_be_kept_is_still_given_and_its_request_not_repeated(
    world: World, time: VirtualTime
) -> None:
    ticket = await code_ticket(world)
    world.answers.lose_next_answer = True
    assert (await code(world, ticket, "00000")).json["step"]["error"]["code"] == "code_invalid"

    assert (await code(world, ticket, "00000")).code == "txn_in_work"
    await time.after(IN_WORK + 1)
    assert (await code(world, ticket, "00000")).status == 200


async def test_without_its_store_nothing_is_submitted(world: World) -> None:
    ticket = await code_ticket(world)
    world.answers.down = True

    assert (await code(world, ticket, "12345")).code == "store_unavailable"
    assert "sign_in" not in world.session.calls


@pytest.mark.parametrize(
    "body",
    [
        {"type": "code"},
        {"type": "code", "password": "x"},
        {"type": "code", "code": "1", "password": "x"},
        {"type": "action", "action": "dance"},
        {"type": "code", "code": "1", "txn_id": "a b"},
        {"type": "code", "code": "1", "txn_id": ""},
        {"type": "pigeon", "code": "1"},
    ],
)
async def test_a_step_holds_exactly_what_it_says(world: World, body: dict[str, str]) -> None:
    ticket = await code_ticket(world)

    answer = await step(world, ticket, body.pop("txn_id", "txn-1"), **body)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert world.session.calls == ["send_code"]


async def test_a_cancelled_login_is_over(world: World) -> None:
    ticket = await code_ticket(world)

    over = await world.call("DELETE", f"/api/v1/login/{ticket}")

    assert (over.status, over.json["step"]["type"], over.json["step"]["reason"]) == (
        200,
        "failed",
        "cancelled",
    )
    assert (await world.call("DELETE", f"/api/v1/login/{ticket}")).code == "out_of_turn"


async def test_the_ticket_may_come_in_a_header_everywhere(world: World) -> None:
    header = {"X-Ticket": await code_ticket(world)}
    base = "/api/v1/login/current"
    body = {"txn_id": "txn-1", "type": "code", "code": "00000"}

    assert (await world.call("GET", base, headers=header)).json["step"]["step_id"] == "code"
    wrong = await world.call("POST", f"{base}/step", body, headers=header)
    assert wrong.json["step"]["error"]["code"] == "code_invalid"
    assert (await world.call("DELETE", base, headers=header)).json["step"]["reason"] == "cancelled"
    assert (await world.call("GET", base)).code == "invalid_request"


async def test_what_is_measured_names_the_pattern_and_never_the_ticket(world: World) -> None:
    ticket = await code_ticket(world)
    await read(world, ticket)
    await code(world, ticket, "12345")

    assert ticket not in repr(world.events)
    assert "/api/v1/login/<ticket>/step" in repr(world.events)


async def test_a_ticket_of_another_tenant_opens_nothing(world: World) -> None:
    ticket = await code_ticket(world)
    other = world.token("other")

    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/events")):
        answer = await world.call(method, f"/api/v1/login/{ticket}{path}", credential=other)
        assert answer.code == "ticket_unknown"
    body = {"txn_id": "txn-1", "type": "code", "code": "12345"}
    stolen = await world.call("POST", f"/api/v1/login/{ticket}/step", body, credential=other)
    assert stolen.code == "ticket_unknown"
    assert (await begin(world, "code", tenant_id="other", phone=PHONE)).code == "tenant_mismatch"


async def test_a_long_poll_answers_as_soon_as_something_changes(world: World) -> None:
    ticket = await code_ticket(world)
    known = (await read(world, ticket))["sequence"]
    answers: list[Any] = []

    async def poll() -> None:
        answers.append(await read(world, ticket, f"?wait=25&since={known}"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await world.settle()
        assert answers == []
        await code(world, ticket, "00000")

    assert answers[0]["sequence"] > known
    assert answers[0]["step"]["code"]["attempts_left"] == 4


async def test_no_phone_number_code_or_token_is_saved_or_logged(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = await code_ticket(world, code="90817")
    await code(world, ticket, "90817")
    await begin(world, "bot", app_id="bot", bot_token=BOT_TOKEN)

    told = f"{world.store.rows}{world.store.journal}{world.events}{caplog.text}"
    for secret in (PHONE, PHONE[1:], "90817", BOT_TOKEN, ticket):
        assert secret not in told


async def test_a_linked_account_is_not_logged_in_again(world: World) -> None:
    await begin(world, "bot", bot_token=BOT_TOKEN)

    for flow, body in (("qr", {}), ("code", {"phone": PHONE}), ("bot", {"bot_token": BOT_TOKEN})):
        assert (await begin(world, flow, **body)).code == "already_authorized"


async def test_while_the_feature_is_off_nobody_logs_in(world: World) -> None:
    world.change(feature_enabled=False)

    assert (await begin(world, "code", phone=PHONE)).code == "feature_disabled"
    assert (await world.call("GET", "/api/v1/login/flows")).code == "feature_disabled"


async def test_the_service_itself_may_start_for_any_tenant(world: World) -> None:
    body = {"tenant_id": "another", "app_id": "main", "phone": PHONE}

    answer = await world.call("POST", "/api/v1/login/start/code", body, credential=SERVICE_KEY)

    assert answer.json["login"]["tenant_id"] == "another"

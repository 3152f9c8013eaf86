"""Every way to log in, in one vocabulary."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from actors.core import messages as m
from tests.http.conftest import SERVICE_KEY, VirtualTime, World
from tests.http.logins import BOT_TOKEN, PHONE, begin, code, code_ticket, read


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

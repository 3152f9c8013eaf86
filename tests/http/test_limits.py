"""How often anybody may do what costs others something."""

from __future__ import annotations

import pytest
import trio

from actors.core.names import SessionKey
from actors.core.secret import Secret
from api.events import Limited, LimitHit, QrStart, QrStarted
from api.limits import HOUR, MINUTE, PER_PHONE, RULES
from tests.http.conftest import SERVICE_KEY, Answer, VirtualTime, World
from tests.http.logins import PHONE, begin, code_ticket, password, resend

WRONG = "wrong horse"


async def _start(world: World, app_id: str, credential: Secret | None = None) -> Answer:
    body = {"tenant_id": "demo", "app_id": app_id}
    return await world.call("POST", "/api/qr/start", body, credential=credential)


async def test_a_session_s_qr_is_started_so_often_a_minute_and_again_after_it(
    world: World, time: VirtualTime
) -> None:
    most = RULES[Limited.QR_START].per_session
    assert [(await _start(world, "main")).status for _ in range(most)] == [200] * most

    refused = await _start(world, "main")
    assert (refused.status, refused.code) == (429, "limit_reached")
    assert 0 < refused.json["retry_after"] <= MINUTE
    assert LimitHit(Limited.QR_START, SessionKey("demo", "main")) in world.events
    assert QrStarted(QrStart.REFUSED) in world.events
    assert (await _start(world, "other")).status == 200
    await time.after(refused.json["retry_after"])
    assert (await _start(world, "main")).status == 200


async def test_a_caller_is_counted_over_all_sessions_and_the_service_is_not(world: World) -> None:
    most = RULES[Limited.QR_START].per_caller
    answers = [(await _start(world, f"app-{number % 30}")).status for number in range(most + 1)]

    assert answers == [200] * most + [429]
    assert (await _start(world, "app-31", SERVICE_KEY)).status == 200


async def test_a_tenant_is_counted_over_all_its_callers(world: World) -> None:
    world.change(tenant_limits=dict.fromkeys(Limited, 3))

    statuses = [(await _start(world, f"app-{number}", SERVICE_KEY)).status for number in range(4)]

    assert statuses == [200, 200, 200, 429]


async def test_codes_for_one_number_are_few_whoever_asks_and_for_whichever_session(world: World) -> None:
    answers = [
        await world.call(
            "POST",
            "/api/v1/login/start/code",
            {"tenant_id": tenant, "app_id": "main", "phone": PHONE},
            credential=SERVICE_KEY,
        )
        for tenant in ("a", "b", "c", "d", "e", "f")
    ]

    assert [answer.status for answer in answers] == [200] * PER_PHONE + [429]
    assert answers[-1].json["retry_after"] > HOUR - 60


async def test_having_a_code_sent_again_counts_as_a_code(world: World) -> None:
    world.change(tenant_limits=dict.fromkeys(Limited, 2))
    ticket = await code_ticket(world)

    assert (await resend(world, ticket, "txn-a")).status == 200
    assert (await resend(world, ticket, "txn-b")).code == "limit_reached"


async def test_passwords_tried_at_once_are_no_more_than_one_after_another(world: World) -> None:
    """A race gets nobody more tries: neither at our limit nor at the session's own."""
    world.change(tenant_limits=dict.fromkeys(Limited, 4))
    ticket = await world.until_password()
    codes: list[str] = []

    async def attempt() -> None:
        codes.append((await world.password(ticket, WRONG)).code)

    async with trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(attempt)

    assert codes.count("limit_reached") == 26
    assert world.session.calls.count("check_password") <= 4


async def test_both_ways_to_hand_a_password_in_are_one_count(world: World) -> None:
    world.change(tenant_limits=dict.fromkeys(Limited, 2))
    ticket = await world.until_password()

    assert (await world.password(ticket, WRONG)).code == "password_invalid"
    assert (await password(world, ticket, WRONG, "txn-a")).status == 200
    assert (await password(world, ticket, WRONG, "txn-b")).code == "limit_reached"
    assert (await world.password(ticket, WRONG)).code == "limit_reached"
    assert world.session.calls.count("check_password") == 2


async def test_a_step_that_was_over_the_limit_may_come_again_under_its_name(world: World) -> None:
    world.change(tenant_limits=dict.fromkeys(Limited, 1))
    ticket = await world.until_password()
    await password(world, ticket, WRONG, "txn-a")
    assert (await password(world, ticket, "correct horse", "txn-b")).code == "limit_reached"

    world.change(tenant_limits=dict.fromkeys(Limited, 2))
    assert (await password(world, ticket, "correct horse", "txn-b")).json["step"]["type"] == "complete"


@pytest.mark.parametrize("flow", ["qr", "code", "bot"])
async def test_without_the_counts_nothing_is_begun(world: World, flow: str) -> None:
    world.limits.down = True
    more = {"qr": {}, "code": {"phone": PHONE}, "bot": {"bot_token": f"12345:{'A' * 35}"}}[flow]

    assert (await begin(world, flow, **more)).code == "store_unavailable"
    assert world.session.calls == []


async def test_without_the_counts_no_password_is_tried(world: World) -> None:
    ticket = await world.until_password()
    world.limits.down = True

    assert (await world.password(ticket, "correct horse")).code == "store_unavailable"
    assert "check_password" not in world.session.calls


async def test_what_is_counted_holds_no_name_and_no_number(world: World) -> None:
    await code_ticket(world)

    assert len(world.limits.spent) == 4
    for secret in (PHONE, PHONE[1:], "demo", "main"):
        assert secret not in repr(world.limits.spent)

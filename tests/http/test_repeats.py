"""Idempotency-Key: starts that are done once, however often they are sent."""

from __future__ import annotations

from typing import Any

import pytest
import trio

from api.once import DAY
from tests.fakes import Stall
from tests.http.conftest import SERVICE_KEY, Answer, VirtualTime, World
from tests.http.logins import PHONE

BODY = {"tenant_id": "demo", "app_id": "main"}


async def _start(world: World, flow: str, key: str, **more: Any) -> Answer:
    headers = {"Idempotency-Key": key}
    return await world.call("POST", f"/api/v1/login/start/{flow}", BODY | more, headers=headers)


async def _code(world: World, key: str, phone: str = PHONE) -> Answer:
    return await _start(world, "code", key, phone=phone)


async def test_a_start_that_is_repeated_sends_no_second_code(world: World) -> None:
    first, second = [await _code(world, "abc") for _ in range(2)]

    assert first.json["login"]["ticket"] == second.json["login"]["ticket"]
    assert (first.status, second.status) == (200, 200)
    assert world.session.calls.count("send_code") == 1


async def test_without_a_key_or_under_another_it_is_a_new_start(world: World) -> None:
    await _code(world, "abc")
    await _code(world, "abd", phone="+15550002222")
    await world.call("POST", "/api/v1/login/start/code", BODY | {"phone": PHONE})

    assert world.session.calls.count("send_code") == 3


async def test_the_specification_s_route_takes_it_too(world: World) -> None:
    answers = [
        await world.call("POST", "/api/qr/start", BODY, headers={"Idempotency-Key": '"abc"'})
        for _ in range(2)
    ]

    assert answers[0].json["ticket"] == answers[1].json["ticket"]
    assert answers[1].json["qr_base64"]


async def test_one_key_cannot_be_two_requests(world: World) -> None:
    await _code(world, "abc")

    answer = await _code(world, "abc", phone="+15550002222")

    assert (answer.status, answer.code) == (422, "txn_reused")


async def test_two_callers_and_two_routes_may_use_the_same_key(world: World) -> None:
    await _code(world, "abc")

    assert (await _start(world, "qr", "abc")).status == 200
    other = await world.call(
        "POST",
        "/api/v1/login/start/code",
        BODY | {"phone": "+15550002222"},
        headers={"Idempotency-Key": "abc"},
        credential=SERVICE_KEY,
    )
    assert other.status == 200


async def test_a_start_in_work_is_not_begun_again(world: World, time: VirtualTime) -> None:
    world.session.answer(Stall(), to="send_code")
    answers: list[Answer] = []

    async def send() -> None:
        answers.append(await _code(world, "abc"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        await world.settle()
        again = await _code(world, "abc")
        await time.after(26)

    assert (again.status, again.code) == (409, "txn_in_work")
    assert world.session.calls.count("send_code") == 1


async def test_a_start_that_was_refused_may_come_again(world: World) -> None:
    await world.ticket()
    world.session.accept()
    await world.settle()
    assert (await _start(world, "qr", "abc")).code == "already_authorized"

    assert (await _start(world, "qr", "abc")).code == "already_authorized"


async def test_a_repeated_start_tells_where_its_login_stands_by_then(world: World) -> None:
    await _start(world, "qr", "abc")
    world.session.accept()
    await world.settle()

    assert (await _start(world, "qr", "abc")).json["step"]["type"] == "complete"


async def test_a_key_is_remembered_for_a_day_and_nothing_secret_with_it(
    world: World, time: VirtualTime
) -> None:
    world.credential = SERVICE_KEY  # a short session would not live that long
    ticket = (await _code(world, "abc")).json["login"]["ticket"]
    kept = repr(world.answers.kept)
    for secret in (ticket, PHONE, "abc", "demo"):
        assert secret not in kept

    await time.after(DAY - 10)
    await _code(world, "abc")
    assert world.session.calls.count("send_code") == 1
    await time.after(20)
    await _code(world, "abc")
    assert world.session.calls.count("send_code") == 2


@pytest.mark.parametrize("key", ["", " ", '""', "a b", "é", "x" * 129, "a\\b"])
async def test_what_is_no_key_is_refused(world: World, key: str) -> None:
    answer = await _start(world, "qr", key)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert answer.json["errors"][0]["field"] == "Idempotency-Key"

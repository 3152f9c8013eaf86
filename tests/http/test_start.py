"""Starting a login by QR."""

from __future__ import annotations

import base64

import pytest
import trio

from actors.core import messages as m
from actors.core.states import Reason
from api.events import QrStart, QrStarted
from tests.fakes import Stall
from tests.http.conftest import SERVICE_KEY, Answer, VirtualTime, World

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


async def test_another_account_than_the_first_one_can_be_linked_to_another_app(world: World) -> None:
    await world.ticket()
    other = (await world.start(app_id="second")).json

    assert other["app_id"] == "second"
    assert other["ticket"] != await world.ticket()

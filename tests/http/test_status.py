"""Following a login: its status, long polls, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import trio

from actors.bridge import in_asyncio, in_trio
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import QrToken
from api.pictures import Pictures
from api.polls import LongPolls
from tests.http.conftest import Answer, VirtualTime, World


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

    for sequence in (0, 999):
        assert (await _at_once(world, ticket, f"?wait=25&since={sequence}")).status == 200


async def test_long_polls_are_answered_at_once_when_the_service_stops(world: World) -> None:
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]
    answers: list[Answer] = []

    async def poll() -> None:
        answers.append(await world.status(ticket, f"?wait=25&since={known}"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(poll)
        await world.settle()
        world.doors.polls.end()
        await world.settle()
        assert [answer.json["sequence"] for answer in answers] == [known]
    assert (await _at_once(world, ticket, f"?wait=25&since={known}")).json["sequence"] == known


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


async def test_a_cancelled_login_is_over(world: World) -> None:
    ticket = await world.ticket()

    answer = await world.call("POST", "/api/qr/cancel", {"ticket": ticket})

    assert answer.json == {"status": "success", "message": "Login cancelled"}
    status = (await world.status(ticket)).json
    assert (status["state"], status["step"]["type"], status["reason"]) == ("ABSENT", "failed", "cancelled")


async def test_a_page_can_still_read_for_an_hour_how_its_login_ended(world: World, time: VirtualTime) -> None:
    ticket = await world.ticket()
    await time.after(600)
    assert (await world.status(ticket, credential=world.token("demo"))).json["reason"] == "ticket_expired"
    await time.after(3599)
    assert (await world.status(ticket, credential=world.token("demo"))).json["reason"] == "ticket_expired"
    await time.after(2)

    assert (await world.status(ticket, credential=world.token("demo"))).code == "ticket_unknown"


async def test_equal_tokens_are_drawn_once(world: World) -> None:
    ticket = await world.ticket()
    for _ in range(3):
        await world.status(ticket)

    assert len(world.doors.pictures._drawn) == 1
    assert b"tg://" not in b"".join(world.doors.pictures._drawn)


async def test_over_the_bound_a_poll_is_answered_at_once_and_not_refused(world: World) -> None:
    world.change(polls=LongPolls(bound=1))
    ticket = await world.ticket()
    known = (await world.status(ticket)).json["sequence"]
    async with trio.open_nursery() as nursery:
        nursery.start_soon(world.status, ticket, f"?wait=25&since={known}")
        await world.settle()

        assert (await _at_once(world, ticket, f"?wait=25&since={known}")).status == 200
        world.doors.polls.end()


async def _others_ticket(world: World) -> str:
    body = {"tenant_id": "other", "app_id": "main"}
    answer = await world.call("POST", "/api/qr/start", body, credential=world.token("other"))
    return str(answer.json["ticket"])


async def test_one_tenants_polls_take_no_place_of_anothers(world: World) -> None:
    world.change(polls=LongPolls(bound=2, per_tenant=1))
    ticket = await world.ticket()
    others = await _others_ticket(world)
    answers: list[Answer] = []

    async def poll(ticket: str, tenant_id: str) -> None:
        answers.append(await world.status(ticket, "?wait=25", credential=world.token(tenant_id)))

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(poll, ticket, "demo")
        await world.settle()
        nursery.start_soon(poll, others, "other")
        await world.settle()
        assert len(answers) == 2
        assert len(world.doors.polls._waiting) == 2
        world.doors.polls.end()
    assert not world.doors.polls._of


def test_only_the_pictures_asked_for_last_are_kept() -> None:
    async def scenario() -> None:
        pictures = Pictures(bound=2)
        first, second = await pictures.qr(Secret("first")), await pictures.qr(Secret("second"))
        await pictures.qr(Secret("first"))
        third = await pictures.qr(Secret("third"))

        assert list(pictures._drawn.values()) == [first, third]
        assert second not in (first, third)

    asyncio.run(scenario())


async def _at_once(world: World, ticket: str, query: str) -> Answer:
    """The answer to a status, which must not wait for anything. Its picture must have been drawn before."""
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await world.status(ticket, query))

    await world.status(ticket)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await world.settle()
        assert len(answers) == 1, "it waits"
    return answers[0]


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

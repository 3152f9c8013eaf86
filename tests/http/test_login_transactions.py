"""Steps that are done once, however often they are sent."""

from __future__ import annotations

import pytest
import trio

from api.once import IN_WORK
from tests.fakes import Stall
from tests.http.conftest import PASSWORD, Answer, VirtualTime, World
from tests.http.logins import PHONE, begin, code, code_ticket, password, read, step


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

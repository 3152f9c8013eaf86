"""Asking: a reply slot for every ask, and a deadline that is the asker's own."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.core.states import Absent, Authorized, State
from actors.errors import NoAnswer, Stopping
from actors.mailbox import Envelope, Mailbox
from tests.supervisor.askers import ask_and_note, command, leave, received

ANSWER = Authorized(4242)


async def test_an_ask_is_given_the_state_it_led_to(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    answers = await leave(nursery, mailbox, [command(1)])

    (await mailbox.receive()).answer(ANSWER)
    await wait_all_tasks_blocked()

    assert answers == [ANSWER]


async def test_each_asker_gets_its_own_answer(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    first: list[State | Exception] = []
    second: list[State | Exception] = []
    nursery.start_soon(ask_and_note, mailbox, command(1), first)
    await wait_all_tasks_blocked()
    nursery.start_soon(ask_and_note, mailbox, command(2), second)
    await wait_all_tasks_blocked()

    one, two = await mailbox.receive(), await mailbox.receive()
    two.answer(Absent())
    one.answer(ANSWER)
    await wait_all_tasks_blocked()

    assert (first, second) == ([ANSWER], [Absent()])


async def test_an_ask_raises_what_it_is_failed_with(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    stopping = Stopping("not now", retry_after=5.0)
    answers = await leave(nursery, mailbox, [command(1)])

    (await mailbox.receive()).fail(stopping)
    await wait_all_tasks_blocked()

    assert answers == [stopping]


async def test_only_the_first_answer_counts(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    answers = await leave(nursery, mailbox, [command(1)])

    envelope = await mailbox.receive()
    envelope.answer(ANSWER)
    envelope.answer(Absent())
    envelope.fail(Stopping("too late"))
    await wait_all_tasks_blocked()

    assert answers == [ANSWER]


async def test_an_ask_waits_no_longer_than_its_asker_wants() -> None:
    mailbox = Mailbox()
    began = trio.current_time()

    with pytest.raises(NoAnswer):
        await mailbox.ask(command(1), within=10.0)

    assert trio.current_time() - began == 10.0


@pytest.mark.parametrize("within", [0.0, -1.0])
async def test_an_ask_without_patience_is_not_answered(within: float) -> None:
    began = trio.current_time()

    with pytest.raises(NoAnswer):
        await Mailbox().ask(command(1), within=within)

    assert trio.current_time() == began


async def test_an_abandoned_ask_is_skipped(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    with pytest.raises(NoAnswer):
        await mailbox.ask(command(1), within=1.0)
    await leave(nursery, mailbox, [command(2)])

    assert await received(mailbox, 1) == [command(2)]
    assert len(mailbox) == 0


async def test_an_answer_to_an_abandoned_ask_wakes_nobody() -> None:
    mailbox = Mailbox()
    envelopes: list[Envelope] = []

    async with trio.open_nursery() as nursery:

        async def take_and_sit_on_it() -> None:
            envelopes.append(await mailbox.receive())

        nursery.start_soon(take_and_sit_on_it)
        with pytest.raises(NoAnswer):
            await mailbox.ask(command(1), within=1.0)

    assert not envelopes[0].is_awaited
    envelopes[0].answer(ANSWER)
    with trio.move_on_after(5) as undisturbed:
        await trio.sleep_forever()
    assert undisturbed.cancelled_caught


async def test_a_cancelled_asker_is_skipped_and_stays_cancelled() -> None:
    mailbox = Mailbox()
    async with trio.open_nursery() as askers:
        answers = await leave(askers, mailbox, [command(1)])
        askers.cancel_scope.cancel()
    mailbox.tell(m.TokenAccepted())

    assert answers == []
    assert await received(mailbox, 1) == [m.TokenAccepted()]
    with trio.move_on_after(0):
        pytest.fail(f"{await mailbox.receive()} should have been skipped")


async def test_an_answer_that_came_before_the_cancellation_is_not_lost() -> None:
    mailbox = Mailbox()
    async with trio.open_nursery() as askers:
        answers = await leave(askers, mailbox, [command(1)])
        (await mailbox.receive()).answer(ANSWER)
        askers.cancel_scope.cancel()

    assert answers == [ANSWER]

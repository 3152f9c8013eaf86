"""The mailbox: three lanes, a bound, and no message lost by a cancelled reader."""

from __future__ import annotations

import gc
import tracemalloc

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.bridge import in_asyncio, open_loop
from actors.core import messages as m
from actors.core.states import Authorized, Reason
from actors.errors import MailboxFull, NoAnswer, Parked
from actors.mailbox import BOUND, Mailbox, Stop
from tests.supervisor.askers import LONG, command, leave, received

ANSWER = Authorized(4242)


# -- lanes


async def test_control_overtakes_signals_and_signals_overtake_commands(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    await leave(nursery, mailbox, [command(1), command(2)])
    mailbox.tell(m.TokenAccepted())
    mailbox.tell(m.ConnectionLost(1.0))
    mailbox.stop()

    assert await received(mailbox, 5) == [
        Stop(),
        m.TokenAccepted(),
        m.ConnectionLost(1.0),
        command(1),
        command(2),
    ]


async def test_equal_signals_coalesce_to_the_latest(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    await leave(nursery, mailbox, [command(1)])
    mailbox.tell(m.ConnectionLost(1.0))
    mailbox.tell(m.TokenAccepted())
    mailbox.tell(m.ConnectionLost(2.0))

    assert await received(mailbox, 3) == [m.ConnectionLost(2.0), m.TokenAccepted(), command(1)]


async def test_a_signal_that_was_taken_up_may_come_again() -> None:
    mailbox = Mailbox()
    mailbox.tell(m.ConnectionLost(1.0))
    assert await received(mailbox, 1) == [m.ConnectionLost(1.0)]
    mailbox.tell(m.ConnectionLost(1.0))

    assert await received(mailbox, 1) == [m.ConnectionLost(1.0)]


async def test_a_waiting_reader_is_woken_by_each_lane(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    taken: list[object] = []

    async def read() -> None:
        while True:
            taken.append((await mailbox.receive()).message)

    nursery.start_soon(read)
    await wait_all_tasks_blocked()
    await leave(nursery, mailbox, [command(1)])
    mailbox.tell(m.TokenAccepted())
    await wait_all_tasks_blocked()
    mailbox.stop()
    await wait_all_tasks_blocked()

    assert taken == [command(1), m.TokenAccepted(), Stop()]


async def test_stopping_twice_is_stopping_once() -> None:
    mailbox = Mailbox()
    mailbox.stop()
    mailbox.stop()
    mailbox.tell(m.TokenAccepted())

    assert await received(mailbox, 2) == [Stop(), m.TokenAccepted()]


async def test_a_signal_can_be_left_by_a_callback_of_asyncio(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()

    async def leave_by_callback() -> None:
        bridge.loop.call_soon(mailbox.tell, m.TokenAccepted())
        bridge.loop.call_soon(mailbox.stop)

    async with open_loop() as bridge:
        nursery.start_soon(in_asyncio, leave_by_callback)
        messages = await received(mailbox, 1) + await received(mailbox, 1)

    assert messages in ([m.TokenAccepted(), Stop()], [Stop(), m.TokenAccepted()])


# -- the bound


async def test_a_full_mailbox_refuses_at_once(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    await leave(nursery, mailbox, [command(number) for number in range(BOUND)])
    assert len(mailbox) == BOUND == 64
    began = trio.current_time()

    with pytest.raises(MailboxFull) as full:
        await mailbox.ask(command(BOUND), within=LONG)

    assert trio.current_time() == began
    assert full.value.retry_after == 1.0


async def test_a_full_mailbox_still_takes_signals_and_control(nursery: trio.Nursery) -> None:
    mailbox = Mailbox(bound=1)
    await leave(nursery, mailbox, [command(1)])
    mailbox.tell(m.TokenAccepted())
    mailbox.stop()

    assert await received(mailbox, 3) == [Stop(), m.TokenAccepted(), command(1)]


async def test_a_place_is_free_again_when_its_message_is_taken_up(nursery: trio.Nursery) -> None:
    mailbox = Mailbox(bound=1)
    await leave(nursery, mailbox, [command(1)])
    assert await received(mailbox, 1) == [command(1)]

    await leave(nursery, mailbox, [command(2)])
    assert await received(mailbox, 1) == [command(2)]


async def test_the_abandoned_make_room_for_the_patient(nursery: trio.Nursery) -> None:
    mailbox = Mailbox(bound=2)
    for number in range(5):
        with pytest.raises(NoAnswer):
            await mailbox.ask(command(number), within=1.0)
    await leave(nursery, mailbox, [command(5), command(6)])

    assert await received(mailbox, 2) == [command(5), command(6)]


async def test_all_who_wait_are_refused_together(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    parked = Parked("resting", retry_after=300.0)
    answers = await leave(nursery, mailbox, [command(1), command(2), command(3)])
    mailbox.tell(m.TokenAccepted())

    mailbox.refuse_all(parked)
    await wait_all_tasks_blocked()

    assert answers == [parked] * 3
    assert len(mailbox) == 0
    assert await received(mailbox, 1) == [m.TokenAccepted()]


# -- the reader


async def test_a_cancelled_reader_takes_no_message_with_it() -> None:
    mailbox = Mailbox()
    taken: list[object] = []

    async def read() -> None:
        taken.append((await mailbox.receive()).message)

    for number in range(20):
        async with trio.open_nursery() as reader:
            reader.start_soon(read)
            await wait_all_tasks_blocked()
            # In the same instant, in either order: the reader has the message, or it is still there.
            if number % 2:
                reader.cancel_scope.cancel()
            mailbox.tell(m.ConnectionLost(float(number)))
            reader.cancel_scope.cancel()
        if len(taken) == number:
            taken += await received(mailbox, 1)

    assert taken == [m.ConnectionLost(float(number)) for number in range(20)]


async def test_a_reader_that_is_cancelled_already_leaves_the_messages_alone() -> None:
    mailbox = Mailbox()
    mailbox.tell(m.TokenAccepted())

    with trio.CancelScope() as late:
        late.cancel()
        await mailbox.receive()

    assert late.cancelled_caught
    assert await received(mailbox, 1) == [m.TokenAccepted()]


async def test_what_waits_survives_from_one_reader_to_the_next(nursery: trio.Nursery) -> None:
    mailbox = Mailbox()
    answers = await leave(nursery, mailbox, [command(1)])
    with trio.move_on_after(0):
        await trio.sleep_forever()

    async with trio.open_nursery() as another_life:

        async def serve() -> None:
            (await mailbox.receive()).answer(ANSWER)

        another_life.start_soon(serve)
    await wait_all_tasks_blocked()

    assert answers == [ANSWER]


# -- memory


async def test_a_storm_of_posts_leaves_memory_flat() -> None:
    mailbox = Mailbox()
    signals: list[m.Signal] = [
        m.TokenAccepted(),
        m.ConnectionLost(1.0),
        m.CredentialLost(Reason.SESSION_REVOKED),
    ]

    async def storm(posts: int) -> None:
        for number in range(posts):
            mailbox.tell(signals[number % 3])
            mailbox.stop()
        for _ in range(posts // 50):
            with pytest.raises(NoAnswer):
                await mailbox.ask(command(0), within=0.0)

    tracemalloc.start()
    try:
        await storm(1_000)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await storm(100_000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert after - before < 64 * 1024

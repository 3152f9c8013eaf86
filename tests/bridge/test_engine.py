"""What only the fast engine promises, and the edges where it could lose or leak something."""

import asyncio
import importlib.util
import os
import selectors
import socket
from collections.abc import AsyncIterator

import pytest
import trio
import trio.testing
import trio_asyncio

from actors.bridge import Bridge, engine, in_asyncio, open_loop


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_ready_sockets_are_not_queued_again_before_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """More ready sockets than fit into a turn: looking again too early would make the queue grow for ever."""
    monkeypatch.setattr(engine, "HANDLES_PER_TURN", 4)
    pairs = [socket.socketpair() for _ in range(50)]
    reads: dict[int, int] = {}
    longest = 0
    async with open_loop() as bridge:

        def leave_it_unread(number: int) -> None:
            reads[number] = reads.get(number, 0) + 1

        for number, (ours, theirs) in enumerate(pairs):
            bridge.loop.add_reader(ours, leave_it_unread, number)
            theirs.send(b"x")
        for _ in range(200):
            await trio.lowlevel.checkpoint()
            longest = max(longest, len(bridge.loop._ready))  # type: ignore[attr-defined] # our engine's
        for ours, theirs in pairs:
            bridge.loop.remove_reader(ours)
            ours.close()
            theirs.close()
    assert longest <= len(pairs)
    assert set(reads) == set(range(50))
    assert max(reads.values()) - min(reads.values()) <= 1


async def test_a_loop_stopped_by_a_socket_ends_like_one_stopped_by_a_call() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, trio.fail_after(30):
        async with open_loop() as bridge:
            bridge.loop.add_reader(ours, bridge.loop.stop)
            theirs.send(b"x")
            await bridge.loop.wait_stopped()  # type: ignore[attr-defined] # trio-asyncio's
            bridge.loop.close()
            with pytest.raises(RuntimeError, match="closed"):
                bridge.loop.call_soon_threadsafe(print)


async def test_a_descriptor_marked_for_it_is_closed_with_the_loop() -> None:
    reading, writing = os.pipe()
    async with open_loop() as bridge:
        bridge.loop.add_reader(reading, print)
        bridge.loop.autoclose(reading)  # type: ignore[attr-defined] # trio-asyncio's
    with pytest.raises(BrokenPipeError):
        os.write(writing, b"x")
    os.close(writing)


async def test_a_thread_may_speak_while_the_loop_closes() -> None:
    """Its callback reaches trio after the loop has gone; an error there would end the whole trio run."""
    heard: list[str] = []

    async def speak_at_the_last_moment(bridge: Bridge) -> None:
        try:
            await wait_for_ever()
        finally:
            bridge.loop.call_soon_threadsafe(heard.append, "in time")

    async with open_loop() as bridge:
        bridge.loop.create_task(speak_at_the_last_moment(bridge))
        await trio.testing.wait_all_tasks_blocked()
        queue_from_outside = bridge.loop._queue_from_outside  # type: ignore[attr-defined] # our engine's
    assert heard == ["in time"]
    late = asyncio.Handle(heard.append, ("too late",), bridge.loop)
    trio.lowlevel.current_trio_token().run_sync_soon(queue_from_outside, late)
    await trio.testing.wait_all_tasks_blocked()
    assert heard == ["in time"]


async def test_a_callback_that_queues_itself_for_ever_cannot_keep_the_loop_open() -> None:
    async with open_loop() as bridge:

        def again() -> None:
            bridge.loop.call_soon(again)

        again()
        await trio.lowlevel.checkpoint()
    assert bridge.loop.is_closed()


async def test_an_exit_raised_in_a_callback_leaves_through_open_loop() -> None:
    """It ends the block with everybody told, where stock would leave a waiting task uncancellable."""
    ended: list[str] = []

    async def wait_in_asyncio() -> None:
        try:
            await wait_for_ever()
        finally:
            ended.append("told")

    def leave() -> None:
        raise SystemExit(3)

    with trio.fail_after(30), pytest.RaisesGroup(SystemExit, flatten_subgroups=True):
        async with open_loop() as bridge:
            bridge.loop.call_soon(leave)
            await in_asyncio(wait_in_asyncio)
    assert ended == ["told"]


async def test_a_generator_that_wants_a_thread_at_the_very_end_hears_no() -> None:
    """Generators are finished after the loop has left its nursery; stock would hang there."""
    outcome: list[str] = []

    async def numbers() -> AsyncIterator[int]:
        try:
            yield 1
        finally:
            try:
                await asyncio.to_thread(print)
            except RuntimeError as error:
                outcome.append(str(error))

    async def start() -> None:
        await anext(generator)

    generator = numbers()
    with trio.fail_after(30):
        async with open_loop():
            await in_asyncio(start)
    assert outcome == ["Nursery is closed to new arrivals"]


async def test_a_turn_gives_way_to_trio_after_its_share_of_handles() -> None:
    ran = 0
    ran_per_tick = []

    def count() -> None:
        nonlocal ran
        ran += 1

    async with open_loop() as bridge:
        for _ in range(5 * engine.HANDLES_PER_TURN):
            bridge.loop.call_soon(count)
        while ran < 5 * engine.HANDLES_PER_TURN:
            before = ran
            await trio.lowlevel.checkpoint()
            ran_per_tick.append(ran - before)
    # Two turns lie between two steps of ours at most: trio runs the tasks of a tick in any order.
    assert max(ran_per_tick) <= 2 * engine.HANDLES_PER_TURN


def test_another_version_of_trio_asyncio_is_refused_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trio_asyncio, "__version__", "0.17.0")
    assert engine.__spec__.loader
    with pytest.raises(ImportError, match=r"pip install trio-asyncio==0\.16\.0"):
        engine.__spec__.loader.exec_module(importlib.util.module_from_spec(engine.__spec__))


async def test_a_system_without_epoll_or_kqueue_is_pointed_to_stock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selectors, "DefaultSelector", selectors.SelectSelector)
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="engine='stock'"), flatten_subgroups=True):
        async with open_loop():
            pass

"""Timers of the loop, in trio's virtual time."""

import asyncio
import itertools
import socket

import pytest
import trio
import trio.testing

from actors.bridge import in_asyncio, open_loop
from actors.bridge.engine import FEW_CANCELLED_TIMERS
from actors.bridge.loop import Engine


async def test_timers_fire_in_the_order_of_their_deadlines(
    engine: Engine, autojump_clock: trio.testing.MockClock
) -> None:
    fired: list[tuple[str, float]] = []

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()

        def fire(name: str) -> None:
            fired.append((name, loop.time() - start))

        loop.call_later(30, fire, "last")
        loop.call_later(10, fire, "first")
        loop.call_at(start + 20, fire, "second")
        loop.call_later(5, fire, "never").cancel()
        await asyncio.sleep(60)

    async with open_loop(engine):
        started = autojump_clock.current_time()
        await in_asyncio(wait)
        assert autojump_clock.current_time() - started == pytest.approx(60)
    assert [name for name, _ in fired] == ["first", "second", "last"]
    assert [at for _, at in fired] == pytest.approx([10, 20, 30])


async def test_a_timer_set_from_trio_while_the_loop_sleeps_is_on_time(
    engine: Engine, autojump_clock: trio.testing.MockClock
) -> None:
    async with open_loop(engine) as bridge:
        bridge.loop.call_later(1000, print)
        await trio.testing.wait_all_tasks_blocked()
        rung = trio.Event()
        started = autojump_clock.current_time()
        bridge.loop.call_later(7, rung.set)
        await rung.wait()
        assert autojump_clock.current_time() - started == pytest.approx(7)


async def test_a_timer_set_by_a_socket_while_the_loop_sleeps_is_on_time(
    engine: Engine, autojump_clock: trio.testing.MockClock
) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with open_loop(engine) as bridge:
            loop, rung = bridge.loop, trio.Event()

            def set_timer() -> None:
                loop.remove_reader(ours)
                loop.call_later(7, rung.set)

            loop.call_later(1000, print)
            loop.add_reader(ours, set_timer)
            await trio.testing.wait_all_tasks_blocked()
            started = autojump_clock.current_time()
            theirs.send(b"x")
            await rung.wait()
            assert autojump_clock.current_time() - started == pytest.approx(7)


async def test_a_timer_that_sets_timers_keeps_its_pace(
    engine: Engine, autojump_clock: trio.testing.MockClock
) -> None:
    beats: list[float] = []

    async def beat() -> None:
        for _ in range(50):
            await asyncio.sleep(0.1)
            beats.append(autojump_clock.current_time())

    async with open_loop(engine):
        await in_asyncio(beat)
    gaps = [later - sooner for sooner, later in itertools.pairwise(beats)]
    assert gaps == pytest.approx([0.1] * 49)


async def test_deadlines_of_both_sides_meet_on_one_clock(
    engine: Engine, autojump_clock: trio.testing.MockClock
) -> None:
    async def too_long() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(20):
                await asyncio.sleep(40)
        await asyncio.sleep(40)

    async with open_loop(engine):
        started = autojump_clock.current_time()
        with trio.move_on_after(30) as scope:
            await in_asyncio(too_long)
        assert scope.cancelled_caught
        assert autojump_clock.current_time() - started == pytest.approx(30)


@pytest.mark.parametrize("cancel", [False, True])
async def test_a_queue_of_equal_deadlines_loses_none(
    engine: Engine, autojump_clock: trio.testing.MockClock, cancel: bool
) -> None:
    fired: set[int] = set()

    async def wait() -> None:
        loop = asyncio.get_running_loop()
        timers = [loop.call_later(5, fired.add, number) for number in range(1000)]
        for timer in timers[::2] if cancel else []:
            timer.cancel()
        await asyncio.sleep(6)

    async with open_loop(engine):
        started = autojump_clock.current_time()
        await in_asyncio(wait)
        assert autojump_clock.current_time() - started == pytest.approx(6)
    assert fired == set(range(1, 1000, 2) if cancel else range(1000))


async def test_cancelled_timers_do_not_pile_up(autojump_clock: trio.testing.MockClock) -> None:
    """A timeout round every call leaves a cancelled timer each; stock keeps them until their time."""

    async def call_with_timeouts() -> None:
        for _ in range(10 * FEW_CANCELLED_TIMERS):
            async with asyncio.timeout(60):
                await asyncio.sleep(0.001)

    async with open_loop("fast") as bridge:
        started = autojump_clock.current_time()
        bridge.loop.call_later(30, print)  # the earliest: cancelled ones lie behind it in the heap
        await in_asyncio(call_with_timeouts)
        assert autojump_clock.current_time() - started < 30
        assert len(bridge.loop._timers) <= 2 * FEW_CANCELLED_TIMERS + 2  # type: ignore[attr-defined] # our engine's

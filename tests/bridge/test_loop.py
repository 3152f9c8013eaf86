"""What an open loop offers besides calls, and what it leaves behind when it closes: nothing."""

import asyncio
import contextlib
import os
import socket
import sys
import threading

import pytest
import trio
import trio.testing
import trio_asyncio

from actors.bridge import BridgeLost, in_asyncio, in_trio, open_loop
from actors.bridge.loop import Engine


async def wait_for_ever() -> None:
    await asyncio.Event().wait()


async def test_child_processes(engine: Engine) -> None:
    async def reverse(text: bytes) -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "import sys; sys.stdout.write(sys.stdin.read()[::-1]); sys.exit(5)",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        heard, _ = await process.communicate(text)
        return heard, process.returncode

    async with open_loop(engine):
        assert await in_asyncio(reverse, b"abc") == (b"cba", 5)


async def test_worker_threads(engine: Engine) -> None:
    async def ask_threads() -> list[object]:
        loop = asyncio.get_running_loop()
        [(*_, address)] = await loop.getaddrinfo("127.0.0.1", 80, type=socket.SOCK_STREAM)
        name = await loop.run_in_executor(None, lambda: threading.current_thread() is threading.main_thread())
        return [address, name, await asyncio.to_thread(pow, 2, 10)]

    async with open_loop(engine):
        assert await in_asyncio(ask_threads) == [("127.0.0.1", 80), False, 1024]


async def test_a_failing_worker_thread_tells_its_caller(engine: Engine) -> None:
    async def divide() -> None:
        with pytest.raises(ZeroDivisionError):
            await asyncio.to_thread(divmod, 1, 0)

    async with open_loop(engine):
        await in_asyncio(divide)


async def test_another_thread_can_wake_the_loop(engine: Engine) -> None:
    async def wait_for_thread() -> str:
        loop = asyncio.get_running_loop()
        said = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(said.set_result, "hello"))
        thread.start()
        heard: str = await said
        thread.join()
        return heard

    async with open_loop(engine):
        assert await in_asyncio(wait_for_thread) == "hello"


async def test_a_thread_that_calls_after_the_close_is_refused(engine: Engine) -> None:
    async with open_loop(engine) as bridge:
        pass
    with pytest.raises(RuntimeError, match="closed"):
        await trio.to_thread.run_sync(bridge.loop.call_soon_threadsafe, print)


async def test_callbacks_run_in_the_order_they_were_queued(engine: Engine) -> None:
    seen: list[int] = []
    async with open_loop(engine) as bridge:
        for number in range(2000):
            bridge.loop.call_soon(seen.append, number)
        await in_asyncio(asyncio.sleep, 0)
    assert seen == list(range(2000))


async def test_busy_asyncio_code_starves_neither_trio_nor_the_sockets(engine: Engine) -> None:
    steps = 0

    async def never_idle() -> None:
        nonlocal steps
        while True:
            steps += 1
            await asyncio.sleep(0)

    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setblocking(False)
        async with open_loop(engine) as bridge, trio.open_nursery() as nursery:
            nursery.start_soon(in_asyncio, never_idle)
            steps_per_tick = []
            for _ in range(20):
                before = steps
                await trio.lowlevel.checkpoint()
                steps_per_tick.append(steps - before)
            theirs.send(b"x")
            assert await in_asyncio(bridge.loop.sock_recv, ours, 1) == b"x"
            nursery.cancel_scope.cancel()
    assert max(steps_per_tick) <= 10


async def test_closing_cancels_and_awaits_what_still_runs_on_both_sides(engine: Engine) -> None:
    ended: list[str] = []

    async def asyncio_side() -> None:
        try:
            await wait_for_ever()
        finally:
            await asyncio.sleep(0)
            ended.append("asyncio")

    async def trio_side() -> None:
        try:
            await trio.sleep_forever()
        finally:
            ended.append("trio")

    async def both() -> None:
        await asyncio.gather(asyncio_side(), in_trio(trio_side))

    async with open_loop(engine) as bridge:
        task = bridge.loop.create_task(both())
        await trio.testing.wait_all_tasks_blocked()
    assert task.cancelled()
    assert sorted(ended) == ["asyncio", "trio"]


async def test_a_cancellation_around_the_loop_lets_both_sides_clean_up(engine: Engine) -> None:
    ended: list[str] = []

    async def slow_to_end() -> None:
        try:
            await in_trio(trio.sleep_forever)
        finally:
            for _ in range(20):
                await asyncio.sleep(0)
            ended.append("asyncio")

    with trio.CancelScope() as scope:
        async with open_loop(engine), trio.open_nursery() as nursery:
            nursery.start_soon(in_asyncio, slow_to_end)
            await trio.testing.wait_all_tasks_blocked()
            scope.cancel()
    assert scope.cancelled_caught
    assert ended == ["asyncio"]


async def test_nothing_is_left_after_the_close(engine: Engine) -> None:
    def open_descriptors() -> int:
        return len(os.listdir("/dev/fd"))  # noqa: PTH208 - a count of names, no paths

    async def listen_for_ever() -> None:
        async with await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0):
            await wait_for_ever()

    async def leave_much_behind() -> None:
        asyncio.get_running_loop().call_later(1000, print)
        left.append(asyncio.ensure_future(wait_for_ever()))
        left.append(asyncio.ensure_future(listen_for_ever()))
        left.append(asyncio.ensure_future(in_trio(trio.sleep_forever)))
        await in_trio(trio.testing.wait_all_tasks_blocked)

    left: list[asyncio.Future[None]] = []
    async with open_loop(engine):  # trio keeps some descriptors from its first use on
        pass
    tasks, descriptors = trio.lowlevel.current_statistics().tasks_living, open_descriptors()
    async with open_loop(engine) as bridge:
        await in_asyncio(leave_much_behind)
    assert trio.lowlevel.current_statistics().tasks_living == tasks
    assert asyncio.all_tasks(bridge.loop) == set()
    assert all(task.cancelled() for task in left)
    assert open_descriptors() <= descriptors


async def test_a_caller_that_outlives_the_loop_can_still_be_cancelled(engine: Engine) -> None:
    """It began its call while the loop closed, too late to be cancelled by it; trio-asyncio would hang here."""

    async def start_again_when_lost() -> None:
        for _ in range(2):
            with contextlib.suppress(BridgeLost):
                await in_asyncio(wait_for_ever)

    async with trio.open_nursery() as outer:
        async with open_loop(engine, on_orphan=lambda _message, _error: None):
            outer.start_soon(start_again_when_lost)
            await trio.testing.wait_all_tasks_blocked()
        outer.cancel_scope.cancel()


async def test_a_call_after_the_close_is_refused(engine: Engine) -> None:
    refused = trio.Event()

    async def call_late() -> None:
        await closed.wait()
        with pytest.raises(RuntimeError, match="open_loop"):
            await in_asyncio(wait_for_ever)
        refused.set()

    closed = trio.Event()
    async with trio.open_nursery() as outer:
        async with open_loop(engine):
            outer.start_soon(call_late)
        closed.set()
    assert refused.is_set()


async def test_an_exception_leaves_the_block_in_a_group(engine: Engine) -> None:
    with pytest.RaisesGroup(ZeroDivisionError, flatten_subgroups=True):
        async with open_loop(engine):
            raise ZeroDivisionError


async def test_the_fast_engine_changes_nothing_for_others() -> None:
    async with open_loop("fast") as ours, trio_asyncio.open_loop() as theirs:
        assert type(theirs) is trio_asyncio.TrioEventLoop
        assert type(ours.loop) is not type(theirs)
    async with open_loop("stock") as bridge:
        assert type(bridge.loop) is trio_asyncio.TrioEventLoop

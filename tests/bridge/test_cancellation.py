"""Cancellation over the bridge, in both directions and from either side, and what becomes of a lost call (K2)."""

import asyncio
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVarTuple

import pytest
import trio
import trio.testing

from actors.bridge import BridgeLost, in_asyncio, in_trio, open_loop
from actors.bridge.loop import Engine

Args = TypeVarTuple("Args")


async def cancelled_once_blocked(fn: Callable[[*Args], Awaitable[object]], *args: *Args) -> trio.CancelScope:
    """Run fn until it waits, cancel it, and return the scope it ran in."""
    scope = trio.CancelScope()

    async def cancel() -> None:
        await trio.testing.wait_all_tasks_blocked()
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(cancel)
        with scope:
            await fn(*args)
    return scope


async def test_a_trio_cancellation_cancels_the_asyncio_task_and_waits_for_its_end(
    engine: Engine,
) -> None:
    async with open_loop(engine):
        steps: list[str] = []

        async def linger() -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                steps.append("cancelled")
                await asyncio.sleep(0)
                steps.append("cleaned up")
                raise

        scope = await cancelled_once_blocked(in_asyncio, linger)
    assert scope.cancelled_caught
    assert steps == ["cancelled", "cleaned up"]


async def test_a_call_in_a_cancelled_scope_does_not_start(engine: Engine) -> None:
    async with open_loop(engine):
        started: list[bool] = []

        async def start() -> None:
            started.append(True)
            await asyncio.sleep(0)

        with trio.CancelScope() as scope:
            scope.cancel()
            await in_asyncio(start)
        assert scope.cancelled_caught
        assert started == []


async def test_asyncio_code_that_swallows_a_cancellation_returns_its_result(engine: Engine) -> None:
    async with open_loop(engine):

        async def stubborn() -> str:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                return "done all the same"
            return "never"

        async def ask() -> None:
            answers.append(await in_asyncio(stubborn))

        answers: list[str] = []
        scope = await cancelled_once_blocked(ask)
    assert answers == ["done all the same"]
    assert not scope.cancelled_caught


async def test_an_asyncio_cancellation_cancels_the_trio_task_and_waits_for_its_end(
    engine: Engine,
) -> None:
    async with open_loop(engine):
        steps: list[str] = []

        async def linger() -> None:
            try:
                await trio.sleep_forever()
            finally:
                with trio.CancelScope(shield=True):
                    await trio.lowlevel.checkpoint()
                steps.append("cleaned up")

        async def cancel_it() -> None:
            task = asyncio.ensure_future(in_trio(linger))
            await in_trio(trio.testing.wait_all_tasks_blocked)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            steps.append("caller told")

        await in_asyncio(cancel_it)
        assert steps == ["cleaned up", "caller told"]


async def test_a_trio_cancellation_reaches_a_trio_function_called_from_asyncio(engine: Engine) -> None:
    async with open_loop(engine):

        async def over() -> None:
            await in_trio(trio.sleep_forever)

        scope = await cancelled_once_blocked(in_asyncio, over)
    assert scope.cancelled_caught


async def test_asyncio_timeouts_and_task_groups_work(engine: Engine) -> None:
    async with open_loop(engine):

        async def times_out() -> int:
            finished: list[int] = []

            async def finish(number: int) -> None:
                await asyncio.sleep(0)
                finished.append(number)

            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            async with asyncio.TaskGroup() as group:
                for number in range(3):
                    group.create_task(finish(number))
            return len(finished)

        assert await in_asyncio(times_out) == 3


async def test_a_failing_task_group_crosses_as_a_group(engine: Engine) -> None:
    async with open_loop(engine):

        async def divide() -> None:
            await asyncio.sleep(0)
            divmod(1, 0)

        async def fail() -> None:
            async with asyncio.TaskGroup() as group:
                group.create_task(divide())
                group.create_task(asyncio.Event().wait())

        with pytest.RaisesGroup(ZeroDivisionError):
            await in_asyncio(fail)


def cancels_itself_in_a_task() -> Coroutine[None, None, None]:
    async def fn() -> None:
        task = asyncio.current_task()
        assert task
        task.cancel()
        await asyncio.sleep(0)

    return fn()


def awaits_what_is_cancelled() -> Coroutine[None, None, None]:
    async def fn() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_soon(future.cancel)
        await future

    return fn()


@pytest.mark.parametrize("lose", [cancels_itself_in_a_task, awaits_what_is_cancelled])
async def test_an_asyncio_cancellation_of_the_call_becomes_an_ordinary_exception(
    engine: Engine,
    lose: Callable[[], Coroutine[None, None, None]],
) -> None:
    """K2: as a BaseException it would pass every `except Exception` and end the process."""
    async with open_loop(engine):
        with pytest.raises(BridgeLost, match=lose.__name__) as lost:
            await in_asyncio(lose)
        assert isinstance(lost.value, Exception)
        assert isinstance(lost.value.__cause__, asyncio.CancelledError)


async def test_a_lost_call_leaves_its_trio_siblings_alone(engine: Engine) -> None:
    async with open_loop(engine):
        survived: list[bool] = []

        async def sibling() -> None:
            await trio.testing.wait_all_tasks_blocked()
            survived.append(True)

        async def loser() -> None:
            with pytest.raises(BridgeLost):
                await in_asyncio(awaits_what_is_cancelled)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sibling)
            nursery.start_soon(loser)
        assert survived == [True]


async def test_a_lost_call_does_not_print_its_arguments(engine: Engine) -> None:
    async with open_loop(engine):

        async def sign_in(password: str) -> None:
            assert password
            await awaits_what_is_cancelled()

        with pytest.raises(BridgeLost) as lost:
            await in_asyncio(functools.partial(sign_in, password="correct horse"))
        assert "correct horse" not in str(lost.value)

"""Calls over the bridge in both directions: results, errors, cancellation, context."""

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Coroutine
from typing import TypeVarTuple

import pytest
import sniffio
import trio
import trio.testing

from actors.bridge import BridgeLost, in_asyncio, in_trio, open_loop
from actors.bridge.loop import Engine

Args = TypeVarTuple("Args")

colour: contextvars.ContextVar[str] = contextvars.ContextVar("colour")


class Sour(Exception):
    pass


async def asyncio_add(a: int, b: int) -> int:
    await asyncio.sleep(0)
    return a + b


async def asyncio_sour() -> None:
    await asyncio.sleep(0)
    raise Sour


async def trio_add(a: int, b: int) -> int:
    await trio.lowlevel.checkpoint()
    return a + b


async def trio_sour() -> None:
    await trio.lowlevel.checkpoint()
    raise Sour


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


class TestFromTrio:
    async def test_an_asyncio_function_returns_to_trio(self, engine: Engine) -> None:
        async with open_loop(engine):
            assert await in_asyncio(asyncio_add, 1, 2) == 3

    async def test_keywords_go_in_a_partial(self, engine: Engine) -> None:
        async with open_loop(engine):
            assert await in_asyncio(functools.partial(asyncio_add, a=1, b=2)) == 3

    async def test_the_function_itself_is_called_inside_asyncio(self, engine: Engine) -> None:
        async with open_loop(engine):

            def looks_for_the_loop() -> asyncio.Future[str]:
                future = asyncio.get_running_loop().create_future()
                future.set_result("found")
                return future

            assert await in_asyncio(looks_for_the_loop) == "found"

    async def test_an_error_crosses_to_trio(self, engine: Engine) -> None:
        async with open_loop(engine):
            with pytest.raises(Sour):
                await in_asyncio(asyncio_sour)

    async def test_a_hundred_calls_at_once_keep_their_answers_apart(self, engine: Engine) -> None:
        async with open_loop(engine):
            answers: dict[int, int] = {}

            async def ask(number: int) -> None:
                answers[number] = await in_asyncio(asyncio_add, number, number)

            async with trio.open_nursery() as nursery:
                for number in range(100):
                    nursery.start_soon(ask, number)
            assert answers == {number: 2 * number for number in range(100)}

    async def test_asyncio_code_knows_its_flavour_and_its_loop(self, engine: Engine) -> None:
        async with open_loop(engine) as bridge:

            async def look() -> tuple[str, asyncio.AbstractEventLoop]:
                return sniffio.current_async_library(), asyncio.get_running_loop()

            assert await in_asyncio(look) == ("asyncio", bridge.loop)
            assert sniffio.current_async_library() == "trio"

    async def test_asyncio_code_sees_context_variables_and_changes_only_its_copy(
        self, engine: Engine
    ) -> None:
        async with open_loop(engine):

            async def repaint() -> str:
                before = colour.get()
                colour.set("red")
                return before

            colour.set("blue")
            assert await in_asyncio(repaint) == "blue"
            assert colour.get() == "blue"


class TestFromAsyncio:
    async def test_a_trio_function_returns_to_asyncio(self, engine: Engine) -> None:
        async with open_loop(engine):

            async def over_and_back() -> int:
                return await in_trio(trio_add, 1, 2)

            assert await in_asyncio(over_and_back) == 3

    async def test_an_error_crosses_to_asyncio(self, engine: Engine) -> None:
        async with open_loop(engine):

            async def taste() -> str:
                try:
                    await in_trio(trio_sour)
                except Sour:
                    return "sour"
                return "sweet"

            assert await in_asyncio(taste) == "sour"

    async def test_trio_code_knows_its_flavour_and_sees_context_variables(self, engine: Engine) -> None:
        async with open_loop(engine):

            async def look() -> tuple[str, str]:
                return sniffio.current_async_library(), colour.get()

            async def over() -> tuple[str, str]:
                colour.set("green")
                return await in_trio(look)

            assert await in_asyncio(over) == ("trio", "green")

    async def test_a_crossing_within_a_crossing(self, engine: Engine) -> None:
        async with open_loop(engine):

            async def down(depth: int) -> int:
                return await in_trio(up, depth - 1) if depth else 0

            async def up(depth: int) -> int:
                return 1 + await in_asyncio(down, depth)

            assert await in_asyncio(down, 10) == 10

    async def test_asyncio_code_can_wake_a_trio_task_directly(self, engine: Engine) -> None:
        async with open_loop(engine):
            rung = trio.Event()

            async def ring() -> None:
                rung.set()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(in_asyncio, ring)
                await rung.wait()


class TestCancellation:
    async def test_a_trio_cancellation_cancels_the_asyncio_task_and_waits_for_its_end(
        self, engine: Engine
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

    async def test_a_call_in_a_cancelled_scope_does_not_start(self, engine: Engine) -> None:
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

    async def test_asyncio_code_that_swallows_a_cancellation_returns_its_result(self, engine: Engine) -> None:
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
        self, engine: Engine
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

    async def test_a_trio_cancellation_reaches_a_trio_function_called_from_asyncio(
        self, engine: Engine
    ) -> None:
        async with open_loop(engine):

            async def over() -> None:
                await in_trio(trio.sleep_forever)

            scope = await cancelled_once_blocked(in_asyncio, over)
        assert scope.cancelled_caught

    async def test_asyncio_timeouts_and_task_groups_work(self, engine: Engine) -> None:
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

    async def test_a_failing_task_group_crosses_as_a_group(self, engine: Engine) -> None:
        async with open_loop(engine):

            async def fail() -> None:
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio_sour())
                    group.create_task(asyncio.Event().wait())

            with pytest.RaisesGroup(Sour):
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


async def test_a_call_without_an_open_loop_says_what_is_missing() -> None:
    with pytest.raises(RuntimeError, match="open_loop"):
        await in_asyncio(asyncio_add, 1, 2)


async def test_two_loops_one_inside_the_other(engine: Engine) -> None:
    async def mine() -> asyncio.AbstractEventLoop:
        await asyncio.sleep(0)
        return asyncio.get_running_loop()

    async with open_loop(engine) as outer:
        async with open_loop(engine) as inner:
            assert await in_asyncio(mine) is inner.loop
        assert await in_asyncio(mine) is outer.loop

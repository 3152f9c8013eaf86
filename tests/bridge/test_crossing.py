"""Calls over the bridge in both directions: results, errors, context."""

import asyncio
import contextvars
import functools

import pytest
import sniffio
import trio
import trio.testing

from actors.bridge import in_asyncio, in_trio, open_loop
from actors.bridge.loop import Engine

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


async def test_an_asyncio_function_returns_to_trio(engine: Engine) -> None:
    async with open_loop(engine):
        assert await in_asyncio(asyncio_add, 1, 2) == 3


async def test_keywords_go_in_a_partial(engine: Engine) -> None:
    async with open_loop(engine):
        assert await in_asyncio(functools.partial(asyncio_add, a=1, b=2)) == 3


async def test_the_function_itself_is_called_inside_asyncio(engine: Engine) -> None:
    async with open_loop(engine):

        def looks_for_the_loop() -> asyncio.Future[str]:
            future = asyncio.get_running_loop().create_future()
            future.set_result("found")
            return future

        assert await in_asyncio(looks_for_the_loop) == "found"


async def test_an_error_crosses_to_trio(engine: Engine) -> None:
    async with open_loop(engine):
        with pytest.raises(Sour):
            await in_asyncio(asyncio_sour)


async def test_a_hundred_calls_at_once_keep_their_answers_apart(engine: Engine) -> None:
    async with open_loop(engine):
        answers: dict[int, int] = {}

        async def ask(number: int) -> None:
            answers[number] = await in_asyncio(asyncio_add, number, number)

        async with trio.open_nursery() as nursery:
            for number in range(100):
                nursery.start_soon(ask, number)
        assert answers == {number: 2 * number for number in range(100)}


async def test_asyncio_code_knows_its_flavour_and_its_loop(engine: Engine) -> None:
    async with open_loop(engine) as bridge:

        async def look() -> tuple[str, asyncio.AbstractEventLoop]:
            return sniffio.current_async_library(), asyncio.get_running_loop()

        assert await in_asyncio(look) == ("asyncio", bridge.loop)
        assert sniffio.current_async_library() == "trio"


async def test_asyncio_code_sees_context_variables_and_changes_only_its_copy(engine: Engine) -> None:
    async with open_loop(engine):

        async def repaint() -> str:
            before = colour.get()
            colour.set("red")
            return before

        colour.set("blue")
        assert await in_asyncio(repaint) == "blue"
        assert colour.get() == "blue"


async def test_a_trio_function_returns_to_asyncio(engine: Engine) -> None:
    async with open_loop(engine):

        async def over_and_back() -> int:
            return await in_trio(trio_add, 1, 2)

        assert await in_asyncio(over_and_back) == 3


async def test_an_error_crosses_to_asyncio(engine: Engine) -> None:
    async with open_loop(engine):

        async def taste() -> str:
            try:
                await in_trio(trio_sour)
            except Sour:
                return "sour"
            return "sweet"

        assert await in_asyncio(taste) == "sour"


async def test_trio_code_knows_its_flavour_and_sees_context_variables(engine: Engine) -> None:
    async with open_loop(engine):

        async def look() -> tuple[str, str]:
            return sniffio.current_async_library(), colour.get()

        async def over() -> tuple[str, str]:
            colour.set("green")
            return await in_trio(look)

        assert await in_asyncio(over) == ("trio", "green")


async def test_a_crossing_within_a_crossing(engine: Engine) -> None:
    async with open_loop(engine):

        async def down(depth: int) -> int:
            return await in_trio(up, depth - 1) if depth else 0

        async def up(depth: int) -> int:
            return 1 + await in_asyncio(down, depth)

        assert await in_asyncio(down, 10) == 10


async def test_asyncio_code_can_wake_a_trio_task_directly(engine: Engine) -> None:
    async with open_loop(engine):
        rung = trio.Event()

        async def ring() -> None:
            rung.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(in_asyncio, ring)
            await rung.wait()


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

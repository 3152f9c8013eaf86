"""The tree: children start in order, stop in reverse, and a broken one ends the process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
import trio
from structlog.testing import capture_logs

from supervisor.tree import Child, Stage, standing

Open = Callable[[], AbstractAsyncContextManager[None]]


class Boom(Exception):
    pass


class Diary:
    """Children that write down when they come and go."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def child(self, name: str, *, start: float = 0.0, stop: float = 0.0) -> Child:
        """A child that takes these seconds to start and to stop."""

        @asynccontextmanager
        async def stand() -> AsyncIterator[None]:
            await trio.sleep(start)
            self.lines.append(f"{name} is up")
            try:
                yield
            finally:
                with trio.CancelScope(shield=True):
                    await trio.sleep(stop)
                self.lines.append(f"{name} is down")

        return Child(name, stand)

    def failing_start(self, name: str) -> Child:
        @asynccontextmanager
        async def stand() -> AsyncIterator[None]:
            await trio.lowlevel.checkpoint()
            if name:
                raise Boom
            yield

        return Child(name, stand)

    def failing_after(self, name: str, seconds: float) -> Child:
        """A child whose background task fails."""

        async def fail() -> None:
            await trio.sleep(seconds)
            raise Boom

        @asynccontextmanager
        async def stand() -> AsyncIterator[None]:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(fail)
                self.lines.append(f"{name} is up")
                yield

        return Child(name, stand)


async def test_children_start_in_order_and_stop_in_reverse() -> None:
    diary = Diary()
    children = [diary.child("bridge", start=3), diary.child("stores", start=1), diary.child("api")]

    async with standing(children):
        diary.lines.append("serving")

    assert diary.lines == [
        "bridge is up",
        "stores is up",
        "api is up",
        "serving",
        "api is down",
        "stores is down",
        "bridge is down",
    ]


async def test_a_child_stands_on_those_that_are_up_already() -> None:
    children = [Diary().child("bridge", start=3), Diary().child("stores", start=2)]
    seen = []

    async def look() -> None:
        for _ in range(6):
            seen.append(tuple(child.stage for child in children))
            await trio.sleep(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(look)
        await trio.lowlevel.checkpoint()
        await trio.sleep(0.5)
        async with standing(children):
            await trio.sleep(10)

    assert seen[1] == (Stage.STARTING, Stage.WAITING)
    assert seen[4] == (Stage.UP, Stage.STARTING)
    assert [child.stage for child in children] == [Stage.STOPPED, Stage.STOPPED]


async def test_the_first_stays_up_while_the_last_stops() -> None:
    diary = Diary()
    first, last = diary.child("bridge"), diary.child("api", stop=5)
    stages = []

    async def look() -> None:
        await trio.sleep(3)
        stages.append((first.stage, last.stage))

    async with trio.open_nursery() as nursery, standing([first, last]):
        nursery.start_soon(look)

    assert stages == [(Stage.UP, Stage.STOPPING)]


async def test_a_child_that_cannot_start_takes_the_earlier_ones_down() -> None:
    diary = Diary()
    children = [diary.child("bridge"), diary.failing_start("stores"), diary.child("api")]

    with pytest.raises(Boom):
        async with standing(children):
            pytest.fail("nobody may be served")

    assert diary.lines == ["bridge is up", "bridge is down"]


async def test_a_child_that_breaks_ends_the_process() -> None:
    diary = Diary()
    children = [diary.child("bridge"), diary.failing_after("stores", 10), diary.child("api")]

    with pytest.RaisesGroup(Boom):
        async with standing(children):
            await trio.sleep_forever()

    assert trio.current_time() == pytest.approx(10, abs=1)
    assert diary.lines == ["bridge is up", "stores is up", "api is up", "api is down", "bridge is down"]


async def test_what_goes_wrong_in_the_block_stops_everybody_in_reverse() -> None:
    diary = Diary()

    with pytest.raises(Boom):
        async with standing([diary.child("bridge"), diary.child("api")]):
            raise Boom

    assert diary.lines == ["bridge is up", "api is up", "api is down", "bridge is down"]


async def test_a_cancelled_process_stops_everybody_in_reverse() -> None:
    diary = Diary()

    with trio.move_on_after(1):
        async with standing([diary.child("bridge"), diary.child("api")]):
            await trio.sleep_forever()

    assert diary.lines == ["bridge is up", "api is up", "api is down", "bridge is down"]


async def test_every_coming_and_going_is_logged() -> None:
    with capture_logs() as lines:
        async with standing([Diary().child("bridge", start=1.23456)]):
            await trio.sleep(10)

    assert lines == [
        {"event": "child is up", "log_level": "info", "child": "bridge", "seconds": 1.235},
        {"event": "child stops", "log_level": "info", "child": "bridge"},
    ]


async def test_an_empty_tree_stands() -> None:
    async with standing([]):
        await trio.lowlevel.checkpoint()

"""The token bucket: so many turns a second, first come first served, people first, and nothing lost by giving up."""

from __future__ import annotations

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from supervisor.pace import Pace


class Crowd:
    """Those who wait for a turn, and when each had it."""

    def __init__(self, pace: Pace, nursery: trio.Nursery) -> None:
        self.turns: list[tuple[str, float]] = []
        self._pace = pace
        self._nursery = nursery
        self._began = trio.current_time()

    async def comes(self, name: str, *, background: bool = True) -> trio.CancelScope:
        """One more stands in line."""
        scope = trio.CancelScope()
        self._nursery.start_soon(self._wait, name, background, scope)
        for _ in range(3):
            await trio.lowlevel.checkpoint()
        return scope

    async def _wait(self, name: str, background: bool, scope: trio.CancelScope) -> None:
        with scope:
            await self._pace.turn(background=background)
            self.turns.append((name, round(trio.current_time() - self._began, 3)))


async def test_a_burst_passes_at_once_and_the_rest_at_the_rate() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(Pace(rate=10, burst=3), nursery)
        for name in "abcdef":
            await crowd.comes(name)

    assert crowd.turns == [("a", 0), ("b", 0), ("c", 0), ("d", 0.1), ("e", 0.2), ("f", 0.3)]


async def test_unused_turns_are_saved_up_to_a_burst() -> None:
    pace = Pace(rate=10, burst=3)
    for _ in range(5):
        await pace.turn(background=True)
    await trio.sleep(3600)

    async with trio.open_nursery() as nursery:
        crowd = Crowd(pace, nursery)
        for name in "abcde":
            await crowd.comes(name)

    assert crowd.turns == [("a", 0), ("b", 0), ("c", 0), ("d", 0.1), ("e", 0.2)]


async def test_people_pass_those_in_the_background_but_for_the_one_whose_turn_it_is() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(Pace(rate=1, burst=1), nursery)
        for name in "abcd":
            await crowd.comes(name)
        for name in "XYZ":
            await crowd.comes(name, background=False)

    assert "".join(name for name, _ in crowd.turns) == "abXYZcd"


async def test_a_stream_of_people_starves_nobody() -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(Pace(rate=1, burst=1), nursery)
        await crowd.comes("first")
        await crowd.comes("patient")
        for number in range(20):
            await crowd.comes(f"person-{number}", background=False)
            await trio.sleep(0.5)

    assert [name for name, _ in crowd.turns].index("patient") == 1


@pytest.mark.parametrize("background", [True, False])
async def test_who_gives_up_takes_no_turn_from_the_others(background: bool) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(Pace(rate=1, burst=1), nursery)
        scopes = {name: await crowd.comes(name, background=background) for name in "abcdef"}
        await trio.sleep(0.5)
        for name in "bde":
            scopes[name].cancel()
        await wait_all_tasks_blocked()

    assert crowd.turns == [("a", 0), ("c", 1), ("f", 2)]

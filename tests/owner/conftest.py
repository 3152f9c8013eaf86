"""Nodes to test with. Every async test of this folder runs on a clock that jumps ahead whenever everybody waits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
from trio.abc import Clock, Instrument
from trio.testing import MockClock

from tests.fakes import FakeArbiter
from tests.owner.nodes import Node, World

HERE = Path(__file__).parent


def in_virtual_time(
    main: Callable[[], Awaitable[object]], clock: Clock | None = None, instruments: Sequence[Instrument] = ()
) -> object:
    """As trio.run, but time is only what is waited for."""
    return trio.run(main, clock=clock or MockClock(autojump_threshold=0), instruments=instruments)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put our runner before the one that pytest-trio chose."""
    for item in items:
        if HERE in item.path.parents and item.get_closest_marker("trio"):
            item.add_marker(pytest.mark.trio(run=in_virtual_time), append=False)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def arbiter(world: World) -> FakeArbiter:
    return world.arbiter


@pytest.fixture
async def node(world: World, nursery: trio.Nursery) -> Node:
    """A node that is up."""
    node = world.node("node-a")
    await node.come_up(nursery)
    return node

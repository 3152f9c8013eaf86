"""Sessions to test with. Every async test of this folder runs on a clock that jumps ahead whenever everybody waits.

An hour of backoff costs no time, and nothing is ever slept away. (pytest-trio's own `autojump_clock` counts only
if the test itself names it.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import pytest
import trio
from trio.abc import Clock, Instrument
from trio.testing import MockClock

from tests.fakes import FakeAccount
from tests.supervisor.environment import Environment
from tests.supervisor.service import OneSession, Service

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
async def service() -> Service:
    """A service whose account has no password."""
    return Service()


@pytest.fixture
async def session(nursery: trio.Nursery) -> OneSession:
    """A session that is alive and absent."""
    one = OneSession(Service(), nursery)
    await one.live()
    return one


@pytest.fixture
async def locked(nursery: trio.Nursery) -> OneSession:
    """A session whose account has a 2FA password: "correct horse", with the hint "the usual"."""
    one = OneSession(Service(FakeAccount(password="correct horse", hint="the usual")), nursery)
    await one.live()
    return one


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Environment:
    """The process's environment, empty."""
    return Environment(monkeypatch)

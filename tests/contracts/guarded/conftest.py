"""A line under a guard that the test scripts. There is no fake of this: it is about sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from actors.adapters.telegram import DcAddress
from actors.ports import Telegram
from tests.contracts.guarded.scripted import ScriptedGuard, Tap, open_tap
from tests.contracts.telegram_bench import SandboxBench


@pytest.fixture(params=["fast"])
def kind(request: pytest.FixtureRequest) -> str:
    """The engine."""
    return str(request.param)


@pytest.fixture
def guard(sandbox_bench: SandboxBench) -> ScriptedGuard:
    """The guard of the first line that is opened."""
    guard = ScriptedGuard()
    sandbox_bench.guards.append(guard)
    return guard


@pytest.fixture
async def tap(sandbox_bench: SandboxBench) -> AsyncIterator[Tap]:
    """A tap on the way to the home data centre, which all logins begin with."""
    home = sandbox_bench.apps.service.home
    assert home is not None
    async with open_tap(home.port) as tap:
        at_tap = DcAddress(home.id, "127.0.0.1", tap.port)
        sandbox_bench.apps.service = replace(sandbox_bench.apps.service, home=at_tap)
        yield tap


@pytest.fixture
async def line(sandbox_bench: SandboxBench, guard: ScriptedGuard) -> AsyncIterator[Telegram]:
    """A line under that guard."""
    assert sandbox_bench.guards == [guard]
    async with sandbox_bench.open() as line:
        yield line

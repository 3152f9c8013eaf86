"""What the bridge's tests share: both engines, an open loop, and an echo server on it."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from actors.bridge import Bridge, open_loop
from actors.bridge.loop import Engine


@pytest.fixture(params=["fast", "stock"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return cast("Engine", request.param)


@pytest.fixture
async def bridge(engine: Engine) -> AsyncIterator[Bridge]:
    async with open_loop(engine) as bridge:
        yield bridge

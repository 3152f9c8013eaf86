"""The process as a list that you can point at: children started in order, stopped in reverse.

A child is an async context manager: it is entered when ready, left when stopped. What fails inside one comes
out of its block, so a broken part of the infrastructure ends the process, and the platform starts it anew.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum

import structlog
import trio

log = structlog.get_logger(__name__)


class Stage(StrEnum):
    """Where a child is in its one life."""

    WAITING = "waiting"
    STARTING = "starting"
    UP = "up"
    STOPPING = "stopping"
    STOPPED = "stopped"


@dataclass(slots=True)
class Child:
    """One part of the process: its name, how it is opened, and where it stands."""

    name: str
    open: Callable[[], AbstractAsyncContextManager[object]]
    stage: Stage = Stage.WAITING
    up_since: float | None = None
    """On trio's clock."""

    @asynccontextmanager
    async def stand(self) -> AsyncIterator[None]:
        """Be up for the length of the block."""
        self.stage = Stage.STARTING
        began = trio.current_time()
        async with self.open():
            self.stage, self.up_since = Stage.UP, trio.current_time()
            log.info("child is up", child=self.name, seconds=round(self.up_since - began, 3))
            try:
                yield
            finally:
                self.stage, self.up_since = Stage.STOPPING, None
                log.info("child stops", child=self.name)
        self.stage = Stage.STOPPED


@asynccontextmanager
async def standing(children: Sequence[Child]) -> AsyncIterator[None]:
    """Start the children in order, run the block, stop them in reverse order."""
    async with AsyncExitStack() as stack:
        for child in children:
            await stack.enter_async_context(child.stand())
        yield

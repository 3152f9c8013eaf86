"""The asyncio loop inside trio: which engine turns it, and where its unowned failures go."""

import asyncio
import logging
import types
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import trio_asyncio
from trio_asyncio import _loop as stock

from actors.bridge.engine import FastLoop

Engine = Literal["fast", "stock"]
OnOrphan = Callable[[str, BaseException | None], None]

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Bridge:
    """An open loop, and how many asyncio failures it has had that nobody awaited."""

    loop: asyncio.AbstractEventLoop
    orphans: int = 0


@asynccontextmanager
async def open_loop(engine: Engine = "fast", on_orphan: OnOrphan | None = None) -> AsyncIterator[Bridge]:
    """Open an asyncio loop inside the running trio program, for the length of the block.

    `on_orphan(message, error)` hears of every asyncio failure that nobody awaited (a forgotten task, a
    callback that raised, a transport that broke); without it they are logged. trio-asyncio would end the
    process for each.

    Leaving the block cancels what still runs in the loop, asyncio and trio tasks alike, and waits for it. An
    exception that leaves the block comes out in an ExceptionGroup, as from a nursery.
    """
    async with _OPENERS[engine]() as loop:
        bridge = Bridge(loop)
        loop.set_exception_handler(_orphan_handler(bridge, on_orphan or _log_orphan))
        yield bridge


def _open_fast() -> AbstractAsyncContextManager[asyncio.AbstractEventLoop]:
    """Open a loop as trio-asyncio does, but of our class.

    Its open_loop takes the class from its module's globals. An exchange there would be seen by everybody
    else who opens a loop meanwhile; so the same code runs with globals of its own.
    """
    body = stock.open_loop.__wrapped__
    namespace: dict[str, Any] = {**vars(stock), "TrioEventLoop": FastLoop}
    return asynccontextmanager(types.FunctionType(body.__code__, namespace, argdefs=body.__defaults__))()


_OPENERS: dict[Engine, Callable[[], AbstractAsyncContextManager[asyncio.AbstractEventLoop]]] = {
    "fast": _open_fast,
    "stock": trio_asyncio.open_loop,
}


def _orphan_handler(
    bridge: Bridge, on_orphan: OnOrphan
) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        bridge.orphans += 1
        try:
            on_orphan(_message(context), context.get("exception"))
        except Exception:  # noqa: BLE001 - if it left, trio-asyncio's own handler would end the process
            _log.exception("on_orphan itself failed")

    return handle


def _message(context: dict[str, Any]) -> str:
    """The sentence asyncio has for it, without the arguments of a failed callback: they may be secret."""
    message = str(context.get("message", "asyncio failure"))
    return message.partition("(")[0] if "handle" in context else message


def _log_orphan(message: str, error: BaseException | None) -> None:
    _log.error("Nobody awaited an asyncio failure: %s", message, exc_info=error)

"""The two ways over: an asyncio function called from trio, and a trio function called from asyncio code."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, TypeVarTuple

import trio_asyncio

Result = TypeVar("Result")
Args = TypeVarTuple("Args")


class BridgeLost(Exception):
    """The asyncio side ended a call that its trio caller still waited for; nothing is known of its effect."""


async def in_asyncio(fn: Callable[[*Args], Awaitable[Result]], *args: *Args) -> Result:
    """Call the asyncio function `fn` from trio, inside `open_loop`, and return or raise what it does.

    A trio cancellation cancels the asyncio task and waits until it has ended. A whole operation (a
    transaction, a pipeline) belongs in one function and one call, since each crossing costs some fifty
    microseconds.

    Raises BridgeLost if asyncio code cancelled the call. The asyncio.CancelledError itself must not reach
    trio: there it is a BaseException that passes every `except Exception` and ends the process.
    Raises RuntimeError if no loop is open around the caller.
    """
    loop = trio_asyncio.current_loop.get()
    if loop is None:
        raise RuntimeError("in_asyncio needs an open loop: call it inside 'async with open_loop()'.")
    try:
        result: Result = await loop.run_aio_coroutine(_called(fn, *args))
    except asyncio.CancelledError as cancelled:
        raise BridgeLost(f"asyncio code cancelled {_name(fn)}") from cancelled
    return result


async def in_trio(fn: Callable[[*Args], Awaitable[Result]], *args: *Args) -> Result:
    """Call the trio function `fn` from asyncio code that runs inside `open_loop`; return what it returns.

    It runs as a trio task of the loop. Cancelling the asyncio caller cancels that task and waits for its end.
    """
    loop: trio_asyncio.TrioEventLoop = asyncio.get_running_loop()
    result: Result = await loop.trio_as_future(fn, *args)
    return result


async def _called(fn: Callable[[*Args], Awaitable[Result]], *args: *Args) -> Result:
    """Make the call itself inside asyncio: many functions look for the running loop before they await."""
    return await fn(*args)


def _name(fn: Callable[..., object]) -> str:
    """The function's name without its arguments, which may be secret (a partial's repr would show them)."""
    return getattr(fn, "__qualname__", type(fn).__name__)

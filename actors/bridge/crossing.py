"""The two ways over: an asyncio function called from trio, and a trio function called from asyncio code."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import NoReturn, TypeVar, TypeVarTuple

import trio
import trio_asyncio

Result = TypeVar("Result")
Args = TypeVarTuple("Args")


class BridgeLost(Exception):
    """The asyncio side ended a call that its trio caller still waited for; nothing is known of its effect."""


async def in_asyncio(fn: Callable[[*Args], Awaitable[Result]], *args: *Args) -> Result:
    """Call the asyncio function `fn` from trio, inside `open_loop`, and return or raise what it does.

    A trio cancellation cancels the asyncio task and waits until it has ended. A whole operation (a
    transaction, a pipeline) belongs in one function and one call, since each crossing costs tens of
    microseconds.

    Raises BridgeLost if asyncio code cancelled the call. The asyncio.CancelledError itself must not reach
    trio: there it is a BaseException that passes every `except Exception` and ends the process.
    Raises RuntimeError if no loop is open around the caller.
    """
    loop: asyncio.AbstractEventLoop | None = trio_asyncio.current_loop.get()
    if loop is None or loop.is_closed():
        raise RuntimeError("in_asyncio needs an open loop: call it inside 'async with open_loop()'.")
    try:
        return await _result_of(loop.create_task(_called(fn, *args), name=_name(fn)))
    except asyncio.CancelledError as cancelled:
        raise BridgeLost(f"asyncio code cancelled {_name(fn)}") from cancelled


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


async def _result_of(task: asyncio.Task[Result]) -> Result:
    """Wait in trio for an asyncio task. If both sides cancel it, the trio cancellation wins.

    A caller that outlives the loop can still be cancelled, unlike with trio-asyncio's own waiting: that
    leaves it to an asyncio task which nobody runs any more, and hangs.
    """
    loop = task.get_loop()
    waiter: trio.lowlevel.Task | None = trio.lowlevel.current_task()
    raise_cancel: Callable[[], NoReturn] | None = None

    def wake(_: object) -> None:
        if waiter is not None:
            trio.lowlevel.reschedule(waiter)

    def abort(how: Callable[[], NoReturn]) -> trio.lowlevel.Abort:
        nonlocal waiter, raise_cancel
        if not loop.is_running():
            waiter = None
            return trio.lowlevel.Abort.SUCCEEDED
        raise_cancel = how
        task.cancel()
        return trio.lowlevel.Abort.FAILED

    task.add_done_callback(wake)
    await trio.lowlevel.wait_task_rescheduled(abort)
    if raise_cancel is not None and task.cancelled():
        raise_cancel()
    return task.result()


def _name(fn: Callable[..., object]) -> str:
    """The function's name without its arguments, which may be secret (a partial's repr would show them)."""
    return getattr(fn, "__qualname__", type(fn).__name__)

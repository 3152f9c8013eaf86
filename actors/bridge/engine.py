"""The faster engine of the bridge: trio-asyncio's event loop with its insides exchanged.

What stock trio-asyncio 0.16.0 does. Every asyncio callback travels through a trio memory channel, and the
loop's task takes exactly one per tick of trio's scheduler; every socket that asyncio reads or writes has a
trio task of its own, which registers the socket anew with trio's epoll after each event. One request over a
socket costs about a dozen ticks, and while a hundred trio tasks are busy each tick lasts as long as all of
them together.

What this engine does instead.

- *Handles in lots.* Callbacks wait in asyncio's own ``_ready`` queue. A *turn* runs what is there in
  rounds, as asyncio does, and gives way to trio after ``ROUNDS_PER_TURN`` rounds or ``HANDLES_PER_TURN``
  handles, so that neither side starves the other.
- *One descriptor for all sockets.* asyncio's own selector machinery works on a private epoll (kqueue on
  macOS). That selector is itself a file descriptor, readable when any of its sockets has an event; trio
  waits for this one.
- *Two tasks.* The main task runs turns and parks when there is nothing to run, until it is woken or the
  earliest timer is due. The poller waits for the selector and runs a turn itself: waking the main task for
  it would cost a tick. A turn is synchronous, so the two never interleave.

What stays trio-asyncio's: ``open_loop`` with its order of shutting down, the crossing of futures and
cancellation, executors, child processes, async generators.

Private names of trio-asyncio leaned on, all as of 0.16.0: ``_base.TrioAsyncioExit``;
``_handles.AsyncHandle`` with its ``_fut`` and ``_run``; and of the loop ``_cancel_fds``, ``_close_files``,
``_handle_sig``, ``_main_loop``, ``_main_loop_one``, ``_nursery``, ``_q_recv``, ``_q_send``,
``_queue_handle``, ``_stopped``, ``_timers``, ``_token``. Hence the exact pin, which is checked on import.
"""

# Private names of asyncio and trio-asyncio are this module's subject; the type stubs do not list them all.
# ruff: noqa: SLF001
# mypy: disable-error-code="attr-defined"

import asyncio
import collections
import heapq
import math
import os
import selectors
from asyncio.selector_events import BaseSelectorEventLoop
from collections.abc import Callable
from contextvars import Context
from types import FrameType
from typing import Any, NoReturn

import trio
import trio_asyncio
from sniffio import thread_local as sniffio
from trio_asyncio._base import TrioAsyncioExit
from trio_asyncio._handles import AsyncHandle

PINNED = "0.16.0"
ROUNDS_PER_TURN = 4
HANDLES_PER_TURN = 512

# What a stopped loop still runs before it closes; without an end, a callback that queues itself would hang it.
TURNS_TO_DRAIN = 100

# Below so many cancelled timers it is not worth sifting the heap for them; asyncio's number.
FEW_CANCELLED_TIMERS = 100

if trio_asyncio.__version__ != PINNED:
    raise ImportError(
        f"The bridge engine replaces private parts of trio-asyncio {PINNED}, but {trio_asyncio.__version__} "
        f"is installed. Run: pip install trio-asyncio=={PINNED}"
    )


class FastLoop(trio_asyncio.TrioEventLoop):  # type: ignore[misc] # trio-asyncio publishes no types
    """trio-asyncio's loop, with lots instead of single callbacks and one selector instead of many tasks."""

    _ready: collections.deque[asyncio.Handle]
    _timers: list[asyncio.TimerHandle]

    def __init__(self, queue_len: None = None) -> None:
        if not hasattr(selectors.DefaultSelector, "fileno"):
            self._closed = True  # there is nothing to close yet
            raise RuntimeError("The fast engine needs epoll or kqueue: use open_loop(engine='stock') here.")
        super().__init__(queue_len)
        # Closed, so that anything which still used the stock queue would fail rather than wait.
        self._q_send.close()
        self._q_recv.close()
        # asyncio's self-pipe stays behind in the old selector: it wakes loops that block in select().
        self._selector = selectors.DefaultSelector()
        self._ready = collections.deque()
        self._cancelled_timers = 0
        # So many handles of the queue must run before the sockets are looked at again.
        self._before_poll = 0
        self._turns_to_drain = TURNS_TO_DRAIN
        # The main task while it is parked, and the time until which it is.
        self._parked: trio.lowlevel.Task | None = None
        self._parked_until = math.inf

    # -- Sockets: asyncio's own code, over the private selector

    _add_reader = BaseSelectorEventLoop._add_reader
    _add_writer = BaseSelectorEventLoop._add_writer

    def _add_callback(self, handle: asyncio.Handle) -> None:
        """Take the handle of a socket that became ready; asyncio's ``_process_events`` calls this."""
        self._ready.append(handle)

    def _cancel_fds(self) -> None:
        for fd in self._close_files.intersection(self._selector.get_map()):
            os.close(fd)

    # -- Queueing

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback, in the order of calls."""
        if self._debug:
            self._check_callback(callback, "call_soon")
        return self._queue_handle(asyncio.Handle(callback, args, self, context))

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        """Queue a callback from another thread. Raises RuntimeError when the loop has closed."""
        token = self._token
        if self._closed or token is None:
            raise RuntimeError("Event loop is closed")
        handle = asyncio.Handle(callback, args, self, context)
        token.run_sync_soon(self._queue_from_outside, handle)
        return handle

    def _handle_sig(self, sig: int, _frame: FrameType | None) -> None:
        self._token.run_sync_soon(self._queue_from_outside, self._signal_handlers[sig])

    def _queue_from_outside(self, handle: asyncio.Handle) -> None:
        """Queue for a thread or a signal, which may come too late: an error here would end the trio run."""
        if not self._closed:
            self._queue_handle(handle)

    def _queue_handle(self, handle: asyncio.Handle) -> asyncio.Handle:
        self._check_closed()
        if isinstance(handle, asyncio.TimerHandle):
            handle._scheduled = True
            heapq.heappush(self._timers, handle)
            if handle.when() < self._parked_until:
                self._wake()
        else:
            self._ready.append(handle)
            self._wake()
        return handle

    # -- Timers

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._cancelled_timers += handle._scheduled

    def _next_deadline(self) -> float:
        """When the earliest timer is due. Forgets cancelled ones: all, once they are the greater part."""
        if self._cancelled_timers > max(FEW_CANCELLED_TIMERS, len(self._timers) // 2):
            self._timers[:] = [timer for timer in self._timers if not timer.cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0
        while self._timers and self._timers[0].cancelled():
            heapq.heappop(self._timers)
            self._cancelled_timers -= 1
        return self._timers[0].when() if self._timers else math.inf

    def _take_due_timers(self) -> None:
        now = self.time()
        while self._next_deadline() <= now:
            timer = heapq.heappop(self._timers)
            timer._scheduled = False
            self._ready.append(timer)

    # -- Turns

    def _run_turn(self) -> None:
        """Run ready handles in rounds; what they queue belongs to the next round, as in asyncio."""
        flavour, sniffio.name = sniffio.name, "asyncio"
        budget = HANDLES_PER_TURN
        try:
            for _ in range(ROUNDS_PER_TURN):
                lot = min(len(self._ready), budget)
                budget -= lot
                self._before_poll -= lot
                for _ in range(lot):
                    self._run_handle(self._ready.popleft())
        finally:
            sniffio.name = flavour

    def _run_handle(self, handle: asyncio.Handle) -> None:
        if isinstance(handle, AsyncHandle):
            self._start_trio_task(handle)
        elif not handle._cancelled:
            try:
                handle._run()
            except TrioAsyncioExit:  # this is how stop() speaks
                self._stopped.set()
            except (SystemExit, KeyboardInterrupt) as end:
                self._end_with(end)

    def _start_trio_task(self, handle: AsyncHandle) -> None:
        """Start a trio function for asyncio code, even a cancelled one: its task resolves the future."""
        try:
            handle._context.run(self._nursery.start_soon, handle._run, name=handle._callback)
        except RuntimeError as closed:
            # The loop has left its nursery, but async generators still clean up in it. One that wants a
            # thread now must hear no; ending the loop here would leave all of them waiting for ever.
            if handle._fut is not None and not handle._fut.done():
                handle._fut.set_exception(closed)

    def _end_with(self, end: BaseException) -> None:
        """Let an exit raised in a callback leave through ``open_loop``, the loop alive to see everybody out.

        Raised from here it would end the loop first, and tasks that wait for asyncio code could not be
        cancelled.
        """

        async def leave() -> NoReturn:
            raise end

        self._nursery.start_soon(leave)

    # -- The two tasks. Both are protected from KeyboardInterrupt, which trio then raises in its main task
    # instead: between two statements of a turn it would lose a handle, and with it whoever waits for that.

    @trio.lowlevel.enable_ki_protection
    async def _main_loop(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        self._stopped = trio.Event()
        task_status.started()
        try:
            async with trio.open_nursery() as nursery:
                nursery.cancel_scope.shield = True
                nursery.start_soon(self._poll)
                await self._work_until_stopped()
                nursery.cancel_scope.cancel()
        finally:
            self._stopped.set()

    async def _work_until_stopped(self) -> None:
        while not self._stopped.is_set():
            self._take_due_timers()
            self._run_turn()
            if self._ready:
                await trio.lowlevel.cancel_shielded_checkpoint()
            elif not self._stopped.is_set():
                await self._park()

    async def _main_loop_one(self, *, no_wait: bool) -> None:
        """Run what is left; trio-asyncio drains the stopped loop with this until it raises WouldBlock."""
        assert no_wait, "the engine has its own main loop"  # noqa: S101 - the caller is trio-asyncio alone
        self._take_due_timers()
        if not self._ready or not self._turns_to_drain:
            raise trio.WouldBlock
        self._turns_to_drain -= 1
        self._run_turn()

    @trio.lowlevel.enable_ki_protection
    async def _poll(self) -> None:
        while not self._stopped.is_set():
            await trio.lowlevel.wait_readable(self._selector.fileno())
            if self._before_poll <= 0:
                self._process_events(self._selector.select(0))
                self._before_poll = len(self._ready)
            # Nobody needs waking for what this task is about to do itself.
            parked, self._parked = self._parked, None
            self._run_turn()
            self._parked = parked
            if self._ready or self._stopped.is_set() or self._next_deadline() < self._parked_until:
                self._wake()

    async def _park(self) -> None:
        """Wait until a handle is queued or a timer is due."""

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        self._parked = trio.lowlevel.current_task()
        self._parked_until = self._next_deadline()
        with trio.CancelScope(deadline=self._parked_until):
            await trio.lowlevel.wait_task_rescheduled(abort)

    def _wake(self) -> None:
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

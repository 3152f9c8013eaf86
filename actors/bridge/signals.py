"""The signals that ask the process to stop, turned into something to wait for."""

import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import trio

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def stop_signals() -> Iterator[Callable[[], Awaitable[str]]]:
    """Catch SIGINT and SIGTERM alike for the length of the block; yields `wait_for_stop_signal`.

    That function waits for the first of them and returns its name, "SIGINT" or "SIGTERM". Enter this around
    `open_loop`: a KeyboardInterrupt raised inside an asyncio callback can hang the process.

    Later signals change nothing, so a second Ctrl-C cannot break a shutdown under way. This is why it is not
    trio.open_signal_receiver, which raises unread signals again when it closes. Main thread only.
    """
    token = trio.lowlevel.current_trio_token()
    arrived = trio.Event()
    names: list[str] = []

    def note(number: int, _frame: FrameType | None) -> None:
        names.append(signal.Signals(number).name)
        token.run_sync_soon(arrived.set, idempotent=True)

    async def wait_for_stop_signal() -> str:
        await arrived.wait()
        return names[0]

    before = {number: signal.signal(number, note) for number in STOP_SIGNALS}
    try:
        yield wait_for_stop_signal
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

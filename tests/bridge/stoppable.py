# ruff: noqa: T201 - it speaks in lines
"""A program that works hard in asyncio until it is told to stop: the other side of test_signals.py.

Arguments: the engine, whether to catch signals ("caught", "uncaught"), and the exit code to end with. Speaks in
lines: "ready", then the signal's name; then it shuts down once its standard input says so, or closes.
"""

import asyncio
import contextlib
import sys
from typing import cast

import trio

from actors.bridge import in_asyncio, open_loop, stop_signals
from actors.bridge.loop import Engine


async def sleep_for_ever() -> str:
    await trio.sleep_forever()


async def work() -> None:
    while True:
        sum(range(1000))
        await asyncio.sleep(0)


async def main(engine: Engine, caught: bool) -> None:
    with contextlib.ExitStack() as stack:
        wait_for_stop_signal = stack.enter_context(stop_signals()) if caught else sleep_for_ever
        async with open_loop(engine), trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(in_asyncio, work)
            await trio.lowlevel.checkpoint()
            print("ready", flush=True)
            print(await wait_for_stop_signal(), flush=True)
            await trio.to_thread.run_sync(sys.stdin.readline)
            nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(main, cast("Engine", sys.argv[1]), sys.argv[2] == "caught")
    sys.exit(int(sys.argv[3]))

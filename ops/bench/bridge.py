"""What the bridge costs: CPU time per call through each engine, as a multiple of plain asyncio.

Run as `python -m ops.bench.bridge [rounds]`. Each way has a fresh process per round, for trio-asyncio
patches asyncio on import; the ways take turns within a round, so that a busy machine slows them alike;
ratios are formed within a round, and the median over the rounds is printed with its range. The echo server
is a process of its own, outside the account.
"""

import asyncio
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

Way = Literal["asyncio", "fast", "stock"]
Step = Callable[[], Awaitable[object]]

WAYS: tuple[Way, ...] = ("asyncio", "fast", "stock")
EMPTY_CALLS = 3000
ROUND_TRIPS = 1500
CALLERS = 64
ROUNDS = 5
PING = b"p" * 100


@dataclass(frozen=True, slots=True)
class Side:
    """How asyncio functions are called from here, and how several callers run at once."""

    call: Callable[..., Awaitable[Any]]
    together: Callable[[Sequence[Step]], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Line:
    """One connection to the echo server."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def round_trip(self) -> None:
        """Send a hundred bytes and wait for their echo."""
        self.writer.write(PING)
        await self.reader.readexactly(len(PING))


async def measure(side: Side, port: int) -> dict[str, float]:
    """CPU seconds per operation of each load; the same code for asyncio and for trio."""
    lines: list[Line] = [await side.call(connect, port) for _ in range(CALLERS)]

    async def empty_calls() -> None:
        for _ in range(EMPTY_CALLS):
            await side.call(asyncio.sleep, 0)

    def round_trips(line: Line, times: int) -> Step:
        async def repeat() -> None:
            for _ in range(times):
                await side.call(line.round_trip)

        return repeat

    each = ROUND_TRIPS // CALLERS
    costs = {
        "empty call": await cpu_time(empty_calls) / EMPTY_CALLS,
        "echo, 1 caller": await cpu_time(round_trips(lines[0], ROUND_TRIPS)) / ROUND_TRIPS,
        f"echo, {CALLERS} callers": await cpu_time(
            lambda: side.together([round_trips(line, each) for line in lines])
        )
        / (each * CALLERS),
    }
    for line in lines:
        await side.call(hang_up, line)
    return costs


async def cpu_time(step: Step) -> float:
    """Seconds of CPU that this process spends on a step."""
    started = time.process_time()
    await step()
    return time.process_time() - started


async def connect(port: int) -> Line:
    """Open a line to the echo server."""
    return Line(*await asyncio.open_connection("127.0.0.1", port))


async def hang_up(line: Line) -> None:
    """Close a line, and wait until it is."""
    line.writer.close()
    await line.writer.wait_closed()


def measure_plain_asyncio(port: int) -> dict[str, float]:
    """Let asyncio code call asyncio code, without trio."""

    async def call(fn: Callable[..., Awaitable[Any]], *args: object) -> Any:
        return await fn(*args)

    async def together(steps: Sequence[Step]) -> None:
        await asyncio.gather(*(step() for step in steps))

    return asyncio.run(measure(Side(call, together), port))


def measure_bridge(engine: Literal["fast", "stock"], port: int) -> dict[str, float]:
    """Let trio code call asyncio code. Imports the bridge only here: the import alone changes asyncio."""
    import trio  # noqa: PLC0415

    from actors.bridge import in_asyncio, open_loop  # noqa: PLC0415

    async def together(steps: Sequence[Step]) -> None:
        async with trio.open_nursery() as nursery:
            for step in steps:
                nursery.start_soon(step)

    async def inside() -> dict[str, float]:
        async with open_loop(engine):
            return await measure(Side(in_asyncio, together), port)

    return trio.run(inside)


async def serve() -> None:
    """Echo until the standard input closes; says its port in the first line."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(65536):
            writer.write(chunk)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0, backlog=CALLERS) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.to_thread(sys.stdin.read)


@contextmanager
def echo_server() -> Iterator[int]:
    """Run the echo server beside us; yields its port."""
    command = [sys.executable, "-m", __spec__.name, "serve"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout  # noqa: S101 - it is a pipe
        yield int(process.stdout.readline())
        process.communicate()


def measured_apart(way: Way, port: int) -> dict[str, float]:
    """CPU seconds per operation, measured in a fresh process."""
    command = [sys.executable, "-m", __spec__.name, "measure", way, str(port)]
    finished = subprocess.run(command, check=True, stdout=subprocess.PIPE)
    costs: dict[str, float] = json.loads(finished.stdout)
    return costs


def compare(rounds: int) -> None:
    """Print each way's ratio to plain asyncio, for every load."""
    with echo_server() as port:
        results = [{way: measured_apart(way, port) for way in WAYS} for _ in range(rounds)]
    loads = list(results[0]["asyncio"])
    print(f"CPU time per operation, plain asyncio = 1; median of {rounds} rounds (lowest to highest)")
    print(f"{'':8}" + "".join(f"{load:>26}" for load in loads))
    for way in WAYS[1:]:
        ratios = [[round_[way][load] / round_["asyncio"][load] for round_ in results] for load in loads]
        print(f"{way:8}" + "".join(f"{spread(values):>26}" for values in ratios))


def spread(values: Sequence[float]) -> str:
    """Write the median and the range as one column."""
    return f"{statistics.median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    """Compare, or play the part that a comparison gives to its child processes."""
    match sys.argv[1:]:
        case ["serve"]:
            asyncio.run(serve())
        case ["measure", "asyncio", port]:
            print(json.dumps(measure_plain_asyncio(int(port))))
        case ["measure", ("fast" | "stock") as engine, port]:
            print(json.dumps(measure_bridge(engine, int(port))))
        case [rounds]:
            compare(int(rounds))
        case _:
            compare(ROUNDS)


if __name__ == "__main__":
    main()

"""`python -m ops.bench.full_mailbox [ASKS [AT_ONCE]]`: one session whose mailbox is full, and a storm of asks for it.

Its data centre is silent, so its actor works on one command for as long as that may last, and 64 wait. 100,000 more
come over HTTP, so many at once. Printed are how fast they are refused, what the service has in memory meanwhile, and
how another session answers beside the storm and without it. Requests to an address that there is not, which cost the
HTTP side alone, say how much of it is the mailbox.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from actors.mailbox import BOUND
from ops.bench.crowd import Crowd, crowd_of, p99
from ops.launch.home import Home
from ops.launch.stack import Stack, running

ASKS = 100_000
AT_ONCE = 8
KEEPERS = 96
"""Who ask again when they are answered, so that the mailbox stays full: 64 wait, the rest is refused, and rests."""

ON_ONE = 500
"""Requests on one connection; Hypercorn closes it after 1000."""

TAKEN = 2.0
"""Seconds after which an ask was not refused: it got a place, and would wait like the others."""

PROBE_EVERY = 0.1
SAMPLE_EVERY = 0.5
FULL = "/api/v1/sessions/crowd/app0/validate"


@dataclass
class Client:
    """Clients that read no more of an answer than they must: they should not be the bottleneck."""

    stack: Stack
    seconds: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    taken: int = 0
    """Asks that got the place of one that was answered, and hung up instead of waiting."""

    async def ask(self, method: str, path: str, times: int) -> None:
        """Ask so often, one after the other; the seconds of every answer are kept."""
        at = urlsplit(self.stack.run.api_url)
        request = (
            f"{method} {path} HTTP/1.1\r\nHost: {at.netloc}\r\nContent-Length: 0\r\n"
            f"Authorization: Bearer {self.stack.run.service_key}\r\n\r\n"
        ).encode()
        writer, left = None, 0
        for _ in range(times):
            if writer is None or not left:
                reader, writer = await asyncio.open_connection(at.hostname, at.port)
                left = ON_ONE
            began = time.perf_counter()
            writer.write(request)
            left -= 1
            try:
                async with asyncio.timeout(TAKEN):
                    self.statuses[await self._status(reader)] += 1
                self.seconds.append(time.perf_counter() - began)
            except TimeoutError:
                self.taken += 1
                left = 0
            if not left:
                writer.close()

    async def _status(self, reader: asyncio.StreamReader) -> int:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        await reader.readexactly(length)
        return int(head[9:12])


async def keep_full(crowd: Crowd) -> None:
    """Leave a command, wait for its answer, leave the next one, for ever."""
    while True:
        answer = await crowd.service.post(FULL)
        await asyncio.sleep(1.0 if answer.status_code == 429 else 0)  # noqa: PLR2004 - too many requests


async def storm(stack: Stack, method: str, path: str, asks: int, at_once: int) -> Client:
    """All asks, in so many connections; what they saw, together."""
    client, began = Client(stack), time.perf_counter()
    await asyncio.gather(*(client.ask(method, path, asks // at_once) for _ in range(at_once)))
    rate = sum(client.statuses.values()) / (time.perf_counter() - began)
    p50, slow = statistics.median(client.seconds) * 1000, p99(client.seconds) * 1000
    print(
        f"{method} {path}: {at_once} at once, {rate:.0f}/s, {dict(client.statuses)}, {client.taken} got a place; "
        f"the others were answered within p50 {p50:.1f} ms, p99 {slow:.1f} ms, at most {max(client.seconds):.2f} s",
        flush=True,
    )
    return client


async def probe(crowd: Crowd, ticket: str, into: list[float]) -> None:
    """Ask how another session is, now and then, for ever."""
    while True:
        began = time.perf_counter()
        await crowd.status(ticket)
        into.append(time.perf_counter() - began)
        await asyncio.sleep(PROBE_EVERY)


async def sample(pid: int, into: list[int]) -> None:
    """Kilobytes that the service has in memory, for ever."""
    while True:
        into.append(rss(pid))
        await asyncio.sleep(SAMPLE_EVERY)


def rss(pid: int) -> int:
    """Kilobytes of this process in memory."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4


def told(name: str, seconds: Sequence[float]) -> None:
    print(
        f"another session, {name}: p50 {statistics.median(seconds) * 1000:.1f} ms, p99 {p99(seconds) * 1000:.1f} ms"
    )


async def measure(stack: Stack, home: Home, asks: int, at_once: int) -> None:
    pid = next(child.pid for child in stack.children if child.name == "supervisor")
    async with crowd_of(stack, home) as crowd:
        (phone, _), (_, ticket) = [await crowd.log_in(number) for number in range(2)]
        alone: list[float] = []
        beside: list[float] = []
        memory: list[int] = []
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await probe(crowd, ticket, alone)
        await storm(stack, "GET", "/api/v1/nowhere", 5000, at_once)
        await storm(stack, "GET", "/api/v1/nowhere", 1000, 1)

        await crowd.control("POST", "/faults", {"kind": "stall", "phone": phone})
        tasks = [asyncio.create_task(keep_full(crowd)) for _ in range(KEEPERS)]
        while await depth(crowd) < BOUND:  # noqa: ASYNC110 - another process's state can only be polled
            await asyncio.sleep(0.1)
        await storm(stack, "POST", FULL, 1000, 1)
        tasks += [asyncio.create_task(probe(crowd, ticket, beside)), asyncio.create_task(sample(pid, memory))]
        await storm(stack, "POST", FULL, asks, at_once)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        told("before", alone)
        told("beside the storm", beside)
        tenth = max(1, len(memory) // 10)
        parts = [statistics.mean(memory[at : at + tenth]) / 1024 for at in range(0, len(memory), tenth)]
        print(f"RSS in MB, by tenths of the storm: {', '.join(f'{part:.1f}' for part in parts)}", flush=True)
        print(f"longest mailbox at the end: {await depth(crowd)}")


async def depth(crowd: Crowd) -> int:
    """How many commands wait in the mailbox that is meant to be full."""
    tree = (await crowd.service.get("/api/v1/tree")).json()
    sessions = next(child["children"] for child in tree["children"] if child["name"] == "sessions")
    return next(int(one["mailbox_depth"]) for one in sessions if one["app"] == "app0")


def main() -> None:
    asks = int(sys.argv[1]) if len(sys.argv) > 1 else ASKS
    at_once = int(sys.argv[2]) if len(sys.argv) > 2 else AT_ONCE  # noqa: PLR2004 - how many asks, how many at once
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder), sandbox=True)
        with running(home, sandbox=True) as stack:
            asyncio.run(measure(stack, home, asks, at_once))


if __name__ == "__main__":
    main()

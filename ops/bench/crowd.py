"""`python -m ops.bench.crowd [SESSIONS [ROUNDS]]`: many logged in sessions, poison among them, then SIGTERM.

Prints the status latency of the healthy ones without and with poison (a stalled account, a flood storm, a
connection that is reset again and again, a session that crashes at every start), in turn, then how long an orderly
stop takes while people poll, follow and command, and whether anything that was acknowledged is lost.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import httpx

from ops.bench.farewell import Books, found_again, stop_among
from ops.launch.api import read_qr
from ops.launch.home import Home
from ops.launch.stack import Stack, running
from ops.sandbox.description import SandboxDescription

SESSIONS = 200
ROUNDS = 6
ASKS = 400


@dataclass(frozen=True, slots=True)
class Crowd:
    """The service and the sandbox's control, each behind a client of its own."""

    service: httpx.AsyncClient
    sandbox: httpx.AsyncClient

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        reply = await self.sandbox.request(method, path, json=body)
        reply.raise_for_status()
        return reply.json() if reply.content else None

    async def log_in(self, number: int) -> tuple[str, str]:
        """A new account, logged in; its phone and its ticket."""
        phone = f"999662{3000 + number:04d}"
        await self.control("POST", "/accounts", {"first_name": f"Person {number}", "phone": phone})
        started = await self.service.post(
            "/api/qr/start", json={"tenant_id": "crowd", "app_id": f"app{number}"}
        )
        started.raise_for_status()
        await self.control("POST", "/accept", {"url": read_qr(started.json()["qr_base64"]), "phone": phone})
        ticket = str(started.json()["ticket"])
        status = await self.status(ticket)
        while status["state"] != "AUTHORIZED":
            status = await self.status(ticket, since=status["sequence"], wait=10)
        return phone, ticket

    async def status(self, ticket: str, **query: int) -> dict[str, Any]:
        reply = await self.service.get("/api/qr/status", params=query, headers={"X-Ticket": ticket})
        reply.raise_for_status()
        return dict(reply.json())

    async def latencies(self, tickets: Sequence[str]) -> list[float]:
        """Seconds of each of ASKS status requests, four at a time."""
        times: list[float] = []

        async def ask(share: Sequence[str]) -> None:
            for ticket in share:
                began = time.perf_counter()
                await self.status(ticket)
                times.append(time.perf_counter() - began)

        chosen = [tickets[number % len(tickets)] for number in range(ASKS)]
        await asyncio.gather(*(ask(chosen[part::4]) for part in range(4)))
        return times

    async def poison(self, phones: Sequence[str]) -> None:
        """Let each of four sessions fail in its own way, from now on."""
        stalled, flooded, reset, crashing = phones
        await self.control("POST", "/faults", {"kind": "stall", "phone": stalled})
        await self.control("POST", "/faults", {"method": "*", "error": "FLOOD_WAIT_1", "phone": flooded})
        await self.control("POST", "/faults", {"kind": "reset", "method": "*", "phone": reset})
        nonsense = {"kind": "nonsense", "method": "users.getUsers", "phone": crashing}
        await self.control("POST", "/faults", nonsense)
        for phone in phones:
            await self.control("POST", "/drop", {"phone": phone})

    async def cure(self) -> None:
        await self.control("DELETE", "/faults")

    async def lives(self) -> dict[str, int]:
        """How often each session has crashed, by its app."""
        tree = (await self.service.get("/api/v1/tree")).json()
        sessions = next(child["children"] for child in tree["children"] if child["name"] == "sessions")
        return {one["app"]: one["restarts"] for one in sessions}


def p99(times: Sequence[float]) -> float:
    return sorted(times)[int(0.99 * len(times))]


async def log_everybody_in(crowd: Crowd, sessions: int) -> list[tuple[str, str]]:
    began = time.perf_counter()
    people: list[tuple[str, str]] = []
    for first in range(0, sessions, 10):
        numbers = range(first, min(first + 10, sessions))
        people += await asyncio.gather(*(crowd.log_in(number) for number in numbers))
    print(f"{sessions} sessions logged in by QR within {time.perf_counter() - began:.1f} s", flush=True)
    return people


Latencies = list[list[float]]
"""Seconds, by round."""


async def measure(crowd: Crowd, sessions: int, rounds: int) -> list[str]:
    """Ask the healthy without poison and with it, and print how they fared; the healthy ones' tickets.

    A fresh session crashes in each round, since one that has crashed often enough rests.
    """
    sick = 3 + rounds
    people = await log_everybody_in(crowd, sessions + sick)
    phones, healthy = [phone for phone, _ in people[:sick]], [ticket for _, ticket in people[sick:]]
    without, with_poison = await in_turn(crowd, phones, healthy, rounds)
    compare(without, with_poison)
    lives = await crowd.lives()
    crashes = [lives[f"app{number}"] for number in range(sick)]
    print(f"crashes of the sick: {crashes}, of all neighbours: {sum(lives.values()) - sum(crashes)}")
    print(f"duplicates seen by the DC: {len(await crowd.control('GET', '/duplicates'))}", flush=True)
    return healthy


async def in_turn(
    crowd: Crowd, phones: Sequence[str], healthy: Sequence[str], rounds: int
) -> tuple[Latencies, Latencies]:
    without: Latencies = []
    with_poison: Latencies = []
    await crowd.latencies(healthy)
    for number in range(rounds):
        without.append(await crowd.latencies(healthy))
        await crowd.poison([*phones[:3], phones[3 + number]])
        await asyncio.sleep(1)
        with_poison.append(await crowd.latencies(healthy))
        await crowd.cure()
        await asyncio.sleep(4)
    return without, with_poison


def compare(without: Latencies, with_poison: Latencies) -> None:
    for name, rounds in (("without poison", without), ("with poison", with_poison)):
        times = list(chain.from_iterable(rounds))
        print(f"{name:15} p50 {statistics.median(times) * 1000:6.1f} ms   p99 {p99(times) * 1000:6.1f} ms")
    ratios = sorted(p99(sick) / p99(well) for sick, well in zip(with_poison, without, strict=True))
    whole = p99(list(chain.from_iterable(with_poison))) / p99(list(chain.from_iterable(without)))
    print(f"p99 with / without, of all rounds together: {whole:.2f}")
    print(f"p99 with / without, by round: {', '.join(f'{ratio:.2f}' for ratio in ratios)}; ", end="")
    print(f"median {statistics.median(ratios):.2f}", flush=True)


@asynccontextmanager
async def crowd_of(stack: Stack, home: Home) -> AsyncIterator[Crowd]:
    description = SandboxDescription.from_json(home.sandbox_file.read_text())
    ours = {"Authorization": f"Bearer {stack.run.service_key}"}
    theirs = {"Authorization": f"Bearer {description.control_key}"}
    limits = httpx.Limits(max_connections=200)
    async with (
        httpx.AsyncClient(base_url=stack.run.api_url, headers=ours, timeout=60, limits=limits) as service,
        httpx.AsyncClient(base_url=description.control_url, headers=theirs, timeout=60) as sandbox,
    ):
        yield Crowd(service, sandbox)


async def first_run(stack: Stack, home: Home, sessions: int, rounds: int) -> Books:
    async with crowd_of(stack, home) as crowd:
        return await stop_among(crowd.service, stack, await measure(crowd, sessions, rounds))


async def second_run(stack: Stack, home: Home, books: Books) -> None:
    async with crowd_of(stack, home) as crowd:
        await found_again(crowd.service, books)


def main() -> None:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else ROUNDS  # noqa: PLR2004 - how many sessions, how many rounds
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder), sandbox=True)
        with running(home, sandbox=True) as stack:
            books = asyncio.run(first_run(stack, home, sessions, rounds))
        with running(home, sandbox=True) as stack:
            asyncio.run(second_run(stack, home, books))


if __name__ == "__main__":
    main()

"""`python -m ops.bench.crowd`: two hundred logged in sessions, then poison among them, then SIGTERM.

Prints the status latency of the healthy ones without and with poison (a stalled account, a flood storm, a
connection that is reset again and again), in turn, and how long an orderly stop takes with long polls open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from ops.launch.api import read_qr
from ops.launch.home import Home
from ops.launch.stack import Stack, running
from ops.sandbox.description import SandboxDescription

SESSIONS = 200
ROUNDS = 6
ASKS = 400
POLLS = 50


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
        stalled, flooded, reset = phones
        await self.control("POST", "/faults", {"kind": "stall", "phone": stalled})
        await self.control("POST", "/faults", {"method": "*", "error": "FLOOD_WAIT_1", "phone": flooded})
        await self.control("POST", "/faults", {"kind": "reset", "method": "*", "phone": reset})
        for phone in phones:
            await self.control("POST", "/drop", {"phone": phone})

    async def cure(self) -> None:
        await self.control("DELETE", "/faults")


def p99(times: Sequence[float]) -> float:
    return sorted(times)[int(0.99 * len(times))]


async def measure(crowd: Crowd, sessions: int) -> list[str]:
    began = time.perf_counter()
    people: list[tuple[str, str]] = []
    for first in range(0, sessions, 10):
        people += await asyncio.gather(*(crowd.log_in(number) for number in range(first, first + 10)))
    print(f"{sessions} sessions logged in by QR within {time.perf_counter() - began:.1f} s", flush=True)
    sick, healthy = people[:3], [ticket for _, ticket in people[3:]]
    with_poison: list[float] = []
    without: list[float] = []
    for _ in range(ROUNDS):
        without += await crowd.latencies(healthy)
        await crowd.poison([phone for phone, _ in sick])
        await asyncio.sleep(1)
        with_poison += await crowd.latencies(healthy)
        await crowd.cure()
        await asyncio.sleep(4)
    for name, times in (("without poison", without), ("with poison", with_poison)):
        print(f"{name:15} p50 {statistics.median(times) * 1000:6.1f} ms   p99 {p99(times) * 1000:6.1f} ms")
    print(f"p99 with / without: {p99(with_poison) / p99(without):.2f}")
    print(f"duplicates seen by the DC: {len(await crowd.control('GET', '/duplicates'))}", flush=True)
    return healthy


async def stop_with_polls(crowd: Crowd, stack: Stack, tickets: Sequence[str]) -> None:
    """Stop the supervisor while POLLS people wait for news."""

    async def poll(ticket: str) -> int:
        status = await crowd.status(ticket)
        with contextlib.suppress(httpx.HTTPError):
            await crowd.status(ticket, since=status["sequence"], wait=25)
            return 1
        return 0

    polls = [asyncio.create_task(poll(ticket)) for ticket in tickets[:POLLS]]
    await asyncio.sleep(1)
    supervisor = next(child for child in stack.children if child.name == "supervisor")
    began = time.perf_counter()
    await asyncio.to_thread(supervisor.stop)
    seconds = time.perf_counter() - began
    answered = sum(await asyncio.gather(*polls))
    print(f"SIGTERM to exit code {supervisor.exit_code}: {seconds:.1f} s; ", end="")
    print(f"{answered} of {len(polls)} long polls answered")


async def run(stack: Stack, home: Home, sessions: int) -> None:
    description = SandboxDescription.from_json(home.sandbox_file.read_text())
    ours = {"Authorization": f"Bearer {stack.run.service_key}"}
    theirs = {"Authorization": f"Bearer {description.control_key}"}
    limits = httpx.Limits(max_connections=200)
    async with (
        httpx.AsyncClient(base_url=stack.run.api_url, headers=ours, timeout=60, limits=limits) as service,
        httpx.AsyncClient(base_url=description.control_url, headers=theirs, timeout=60) as sandbox,
    ):
        crowd = Crowd(service, sandbox)
        await stop_with_polls(crowd, stack, await measure(crowd, sessions))


def main() -> None:
    sessions = int(sys.argv[1]) if len(sys.argv) > 1 else SESSIONS
    with tempfile.TemporaryDirectory() as folder:
        home = Home.at(Path(folder), sandbox=True)
        with running(home, sandbox=True) as stack:
            asyncio.run(run(stack, home, sessions))
            log = (home.path / "supervisor.log").read_text().splitlines()
    crashes = sum(json.loads(line).get("event") == "session crashed" for line in log if line.startswith("{"))
    print(f"lives that crashed: {crashes}")


if __name__ == "__main__":
    main()

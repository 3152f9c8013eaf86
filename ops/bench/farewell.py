"""What is open when SIGTERM comes, and the books of what was acknowledged until then.

Three kinds of people: some wait in long polls, some follow a login as server-sent events, and some give one command
after the other. A command that was answered with 2xx must be found again after the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from ops.launch.stack import Stack

POLLS = 50
STREAMS = 50
COMMANDERS = 20
BUSY = 3.0
"""Seconds of commands before the stop."""

TENANT = "farewell"


@dataclass(slots=True)
class Books:
    """Per session, the states that it may be found in: what was acknowledged last, and what is still in flight."""

    may_be: dict[str, set[str]] = field(default_factory=dict)
    acknowledged: int = 0
    refused: int = 0

    def lost(self, found: dict[str, str]) -> list[str]:
        """The sessions that are not as they were said to be."""
        return [
            f"{app}: {found.get(app, 'ABSENT')}"
            for app, may_be in self.may_be.items()
            if found.get(app, "ABSENT") not in may_be
        ]


@dataclass(slots=True)
class Farewell:
    """The service, and what became of those who were there when it stopped."""

    service: httpx.AsyncClient
    books: Books = field(default_factory=Books)
    byes: int = 0
    answered: int = 0

    async def poll(self, ticket: str) -> None:
        headers = {"X-Ticket": ticket}
        now = (await self.service.get("/api/qr/status", headers=headers)).json()
        query = {"since": now["sequence"], "wait": 25}
        with contextlib.suppress(httpx.HTTPError):
            reply = await self.service.get("/api/qr/status", params=query, headers=headers)
            self.answered += reply.status_code == httpx.codes.OK

    async def follow(self, number: int, opened: asyncio.Semaphore) -> None:
        """Start a login and read its events to the end; count the bye."""
        ticket = await self.started(f"stream{number}")
        address = "/api/v1/login/current/events"
        with contextlib.suppress(httpx.HTTPError):
            async with self.service.stream("GET", address, headers={"X-Ticket": ticket}) as events:
                lines = events.aiter_lines()
                await anext(lines)
                opened.release()
                told = [line async for line in lines]
                self.byes += "event: bye" in told

    async def started(self, app: str) -> str:
        """The ticket of a login; a busy service may refuse a start, and is asked again."""
        while True:
            try:
                return str((await self.command(app, "PENDING_QR"))["login"]["ticket"])
            except StopAsyncIteration:
                await asyncio.sleep(1)

    async def give_commands(self, number: int) -> None:
        """Start and cancel logins until the service refuses."""
        with contextlib.suppress(httpx.HTTPError, StopAsyncIteration):
            turn = 0
            while True:
                app = f"commander{number}-{turn}"
                started = await self.command(app, "PENDING_QR")
                await self.command(app, "ABSENT", started["login"]["ticket"])
                turn += 1

    async def command(self, app: str, leads_to: str, ticket: str | None = None) -> dict[str, Any]:
        """Start a login, or cancel the one of a ticket. Raises StopAsyncIteration when that is refused."""
        self.books.may_be.setdefault(app, {"ABSENT"}).add(leads_to)
        if ticket is None:
            body = {"tenant_id": TENANT, "app_id": app}
            reply = await self.service.post("/api/v1/login/start/qr", json=body)
        else:
            reply = await self.service.delete("/api/v1/login/current", headers={"X-Ticket": ticket})
        if not reply.is_success:
            self.books.refused += 1
            raise StopAsyncIteration
        self.books.acknowledged += 1
        self.books.may_be[app] = {leads_to}
        answer: dict[str, Any] = reply.json()
        return answer


@asynccontextmanager
async def everybody_there(service: httpx.AsyncClient, tickets: Sequence[str]) -> AsyncIterator[Farewell]:
    """People of all three kinds, for as long as the service answers them."""
    farewell, opened = Farewell(service), asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as group:
        for ticket in tickets[:POLLS]:
            group.create_task(farewell.poll(ticket))
        for number in range(STREAMS):
            group.create_task(farewell.follow(number, opened))
        for _ in range(STREAMS):
            await opened.acquire()
        for number in range(COMMANDERS):
            group.create_task(farewell.give_commands(number))
        await asyncio.sleep(BUSY)
        yield farewell


async def stop_among(service: httpx.AsyncClient, stack: Stack, tickets: Sequence[str]) -> Books:
    """Stop the supervisor while everybody is there; the books, to be checked after the next start."""
    supervisor = next(child for child in stack.children if child.name == "supervisor")
    async with everybody_there(service, tickets) as farewell:
        began = time.perf_counter()
        await asyncio.to_thread(supervisor.stop)
        seconds = time.perf_counter() - began
    books = farewell.books
    print(f"SIGTERM to exit code {supervisor.exit_code}: {seconds:.1f} s")
    print(f"long polls answered: {farewell.answered} of {min(POLLS, len(tickets))}; ", end="")
    print(f"event streams that got their bye: {farewell.byes} of {STREAMS}")
    print(f"commands acknowledged until then: {books.acknowledged}; refused: {books.refused}", flush=True)
    return books


async def found_again(service: httpx.AsyncClient, books: Books) -> None:
    """Compare the books with what the next process knows, and print what was lost."""
    found: dict[str, str] = {}
    for app in books.may_be:
        reply = await service.get(f"/api/v1/sessions/{TENANT}/{app}")
        if reply.is_success:
            found[app] = reply.json()["state"]
    lost = books.lost(found)
    print(f"sessions in the books: {len(books.may_be)}, not as acknowledged: {len(lost)} {lost[:5]}")

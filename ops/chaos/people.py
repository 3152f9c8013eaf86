"""Who gives commands while everything falls over, and the books of what was acknowledged."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass, field

import httpx

from ops.chaos.fleet import Fleet
from ops.launch.api import read_qr

TENANT = "chaos"
RUNNING, STOPPED = "running", "stopped"
LEADS_TO = {"start": RUNNING, "stop": STOPPED}


def app(number: int) -> str:
    """The app of a person's session."""
    return f"app-{number}"


def phone(number: int) -> str:
    """The phone of a person."""
    return f"999662{3000 + number:04d}"


async def log_in(fleet: Fleet, number: int) -> None:
    """A new account, logged in by QR at some node."""
    await fleet.control("POST", "/accounts", {"first_name": f"Person {number}", "phone": phone(number)})
    node = fleet.nodes[number % len(fleet.nodes)]
    client = fleet.client(node)
    reply = await client.post("/api/qr/start", json={"tenant_id": TENANT, "app_id": app(number)})
    reply.raise_for_status()
    started = reply.json()
    await fleet.control("POST", "/accept", {"url": read_qr(started["qr_base64"]), "phone": phone(number)})
    headers, since, state = {"X-Ticket": started["ticket"]}, 0, ""
    while state != "AUTHORIZED":
        reply = await client.get("/api/qr/status", params={"since": since, "wait": 10}, headers=headers)
        reply.raise_for_status()
        since, state = reply.json()["sequence"], reply.json()["state"]


@dataclass(slots=True)
class Books:
    """Of each session that is commanded: what it may be found to be meant to do."""

    may_be: dict[str, set[str]] = field(default_factory=dict)
    acknowledged: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    seconds: list[float] = field(default_factory=list)

    def surely(self, what: str) -> set[str]:
        """The apps that can only be this."""
        return {name for name, may_be in self.may_be.items() if may_be == {what}}

    def lost(self, found: dict[str, str]) -> list[str]:
        """The sessions that are not as somebody was told."""
        return [
            f"{name} is {found.get(name)}"
            for name, may_be in self.may_be.items()
            if found.get(name) not in may_be
        ]


def _why(reply: httpx.Response) -> str:
    """Why a command was refused; a process that falls over has no time for more than a number."""
    is_problem = reply.headers.get("Content-Type", "").startswith("application/problem+json")
    return str(reply.json().get("code")) if is_problem else f"status {reply.status_code}"


@dataclass(slots=True)
class Commander:
    """Starts and stops sessions of its own, one after the other, through whichever node is up."""

    fleet: Fleet
    books: Books
    apps: list[str]
    chance: random.Random
    pause: float = 0.5

    async def command_for_ever(self) -> None:
        """Go on until cancelled."""
        while True:
            await asyncio.sleep(self.pause * self.chance.uniform(0.5, 1.5))
            if self.fleet.up:
                await self._command(self.chance.choice(self.apps), self.chance.choice(list(LEADS_TO)))

    async def _command(self, name: str, action: str) -> None:
        client = self.fleet.client(self.chance.choice(self.fleet.up))
        self.books.may_be.setdefault(name, {RUNNING}).add(LEADS_TO[action])
        began = asyncio.get_running_loop().time()
        try:
            reply = await client.post(f"/api/v1/sessions/{TENANT}/{name}/{action}")
        except httpx.HTTPError as error:
            self._refused(type(error).__name__)
            return
        if not reply.is_success:
            self._refused(_why(reply))
            return
        self.books.acknowledged += 1
        self.books.seconds.append(asyncio.get_running_loop().time() - began)
        self.books.may_be[name] = {LEADS_TO[action]}

    def _refused(self, why: str) -> None:
        self.books.refused[why] = self.books.refused.get(why, 0) + 1

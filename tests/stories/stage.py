"""The service and its data centre together, and people with sessions on them: what stories about trouble need."""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import trio

from actors.core.messages import Validate
from actors.core.names import SessionKey
from actors.core.states import Authorized, State, Substate
from supervisor.process import Process
from supervisor.settings import Settings
from tests.stories.conftest import SERVICE_KEY, RunningSandbox, Service, qr_url

TENANT = "table"
WHOLE = 120.0
"""Seconds within which a story is over."""

_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Person:
    """An account at Telegram, and the session that is to be its."""

    phone: str
    user_id: int
    key: SessionKey


@dataclass(frozen=True, slots=True)
class Stage:
    """The service, its data centre, and an insight into both."""

    process: Process
    service: Service
    sandbox: RunningSandbox

    async def control(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        return await trio.to_thread.run_sync(self.sandbox.control, method, path, body)

    async def person(self, **account: Any) -> Person:
        number = next(_numbers)
        made = await self.control(
            "POST", "/accounts", {"first_name": f"Row {number}", "phone": f"999662{5000 + number}"} | account
        )
        return Person(made["phone"], made["user_id"], SessionKey(TENANT, f"row{number}"))

    async def linked(self) -> Person:
        """Somebody whose session is online."""
        person = await self.person()
        started = await self.service.start(TENANT, person.key.app_id)
        await self.sandbox.accept(qr_url(started), person.phone)
        await self.service.wait_for(started["ticket"], "AUTHORIZED")
        await self.until_online(person)
        return person

    async def fail(self, error: str, person: Person | None, method: str, count: int | None = None) -> int:
        """Let the method fail; an error may come with its code before it."""
        code, _, name = error.rpartition(" ")
        rule = {"method": method, "error": name, "code": int(code) if code else None, "count": count}
        made = await self.control("POST", "/faults", rule | {"phone": person.phone if person else None})
        return int(made["id"])

    async def clear(self, rule: int) -> None:
        await self.control("DELETE", f"/faults/{rule}")

    async def validate(self, person: Person) -> float | None:
        """Let the session ask Telegram whether it still is one; seconds until it tries anything again by itself."""
        state = await self.process.sessions.ask(person.key, Validate(), WHOLE)
        return None if state.deadline is None else state.deadline - time.time()

    async def session(self, person: Person) -> dict[str, Any]:
        reply = await self.service.http.get(f"/api/v1/sessions/{TENANT}/{person.key.app_id}")
        assert reply.status_code == 200, reply.text
        return dict(reply.json())

    async def fate(self, person: Person) -> dict[str, Any]:
        """How the session is, and how it is in the tree."""
        shown = await self.session(person)
        tree = (await self.service.http.get("/api/v1/tree")).json()
        sessions = next(child["children"] for child in tree["children"] if child["name"] == "sessions")
        in_tree: dict[str, Any] = next(one for one in sessions if one["app"] == person.key.app_id)
        return in_tree | shown

    async def until(self, person: Person, is_so: Callable[[State], bool]) -> None:
        """Wait until the session's state is so."""
        sessions = self.process.sessions
        snapshot = await sessions.look(person.key)
        while not is_so(snapshot.state):
            snapshot = await sessions.wait_change(person.key, snapshot.sequence, WHOLE)

    async def until_online(self, person: Person) -> None:
        await self.until(person, is_online)

    async def connections(self, person: Person) -> int:
        lines = await self.control("GET", "/connections")
        return sum(line["phone"] == person.phone for line in lines)

    async def logins(self, person: Person) -> int:
        """How often the account's keys have come to Telegram on a new connection."""
        return int((await self.control("GET", "/counts"))["connections_of"].get(person.phone, 0))


def is_online(state: State) -> bool:
    return isinstance(state, Authorized) and state.substate is Substate.ONLINE


def has_failed_to_reconnect(state: State) -> bool:
    """The loss of the connection was the first trouble, and a try to win it back was the second."""
    return isinstance(state, Authorized) and state.attempts > 1 and state.retry_at is not None


@asynccontextmanager
async def standing(settings: Settings, sandbox: RunningSandbox) -> AsyncIterator[Stage]:
    process = Process(settings)
    async with process.running() as addresses:
        headers = {"Authorization": f"Bearer {SERVICE_KEY}"}
        url = f"http://127.0.0.1:{addresses.api_port}"
        async with httpx.AsyncClient(base_url=url, headers=headers, timeout=WHOLE) as http:
            try:
                yield Stage(process, Service(http, ""), sandbox)
            finally:
                sandbox.control("DELETE", "/faults")

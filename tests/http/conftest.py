"""The service as its callers see it: the real app, core and actors, in a real bridge loop."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import trio
import trio.testing
from quart import Quart
from quart.testing import QuartClient

from actors.actor import Surroundings
from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.bridge import in_asyncio, open_loop
from actors.clock import Clock
from actors.core.names import SessionKey
from actors.core.secret import Secret
from api.app import create_app
from api.doors import Doors, Readiness
from api.events import ApiEvent
from api.feed import Feed
from api.tokens import short_session
from tests.fakes import (
    FakeAccount,
    FakeAnswers,
    FakeApiKeys,
    FakeApps,
    FakeJournal,
    FakeLimits,
    FakeSession,
    FakeStore,
    FakeTelegram,
    FakeTickets,
    FakeWebhooks,
)
from tests.http.credentials import MINI_APPS, SUPABASE
from tests.http.fakes import LocalDirectory

SERVICE_KEY = Secret("service-key-0123456789abcdef0123456789")
TOKEN_KEY = Secret("token-key-0123456789abcdef0123456789abcdef")
DEMO = SessionKey("demo", "main")
PASSWORD = "correct horse"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.raw)

    @property
    def code(self) -> str:
        """The problem's code; fails if this is no problem."""
        assert self.headers["content-type"] == "application/problem+json", self.raw
        assert self.json["status"] == self.status
        return str(self.json["code"])


@dataclass(slots=True)
class World:
    """The app and everything around it."""

    doors: Doors
    directory: LocalDirectory
    store: FakeStore
    tickets: FakeTickets
    answers: FakeAnswers
    apps: FakeApps
    journal: FakeJournal
    webhooks: FakeWebhooks
    api_keys: FakeApiKeys
    limits: FakeLimits
    telegram: FakeTelegram
    app: Quart
    client: QuartClient
    events: list[ApiEvent]
    credential: Secret = field(init=False)

    def __post_init__(self) -> None:
        self.credential = self.token("demo")

    def token(self, tenant_id: str, ttl: float = 600.0) -> Secret:
        return short_session(TOKEN_KEY, tenant_id, ttl, self.doors.clock.now())

    @property
    def session(self) -> FakeSession:
        """Telegram's side of demo/main."""
        return self.telegram[DEMO]

    def change(self, **changes: Any) -> None:
        """Give the app other doors."""
        self.doors = self.app.extensions["doors"] = replace(self.doors, **changes)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        raw: bytes | None = None,
        headers: dict[str, str] | None = None,
        credential: Secret | None = None,
    ) -> Answer:
        """One request. It carries demo's token, unless another credential or Authorization header is given."""
        data = json.dumps(body).encode() if body is not None else raw
        sent = {"Authorization": f"Bearer {(credential or self.credential).reveal()}"}
        if data is not None:
            sent["Content-Type"] = "application/json"
        sent |= headers or {}

        async def request() -> Answer:
            response = await self.client.open(path, method=method, data=data, headers=sent)
            received = await response.get_data(as_text=False)
            lower = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status_code, lower, bytes(received))

        return await in_asyncio(request)

    async def start(self, **body: Any) -> Answer:
        return await self.call("POST", "/api/qr/start", {"tenant_id": "demo", "app_id": "main"} | body)

    async def ticket(self) -> str:
        return str((await self.start()).json["ticket"])

    async def status(self, ticket: str, query: str = "", **more: Any) -> Answer:
        return await self.call("GET", f"/api/qr/status{query}", headers={"X-Ticket": ticket}, **more)

    async def password(self, ticket: str, password: str) -> Answer:
        return await self.call("POST", "/api/qr/password", {"ticket": ticket, "password": password})

    async def until_password(self) -> str:
        """A ticket whose login waits for the 2FA password."""
        self.session.account = FakeAccount(password=PASSWORD, hint="the usual")
        ticket = await self.ticket()
        self.session.accept()
        await self.settle()
        return ticket

    async def settle(self) -> None:
        """Let everything happen that can happen now."""
        await trio.testing.wait_all_tasks_blocked()


class VirtualTime(trio.abc.Clock):
    """Time that stands still until a test lets it pass. pytest-trio runs a test by the clock it asks for."""

    def __init__(self) -> None:
        self._clock = trio.testing.MockClock()

    def start_clock(self) -> None:
        self._clock.start_clock()

    def current_time(self) -> float:
        return self._clock.current_time()

    def deadline_to_sleep_time(self, deadline: float) -> float:
        return self._clock.deadline_to_sleep_time(deadline)

    async def after(self, seconds: float) -> None:
        """Let so much time pass, and then everything happen that this brings about."""
        await trio.testing.wait_all_tasks_blocked()
        self._clock.jump(seconds)
        await trio.testing.wait_all_tasks_blocked()


@pytest.fixture
def time() -> VirtualTime:
    return VirtualTime()


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with open_world() as world:
        yield world


@asynccontextmanager
async def open_world() -> AsyncIterator[World]:
    """A service of its own."""
    clock = Clock()
    store, tickets, answers, apps = FakeStore(), FakeTickets(), FakeAnswers(), FakeApps()
    journal, webhooks = FakeJournal(store), FakeWebhooks()
    telegram = FakeTelegram(clock, store.vault)
    keys, limits = FakeApiKeys(), FakeLimits()
    events: list[ApiEvent] = []
    async with open_loop(), trio.open_nursery() as nursery:
        surroundings = Surroundings(store, telegram, clock, _ignore)
        directory = LocalDirectory(nursery, surroundings)
        doors = Doors(
            directory=directory,
            tickets=tickets,
            answers=answers,
            apps=apps,
            journal=journal,
            feed=Feed(journal),
            webhooks=webhooks,
            api_keys=keys,
            callback_keys=DerivedCallbackKeys(TOKEN_KEY),
            limits=limits,
            mini_apps=MINI_APPS,
            supabase=SUPABASE,
            clock=clock,
            service_key=SERVICE_KEY,
            token_key=TOKEN_KEY,
            sandbox=True,
            feature_enabled=True,
            ready=lambda: Readiness(ready=True, text="ready"),
            tell=events.append,
        )
        app = create_app(doors)
        yield World(
            doors,
            directory,
            store,
            tickets,
            answers,
            apps,
            journal,
            webhooks,
            keys,
            limits,
            telegram,
            app,
            QuartClient(app),
            events,
        )
        nursery.cancel_scope.cancel()


def _ignore(_: object) -> None:
    """Nobody listens to the actors' events here."""

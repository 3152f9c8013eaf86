"""The process: its children, their order, and what each gives to those after it. Only the children build adapters."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog
import trio

from actors.adapters.telegram import SessionFiles
from actors.bridge import open_loop
from actors.clock import Clock
from actors.epochs import Epochs
from api.doors import Readiness
from supervisor import logs
from supervisor.children.api import serve_api
from supervisor.children.backups import back_up
from supervisor.children.given import Given
from supervisor.children.news import News, spread_news
from supervisor.children.ownership import Ownership, own
from supervisor.children.router import route
from supervisor.children.sessions import Household, imports, run_sessions
from supervisor.children.stores import Stores, open_stores
from supervisor.events import Orphaned
from supervisor.imports import Imports
from supervisor.metrics import Metrics
from supervisor.owner import slots
from supervisor.owner.handing_over import hand_over
from supervisor.routing.router import Router
from supervisor.sessions import Sessions
from supervisor.settings import SandboxTelegram, Settings
from supervisor.telling import Telling
from supervisor.tree import Child, Stage, standing
from supervisor.view import View
from supervisor.web import was_cut_off

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Addresses:
    """Where the running process can be reached."""

    api_port: int
    metrics_port: int


class Process:
    """One supervisor process. Make it inside `trio.run`, then stand in `running`.

    A child is opened with what those before it have given, which is there for as long as they are up.
    """

    stores: Stores
    ownership: Ownership
    news: News
    household: Household
    router: Router
    view: View

    def __init__(self, settings: Settings) -> None:
        """Raises SettingsError if there is no sandbox where the settings say."""
        sandbox = SandboxTelegram.read(settings.telegram_sandbox) if settings.telegram_sandbox else None
        self._metrics = Metrics(sandbox=sandbox is not None)
        self._telling = Telling(self._metrics.observe, logs.note)
        self._given = Given(
            settings=settings, sandbox=sandbox, clock=Clock(), epochs=Epochs(), tell=self._telling
        )
        self._stopping = False
        self._api_port = self._metrics_port = 0
        self.tree = [
            Child("bridge", self._bridge),
            Child("stores", self._stores),
            Child("ownership", self._ownership),
            Child("events", self._events),
            Child("sessions", self._sessions),
            Child("router", self._route),
            *([Child("backups", self._backups)] if settings.enable_session_backup else []),
            Child("metrics", self._serve_metrics),
            Child("api", self._serve_api),
        ]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Addresses]:
        """Be up for the length of the block. Raises SettingsError for what the operator can mend."""
        base = self._given.settings.sessions_base_path
        with slots.claimed_slot(base) as self._slot:
            if slots.is_alone(self._slot, base):
                await self._sweep()
            async with standing(self.tree):
                yield Addresses(self._api_port, self._metrics_port)
                self._stopping = True
                await self.ownership.announce_the_end()
                await hand_over(self.sessions, lambda: self.ownership.watcher.has_others)

    async def _sweep(self) -> None:
        files = SessionFiles(self._given.settings.sessions_base_path)
        swept = await trio.to_thread.run_sync(files.sweep)
        if swept:
            log.info("unfinished session files removed", count=swept)

    @property
    def sessions(self) -> Sessions:
        """The sessions that run here."""
        return self.household.sessions

    def imports(self) -> Imports:
        """Takes over what lies in the folder of sessions and is not in the database."""
        return imports(self._given, self.stores)

    def readiness(self) -> Readiness:
        """Whether this process should be sent work."""
        if self._stopping:
            return Readiness(ready=False, text="stopping")
        starting = [child.name for child in self.tree if child.stage is not Stage.UP]
        if starting:
            return Readiness(ready=False, text=f"starting: {', '.join(starting)}")
        if self.stores.pulse.outage is not None:
            return Readiness(ready=False, text=self.stores.pulse.outage)
        return Readiness(ready=True, text="ready")

    @asynccontextmanager
    async def _bridge(self) -> AsyncIterator[None]:
        async with open_loop(self._given.settings.bridge_engine, self._orphan):
            yield

    def _orphan(self, message: str, error: BaseException | None) -> None:
        if not was_cut_off(error):
            self._telling(Orphaned(message, error))

    @asynccontextmanager
    async def _stores(self) -> AsyncIterator[None]:
        async with open_stores(self._given, self._slot.place) as self.stores:
            yield

    @asynccontextmanager
    async def _ownership(self) -> AsyncIterator[None]:
        async with own(self._given, self.stores, self._slot) as self.ownership:
            yield

    @asynccontextmanager
    async def _events(self) -> AsyncIterator[None]:
        async with spread_news(self._given, self.stores) as self.news:
            self._telling.listen(self.news.note)
            yield

    @asynccontextmanager
    async def _sessions(self) -> AsyncIterator[None]:
        async with run_sessions(self._given, self.stores, self.ownership) as self.household:
            home = self.household
            self._telling.listen(home.incidents.note)
            self.view = View(
                self.tree,
                home.sessions,
                home.gate,
                home.breakers,
                home.policy,
                self._given.clock,
                self.ownership.watcher.seen,
            )
            yield

    @asynccontextmanager
    async def _route(self) -> AsyncIterator[None]:
        async with route(self._given, self.stores, self.ownership, self.household) as self.router:
            yield

    @asynccontextmanager
    async def _backups(self) -> AsyncIterator[None]:
        async with back_up(self._given, self.stores):
            yield

    @asynccontextmanager
    async def _serve_metrics(self) -> AsyncIterator[None]:
        settings = self._given.settings
        async with self._metrics.serve(settings.metrics_host, settings.metrics_port) as self._metrics_port:
            yield

    @asynccontextmanager
    async def _serve_api(self) -> AsyncIterator[None]:
        async with serve_api(
            self._given, self.stores, self.news, self.household, self.router, self.view, self.readiness
        ) as self._api_port:
            yield

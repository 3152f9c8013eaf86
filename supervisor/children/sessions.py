"""The sessions that this node has, how it comes by them, and their way to Telegram."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from math import inf

import trio

from actors.actor import Surroundings
from actors.adapters.telegram import DcAddress, TelegramApp, TelegramApps, TelethonLines
from actors.core.foreign import TELEGRAM
from actors.core.secret import Secret
from supervisor.breaker import Breaker
from supervisor.children.given import Given
from supervisor.children.ownership import Ownership
from supervisor.children.stores import Stores
from supervisor.discovery import discover
from supervisor.events import Sampled, Scope, Tell
from supervisor.farewells import Courier
from supervisor.gate import ConnectGate, new_breaker, new_breakers
from supervisor.guarded_store import STORE_POLICY, GuardedApps, GuardedStore
from supervisor.imports import Imports, Wishes, network_of
from supervisor.owner.balancing import Balancer
from supervisor.owner.errand import Errand
from supervisor.owner.gathering import Gatherer
from supervisor.owner.incident import IncidentBrake
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import Sessions
from supervisor.settings import Settings, SettingsError
from supervisor.standings import Standings

SAMPLE_EVERY = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Household:
    """The sessions of this node, and what they share."""

    sessions: Sessions
    lines: TelethonLines
    apps: TelegramApps
    gate: ConnectGate
    store: GuardedStore
    policy: RestartPolicy
    gatherer: Gatherer
    incidents: IncidentBrake

    @property
    def breakers(self) -> Mapping[Scope, Breaker]:
        """The breakers that stand for one thing each."""
        return {**self.gate.breakers.dcs, Scope.STORE: self.store.breaker}

    async def keep_sampling(self, tell: Tell) -> None:
        """Tell now and then how full it is, for ever."""
        while True:
            self.gate.breakers.sweep()
            tell(Sampled(self.sessions.fullest_mailbox, self.gate.waiting))
            await trio.sleep(SAMPLE_EVERY)


@asynccontextmanager
async def run_sessions(given: Given, stores: Stores, owned: Ownership) -> AsyncIterator[Household]:
    """Have sessions, for the length of the block. Raises SettingsError if there is no app to connect with."""
    home, tell = _household(given, stores, owned), given.tell
    owned.watcher.on_held = home.gate.hold
    owned.watcher.start = home.sessions.start
    owned.claims.on_trusted_again = home.sessions.hurry
    courier = Courier(stores.vault, partial(home.lines.log_out, guard=Errand(owned.life)), given.clock, tell)
    async with home.sessions.open(), trio.open_nursery() as nursery:
        nursery.start_soon(home.incidents.keep_watching)
        nursery.start_soon(home.keep_sampling, tell)
        nursery.start_soon(home.gatherer.keep_gathering)
        nursery.start_soon(Balancer(owned.watcher, home.sessions, lambda: owned.me).keep_balancing)
        nursery.start_soon(courier.keep_delivering)
        if given.settings.discover_sessions:
            nursery.start_soon(discover, imports(given, stores), tell)
        try:
            yield home
        finally:
            home.gate.close()
            nursery.cancel_scope.cancel()


def imports(given: Given, stores: Stores) -> Imports:
    """Takes over what lies in the folder of sessions and is not in the database."""
    network = TELEGRAM if given.sandbox is None else network_of(given.sandbox)
    standings = Standings(stores.vault, stores.census)
    return Imports(given.settings.sessions_base_path, network, stores.store, standings, Wishes())


def _household(given: Given, stores: Stores, owned: Ownership) -> Household:
    settings, clock, tell = given.settings, given.clock, given.tell
    store = GuardedStore(stores.store, new_breaker(Scope.STORE, tell, STORE_POLICY))
    gate = ConnectGate(_pace(settings), new_breakers(tell), clock)
    apps = TelegramApps(_telegram_app(given), GuardedApps(stores.apps, store.breaker))
    lines = TelethonLines(
        apps, settings.sessions_base_path, stores.vault, clock, gate, tell, guards=owned.claims.guard
    )
    policy = RestartPolicy()
    surroundings = Surroundings(store, lines, clock, tell, settings.idle_after or inf)
    sessions = Sessions(surroundings, policy, tell, owner=owned.claims)
    gatherer = Gatherer(
        store, clock, sessions, _pace(settings), is_mine=owned.is_mine, look=owned.watcher.look
    )
    return Household(
        sessions=sessions,
        lines=lines,
        apps=apps,
        gate=gate,
        store=store,
        policy=policy,
        gatherer=gatherer,
        incidents=IncidentBrake(owned.arbiter, gate.hold, tell),
    )


def _pace(settings: Settings) -> Pace:
    return Pace(settings.connects_per_second, burst=settings.connects_per_second)


def _telegram_app(given: Given) -> TelegramApp:
    """The app that sessions connect with unless their tenant has its own. Raises SettingsError."""
    settings, sandbox = given.settings, given.sandbox
    if sandbox is not None:
        home = sandbox.home
        return TelegramApp(
            sandbox.api_id,
            Secret(sandbox.api_hash),
            DcAddress(home.id, home.host, home.port),
            sandbox.rsa_public_key,
        )
    api_id, api_hash = settings.telegram_api_id_master, settings.telegram_api_hash_master
    if api_id is None or api_hash is None:
        raise SettingsError("TELEGRAM_API_ID_MASTER and TELEGRAM_API_HASH_MASTER are missing")
    return TelegramApp(api_id, Secret(api_hash.get_secret_value()))

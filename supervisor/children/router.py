"""The router: requests to and from the other nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from supervisor.children.given import Given
from supervisor.children.ownership import Ownership
from supervisor.children.sessions import Household
from supervisor.children.stores import Stores
from supervisor.routing.office import PostOffice
from supervisor.routing.router import Router


@asynccontextmanager
async def route(given: Given, stores: Stores, owned: Ownership, home: Household) -> AsyncIterator[Router]:
    """Ask other nodes, and answer them, for the length of the block."""
    sessions = home.sessions
    office = PostOffice(
        owned.life.me, stores.post, stores.doorbell, sessions, given.tell, freed=home.gatherer.wake
    )
    async with office.open():
        yield Router(owned.me, sessions, office.remote, owned.owner_of, owned.watcher.place, sessions.saved)

"""A Directory that runs the real actors in a nursery, without a supervisor, for tests of the HTTP side."""

from __future__ import annotations

from collections.abc import Mapping

import trio

from actors.actor import Actor, Surroundings
from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.states import State
from actors.mailbox import Mailbox
from actors.ports import Directory
from actors.published import Published, Snapshot


class LocalDirectory:
    """Starts an actor when a session is first asked for. `failure`, if set, is what every ask and look gets."""

    def __init__(self, nursery: trio.Nursery, surroundings: Surroundings) -> None:
        self.failure: Exception | None = None
        self._nursery = nursery
        self._surroundings = surroundings
        self._sessions: dict[SessionKey, tuple[Mailbox, Published]] = {}

    @property
    def running(self) -> Mapping[SessionKey, object]:
        return self._sessions

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        await self._reach()
        mailbox, _ = self._session(key)
        return await mailbox.ask(command, within)

    async def look(self, key: SessionKey) -> Snapshot:
        await self._reach()
        _, published = self._session(key)
        return published.snapshot

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        await self._reach()
        _, published = self._session(key)
        with trio.move_on_after(within):
            return await published.wait_newer(sequence)
        return published.snapshot

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        await self._reach()
        rows = await self._surroundings.store.page(tenant_id, after, limit)
        return [(key, self._session(key)[1].snapshot) for key, _ in rows]

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.failure is not None:
            raise self.failure

    def _session(self, key: SessionKey) -> tuple[Mailbox, Published]:
        if key not in self._sessions:
            mailbox, published = self._sessions[key] = Mailbox(), Published()
            actor = Actor(key, mailbox, published, self._surroundings)
            self._nursery.start_soon(self._live_on, actor, name=f"session {key}")
        return self._sessions[key]

    @staticmethod
    async def _live_on(actor: Actor) -> None:
        while True:
            await actor.live()


def _is_a_directory(directory: LocalDirectory) -> Directory:
    """For mypy: it keeps to its port."""
    return directory

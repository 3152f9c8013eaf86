"""Which node a request goes to: a Directory over all nodes, which nobody can tell from a local one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import trio

from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.states import State
from actors.errors import NoAnswer, NotOwner, Stopping
from actors.ports import Directory
from actors.published import Snapshot
from supervisor.routing.asking import Asking

OWNER_KNOWN_FOR = 5.0
"""Seconds for which an owner is believed to be one; a wrong belief costs one NotOwner."""

OWNERS_KNOWN = 10_000
PAUSE = 0.1
"""Seconds before the owner is looked for again, the first time; twice as long each time after."""

LONGEST_PAUSE = 1.0

LOOKS = 2
"""Owners that are asked to show a session before what was saved last is good enough."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Known:
    """A node that owns a session, as it was said a moment ago."""

    node_id: str
    until: float


class Router:
    """The Directory that the API asks. `owner_of` and `saved`, which reads what was saved last, may be out of reach.

    `place` proposes a node for a session that nobody owns.

    Sessions that run here are asked without a question to anybody else, and also while the database is down.
    """

    def __init__(
        self,
        node_id: str,
        local: Directory,
        remote: Asking,
        owner_of: Callable[[SessionKey], Awaitable[str | None]],
        place: Callable[[SessionKey], str],
        saved: Callable[[SessionKey], Awaitable[Snapshot]],
    ) -> None:
        self._node_id = node_id
        self._local = local
        self._remote = remote
        self._owner_of = owner_of
        self._place = place
        self._saved = saved
        self._known: dict[SessionKey, Known] = {}

    @property
    def running(self) -> Mapping[SessionKey, object]:
        """See Directory."""
        return self._local.running

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        """See Directory. Whoever does not own the session has not begun, so the next one may be asked."""
        return await self._routed(
            key,
            within,
            lambda left: self._local.ask(key, command, left),
            lambda node_id, left: self._remote.ask(node_id, key, command, left),
        )

    async def look(self, key: SessionKey) -> Snapshot:
        """See Directory. Where no owner shows it, what was saved last is read here."""
        if key in self._local.running:
            return await self._local.look(key)
        for _ in range(LOOKS):
            owner = await self._owner(key)
            if owner is None:
                break
            try:
                return await (
                    self._local.look(key) if owner == self._node_id else self._remote.look(owner, key)
                )
            except NoAnswer:
                break
            except NotOwner:
                self._known.pop(key, None)
        return await self._saved(key)

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        """See Directory."""
        return await self._routed(
            key,
            within,
            lambda left: self._local.wait_change(key, sequence, left),
            lambda node_id, left: self._remote.wait_change(node_id, key, sequence, left),
        )

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        """See Directory. Of other nodes' sessions as they were saved: nobody is asked for a list."""
        return await self._local.page(tenant_id, after, limit)

    async def _routed(
        self,
        key: SessionKey,
        within: float,
        here: Callable[[float], Awaitable[Result]],
        there: Callable[[str, float], Awaitable[Result]],
    ) -> Result:
        """Go to the owner, and on to the next one where it is none or stops, until the time is over."""
        until, pause = trio.current_time() + within, PAUSE
        node_id = self._node_id if key in self._local.running else await self._node_for(key, within)
        while True:
            left = until - trio.current_time()
            try:
                return await (here(left) if node_id == self._node_id else there(node_id, left))
            except (NotOwner, Stopping) as refusal:
                self._known.pop(key, None)
                is_our_stop = isinstance(refusal, Stopping) and node_id == self._node_id
                if is_our_stop or trio.current_time() + pause >= until:
                    raise
            await trio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            node_id = await self._node_for(key, until - trio.current_time())

    async def _node_for(self, key: SessionKey, within: float) -> str:
        """The owner, or who should become it."""
        with trio.move_on_after(max(0.0, within)):
            return await self._owner(key) or self._place(key)
        raise NoAnswer("nobody could say in time who owns the session")

    async def _owner(self, key: SessionKey) -> str | None:
        now = trio.current_time()
        known = self._known.get(key)
        if known is not None and now < known.until:
            return known.node_id
        owner = await self._owner_of(key)
        if owner is not None:
            self._remember(key, Known(owner, now + OWNER_KNOWN_FOR), now)
        return owner

    def _remember(self, key: SessionKey, known: Known, now: float) -> None:
        if len(self._known) >= OWNERS_KNOWN:
            self._known = {of: each for of, each in self._known.items() if now < each.until}
        if len(self._known) < OWNERS_KNOWN:
            self._known[key] = known

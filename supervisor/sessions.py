"""The directory of actors: one supervised child per session, started when somebody first needs it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import trio

from actors.actor import Actor, Surroundings
from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.record import from_record
from actors.core.states import State
from actors.errors import Stopping, StoreUnavailable
from actors.mailbox import Mailbox
from actors.published import Published, Snapshot
from supervisor.brake import Brake
from supervisor.events import Tell
from supervisor.keep_alive import RESTING, Health, Phase, keep_alive, parked
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy

DRAIN = 15.0
"""Seconds that sessions get to finish what they have in hand when the process stops."""

WAKE_EVERY = 60.0
"""Seconds between two looks for sleeping sessions that are due."""

STARTS_PER_SECOND = 50
"""How fast the sessions of the last run are started again, unless something else is said."""


@dataclass(slots=True)
class Session:
    """A running session, as its supervisor holds it."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    published: Published = field(default_factory=Published)
    health: Health = field(default_factory=Health)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    def drain(self) -> None:
        """End after what is in hand; at once if nothing is, because the session waits for its next life."""
        if self.health.phase is Phase.RUNNING:
            self.mailbox.stop()
        else:
            self.scope.cancel()


class Sessions:
    """All sessions of this process. It is the Directory that the API asks."""

    def __init__(
        self, surroundings: Surroundings, policy: RestartPolicy, tell: Tell, *, starts: Pace | None = None
    ) -> None:
        self.brake = Brake(lambda: len(self._running), tell)
        self._surroundings = surroundings
        self._policy = policy
        self._tell = tell
        self._running: dict[SessionKey, Session] = {}
        self._nursery: trio.Nursery | None = None
        self._starts = starts or Pace(STARTS_PER_SECOND, burst=STARTS_PER_SECOND)
        self._resuming = trio.CancelScope()
        self._shown = 0
        """The highest sequence that any session had which is no longer here: who comes back goes on after it."""

    @property
    def running(self) -> Mapping[SessionKey, Session]:
        """Every session that has a child now."""
        return self._running

    @property
    def fullest_mailbox(self) -> int:
        """How many commands wait in the mailbox where most do."""
        return max((len(session.mailbox) for session in self._running.values()), default=0)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Supervise sessions for the length of the block; leaving it drains them, at most DRAIN seconds."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                yield
            finally:
                self._nursery = None
                self._resuming.cancel()
                nursery.cancel_scope.deadline = trio.current_time() + DRAIN
                for session in self._running.values():
                    session.drain()

    async def resume(self) -> int:
        """Begin to start every session that the store says should run; how many that is.

        They are started at a pace, in a random order, so that no session is always the last. One that somebody
        asks for is started at once.
        """
        keys = await self._surroundings.store.running()
        random.shuffle(keys)
        if self._nursery is not None:
            self._nursery.start_soon(self._start_at_a_pace, keys, name="resume")
        return len(keys)

    async def _start_at_a_pace(self, keys: Sequence[SessionKey]) -> None:
        with self._resuming:
            for key in keys:
                await self._starts.turn(background=True)
                self._session(key)

    async def keep_waking(self) -> None:
        """Start, for ever, the sleeping sessions whose time has come: they must show themselves to Telegram."""
        while True:
            await trio.sleep(WAKE_EVERY)
            with suppress(StoreUnavailable):  # an outage: the next round finds them
                for key in await self._surroundings.store.due(self._surroundings.clock.now()):
                    await self._starts.turn(background=True)
                    self._session(key)

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        """Let the session's actor work on a command; see `actors.mailbox.Mailbox.ask` for what it raises."""
        session = self._session(key)
        if session.health.phase in RESTING:
            raise parked(session.health)
        return await session.mailbox.ask(command, within)

    async def look(self, key: SessionKey) -> Snapshot:
        """The last saved state: from the actor's notice board, or else from the store."""
        session = self._running.get(key)
        if session is not None and session.published.snapshot.sequence:
            return session.published.snapshot
        saved = await self._surroundings.store.load(key)
        if saved is None:
            return Published().snapshot
        return Snapshot(from_record(saved.record), saved.version, saved.since)

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        """The first snapshot after `sequence`, or the present one after `within` seconds."""
        session = self._session(key)
        with trio.move_on_after(within):
            return await session.published.wait_newer(sequence)
        return await self.look(key)

    def _session(self, key: SessionKey) -> Session:
        if self._nursery is None:
            raise Stopping("the service is stopping", retry_after=5.0)
        session = self._running.get(key)
        if session is None:
            session = self._running[key] = Session(published=Published(self._shown))
            self._nursery.start_soon(self._supervise, key, session, name=f"session {key}")
        return session

    async def _supervise(self, key: SessionKey, session: Session) -> None:
        actor = Actor(key, session.mailbox, session.published, self._surroundings)
        try:
            with session.scope:
                await self._keep_alive(key, actor, session)
                # A life ends when nothing is due; somebody may have written in its last moment.
                while self._nursery is not None and not session.mailbox.is_empty:
                    await self._keep_alive(key, actor, session)
        finally:
            session.mailbox.refuse_all(Stopping("the session is being stopped", retry_after=5.0))
            del self._running[key]
            self._shown = max(self._shown, session.published.snapshot.sequence)

    async def _keep_alive(self, key: SessionKey, actor: Actor, session: Session) -> None:
        await keep_alive(
            key,
            actor.live,
            session.mailbox,
            session.health,
            policy=self._policy,
            brake=self.brake,
            tell=self._tell,
        )

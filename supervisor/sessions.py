"""The directory of actors: one supervised child per session, started when somebody first needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import trio

from actors.actor import Actor, Surroundings
from actors.core.messages import Command, TimePassed
from actors.core.names import SessionKey
from actors.core.record import from_record
from actors.core.states import Authorized, State, Substate
from actors.errors import NotOwner, Stopping, StoreUnavailable, Unanswered
from actors.mailbox import Mailbox
from actors.ports import Saved
from actors.published import Published, Snapshot, new_sequence
from supervisor.brake import Brake
from supervisor.events import Tell
from supervisor.keep_alive import RESTING, Health, Phase, keep_alive, parked
from supervisor.policy import RestartPolicy

DRAIN = 15.0
"""Seconds that sessions get to finish what they have in hand when the process stops."""


class Held(Protocol):
    """A session that is this node's."""

    @property
    def quarantine_left(self) -> float:
        """Seconds until it may connect: others may have a connection open until then."""
        ...


class Owner(Protocol):
    """Decides which sessions are this node's."""

    def holding(self, key: SessionKey, on_lost: Callable[[], None]) -> AbstractAsyncContextManager[Held]:
        """Own a session for the length of the block; `on_lost` is called if it turns out to be somebody else's.

        Raises NotOwner if another node has it, and StoreUnavailable.
        """
        ...


class _Mine:
    quarantine_left = 0.0


class Alone:
    """The Owner where there are no other nodes."""

    @asynccontextmanager
    async def holding(self, key: SessionKey, on_lost: Callable[[], None]) -> AsyncIterator[Held]:  # noqa: ARG002
        """At once."""
        yield _Mine()


@dataclass(slots=True)
class Session:
    """A running session, as its supervisor holds it."""

    mailbox: Mailbox = field(default_factory=Mailbox)
    published: Published = field(default_factory=Published)
    health: Health = field(default_factory=Health)
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    is_living: bool = False
    """Whether it is had, and out of quarantine."""
    is_lost: bool = False
    is_draining: bool = False

    def lose(self) -> None:
        """It is another node's: end at once."""
        self.is_lost = True
        self.scope.cancel()

    def drain(self) -> None:
        """End after what is in hand; at once if nothing is, because the session waits for its owner or a life."""
        self.is_draining = True
        if self.is_living and self.health.phase is Phase.RUNNING:
            self.mailbox.stop()
        else:
            self.scope.cancel()


class Sessions:
    """All sessions of this process. It is the Directory that the API asks."""

    def __init__(
        self, surroundings: Surroundings, policy: RestartPolicy, tell: Tell, *, owner: Owner | None = None
    ) -> None:
        self.brake = Brake(lambda: len(self._running), tell)
        self._surroundings = surroundings
        self._policy = policy
        self._tell = tell
        self._running: dict[SessionKey, Session] = {}
        self._nursery: trio.Nursery | None = None
        self._owner = Alone() if owner is None else owner  # one that owns nothing yet is empty, and false
        self._shown = new_sequence()
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
                nursery.cancel_scope.deadline = trio.current_time() + DRAIN
                for session in self._running.values():
                    session.drain()

    def start(self, key: SessionKey) -> None:
        """Run this session here, if it does not yet and the process is not stopping."""
        if self._nursery is not None:
            self._session(key)

    def hurry(self) -> None:
        """Let every session that waits for its next try to connect make it now: what stood in the way has passed."""
        now = self._surroundings.clock.now()
        for session in self._running.values():
            state = session.published.snapshot.state
            if isinstance(state, Authorized) and state.substate is Substate.RECONNECTING:
                session.mailbox.tell(TimePassed(now))

    def hand_over(self, key: SessionKey) -> None:
        """Let it finish what it has in hand, and give it away; what it has not begun is for whoever finds it."""
        session = self._running.get(key)
        if session is not None:
            session.is_lost = True
            session.drain()

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        """Let the session's actor work on a command; see `actors.mailbox.Mailbox.ask` for what it raises."""
        session = self._session(key)
        if session.health.phase in RESTING:
            raise parked(session.health)
        return await session.mailbox.ask(command, within)

    async def look(self, key: SessionKey) -> Snapshot:
        """The last saved state: from the actor's notice board, or else from the store."""
        return self._shown_here(key) or await self.saved(key)

    async def saved(self, key: SessionKey) -> Snapshot:
        """The last saved state as the store has it, whoever saved it."""
        saved = await self._surroundings.store.load(key)
        return Published().snapshot if saved is None else _snapshot(saved)

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        """See Directory."""
        session = self._session(key)
        with trio.move_on_after(within):
            shown = await session.published.wait_newer(sequence)
            if shown.sequence:
                return shown
        return await self.look(key)

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        """The next sessions after one of them, or the first ones: those of this node as they were shown last."""
        rows = await self._surroundings.store.page(tenant_id, after, limit)
        return [(key, self._shown_here(key) or _snapshot(saved)) for key, saved in rows]

    def _shown_here(self, key: SessionKey) -> Snapshot | None:
        session = self._running.get(key)
        return session.published.snapshot if session and session.published.snapshot.sequence else None

    def _session(self, key: SessionKey) -> Session:
        if self._nursery is None:
            raise Stopping("the service is stopping", retry_after=5.0)
        session = self._running.get(key)
        if session is None:
            session = self._running[key] = Session(published=Published(self._shown))
            self._nursery.start_soon(self._supervise, key, session, name=f"session {key}")
        return session

    async def _supervise(self, key: SessionKey, session: Session) -> None:
        why: Unanswered = Stopping("the session is being stopped", retry_after=5.0)
        try:
            while await self._own(key, session) and not session.mailbox.is_empty:
                pass  # somebody has written while it was given away
        except (NotOwner, StoreUnavailable) as refusal:
            why = refusal
        finally:
            if session.is_lost:
                why = NotOwner(f"{key} belongs to another supervisor", retry_after=1.0)
            session.mailbox.refuse_all(why)
            session.published.end(None if isinstance(why, Stopping) else why)
            del self._running[key]
            self._shown = max(self._shown, session.published.snapshot.sequence)

    async def _own(self, key: SessionKey, session: Session) -> bool:
        """Own the session for as long as it has something to do; whether it may begin again."""
        with session.scope:
            async with self._owner.holding(key, session.lose) as held:
                await self._quarantine(session, held)
                session.is_living = True
                await self._live(key, session)
        if self._nursery is None or session.is_draining or session.scope.cancel_called:
            return False
        session.scope, session.is_living = trio.CancelScope(), False
        return True

    async def _quarantine(self, session: Session, held: Held) -> None:
        """Wait until nobody else can have a connection of this session's open."""
        while (left := held.quarantine_left) > 0:
            session.health.enter(Phase.QUARANTINED, trio.current_time() + left)
            session.mailbox.refuse_all(parked(session.health))
            await trio.sleep(left)

    async def _live(self, key: SessionKey, session: Session) -> None:
        actor = Actor(key, session.mailbox, session.published, self._surroundings)
        await self._keep_alive(key, actor, session)
        # A life ends when nothing is due; somebody may have written in its last moment.
        while self._nursery is not None and not session.is_draining and not session.mailbox.is_empty:
            await self._keep_alive(key, actor, session)

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


def _snapshot(saved: Saved) -> Snapshot:
    return Snapshot(from_record(saved.record), saved.version, saved.since)

"""A service around fakes: its surroundings, what it tells, and a session whose lives a test begins and ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar

import trio
from trio.testing import wait_all_tasks_blocked

from actors.actor import Actor, Surroundings
from actors.clock import Clock
from actors.core import messages as m
from actors.core.credential import Credential, Keeping
from actors.core.names import SessionKey
from actors.core.states import State
from actors.mailbox import Mailbox
from actors.ports import Saved, Transition
from actors.published import Published
from supervisor.events import Event
from supervisor.owner.gathering import Gatherer
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import Sessions
from tests.fakes import FakeAccount, FakeSession, FakeStore, FakeTelegram

KEY = SessionKey("tenant", "app")
TICKET_LIFE = 600.0
PATIENCE = 60.0

S = TypeVar("S", bound=State)


class SlowStore(FakeStore):
    """A store whose writes can be held back: `hold()`, and `release()` to let them through."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.attempts = 0
        self._open = trio.Event()
        self._open.set()

    def hold(self) -> None:
        self._open = trio.Event()

    def release(self) -> None:
        self._open.set()

    async def load(self, key: SessionKey) -> Saved | None:
        self.loads += 1
        return await super().load(key)

    async def save(
        self, key: SessionKey, saved: Saved, transition: Transition | None, keeping: Keeping | None = None
    ) -> None:
        self.attempts += 1
        await self._open.wait()
        await super().save(key, saved, transition, keeping)


class Service:
    """What the actors of a process share, made of fakes. Make it inside `trio.run`."""

    def __init__(self, account: FakeAccount | None = None) -> None:
        self.clock = Clock()
        self.store = SlowStore()
        self.telegram = FakeTelegram(self.clock, self.store.vault, account)
        self.told: list[Event] = []
        self.surroundings = Surroundings(self.store, self.telegram, self.clock, self.told.append)

    def start_qr(self, login_id: str = "login-1") -> m.StartQr:
        return m.StartQr(login_id, self.clock.now() + TICKET_LIFE)

    def sessions(self) -> Sessions:
        """A directory of actors, whose restarts come exactly when they are due."""
        return Sessions(self.surroundings, RestartPolicy(jitter=0.0), self.told.append)

    def gatherer(self, sessions: Sessions) -> Gatherer:
        """Starts what should run."""
        return Gatherer(self.store, self.clock, sessions, Pace(50, burst=50))

    def transitions(self) -> list[tuple[str, str]]:
        """Every line of the journal as its message and where it led."""
        return [(transition.message, transition.after) for _, _, transition in self.store.journal]


@dataclass(slots=True)
class Life:
    """One life of an actor: `error` is what ended it, if anything did."""

    scope: trio.CancelScope = field(default_factory=trio.CancelScope)
    ended: trio.Event = field(default_factory=trio.Event)
    error: BaseException | None = None

    async def end(self) -> None:
        """Cut the life off, as a process that is told to go does."""
        self.scope.cancel()
        await self.ended.wait()


class OneSession:
    """A session of a service, without a supervisor."""

    def __init__(self, service: Service, nursery: trio.Nursery, key: SessionKey = KEY) -> None:
        self.service = service
        self.mailbox = Mailbox()
        self.published = Published()
        self.life = Life()
        self._actor = Actor(key, self.mailbox, self.published, service.surroundings)
        self._nursery = nursery
        self._key = key

    @property
    def state(self) -> State:
        return self.published.snapshot.state

    @property
    def far_side(self) -> FakeSession:
        """Everything of this session that lies outside the process."""
        return self.service.telegram[self._key]

    def must_be(self, kind: type[S]) -> S:
        """The state, which has to be of this kind."""
        assert isinstance(self.state, kind), f"the session is {self.state.name}, not {kind.__name__}"
        return self.state

    async def live(self) -> Life:
        """Begin a life, and wait until it has nothing to do."""
        self.life = Life()
        self._nursery.start_soon(self._live, self.life)
        await wait_all_tasks_blocked()
        return self.life

    async def _live(self, life: Life) -> None:
        try:
            with life.scope:
                await self._actor.live()
        except Exception as error:  # noqa: BLE001 - a test looks at it
            life.error = error
        finally:
            life.ended.set()

    async def ask(self, command: m.Command, within: float = PATIENCE) -> State:
        return await self.mailbox.ask(command, within)

    async def accept(self, account: FakeAccount | None = None) -> None:
        """Let a phone accept the QR, and wait until nothing more follows."""
        self.far_side.accept(account)
        await wait_all_tasks_blocked()

    async def log_in(self) -> Credential:
        """Link the account; its credential."""
        await self.ask(self.service.start_qr())
        await self.accept()
        credential = await self.service.store.vault.current(self._key)
        assert credential is not None
        return credential

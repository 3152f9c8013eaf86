"""Ten thousand sessions come up at a pace, and two hundred go down in time, with nothing lost."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise

import trio
from trio.testing import wait_all_tasks_blocked

from actors.actor import Surroundings
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.record import from_record, to_record
from actors.core.states import Authorized, PastLogin, PendingQr, State, Substate
from actors.errors import Stopping
from actors.ports import Saved, Telegram
from actors.published import Snapshot
from supervisor.gate import ATTEMPT, ConnectGate, new_breakers
from supervisor.owner.gathering import Gatherer
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import DRAIN, Sessions
from tests.fakes import SERVICE, FakeTelegram, Stall
from tests.supervisor.service import Service

RATE = 50
ACCOUNT = 4242


def key(number: int) -> SessionKey:
    return SessionKey("tenant", f"app-{number}")


class GatedLine:
    """A line whose connects pass a gate, as the real one's do; all else is as it was."""

    def __init__(self, line: Telegram, session: SessionKey, crowd: Crowd) -> None:
        self._line = line
        self._session = session
        self._crowd = crowd

    async def connect(self) -> m.Signal:
        async def attempt() -> m.Signal:
            self._crowd.connects.append(trio.current_time() - self._crowd.began)
            return await self._line.connect()

        return await self._crowd.gate.through(
            self._session, attempt, dc=lambda: 2, way=SERVICE, background=True
        )

    def __getattr__(self, name: str) -> object:
        return getattr(self._line, name)


class Crowd:
    """A service with so many sessions that were logged in when it stopped, behind a gate."""

    def __init__(self, size: int) -> None:
        self.service = Service()
        self.connects: list[float] = []
        self.began = trio.current_time()
        self.gate = ConnectGate(
            Pace(RATE, burst=RATE), new_breakers(self.service.told.append), self.service.clock
        )
        for number in range(size):
            state = Authorized(ACCOUNT, Substate.ONLINE, last_login=PastLogin("login-0"))
            self.service.store.rows[key(number)] = Saved(to_record(state), 1, 0.0)
            self.service.telegram[key(number)].provision()
        gated = Surroundings(self.service.store, self._open, self.service.clock, self.service.told.append)
        self.sessions = Sessions(gated, RestartPolicy(), self.service.told.append)
        self.gatherer = Gatherer(
            self.service.store, self.service.clock, self.sessions, Pace(RATE, burst=RATE)
        )

    @asynccontextmanager
    async def coming_up(self) -> AsyncIterator[None]:
        """The sessions open, and those that should run being started."""
        async with self.sessions.open(), trio.open_nursery() as nursery:
            nursery.start_soon(self.gatherer.keep_gathering)
            yield
            nursery.cancel_scope.cancel()

    @asynccontextmanager
    async def _open(self, key: SessionKey, tell: Callable[[m.Signal], None]) -> AsyncIterator[Telegram]:
        telegram: FakeTelegram = self.service.telegram
        async with telegram(key, tell) as line:
            yield GatedLine(line, key, self)  # type: ignore[misc]  # what it does not name it passes on

    def online(self) -> int:
        """How many sessions are online."""
        return sum(
            isinstance(state := session.published.snapshot.state, Authorized)
            and state.substate is Substate.ONLINE
            for session in self.sessions.running.values()
        )


async def test_ten_thousand_sessions_come_up_at_the_pace_though_fifty_of_them_stall() -> None:
    size, stalled = 10_000, 50
    crowd = Crowd(size)
    for number in range(0, size, size // stalled):
        crowd.service.telegram[key(number)].answer(Stall(), to="connect")
    async with crowd.coming_up():
        due = (size - RATE) / RATE
        await trio.sleep(due + ATTEMPT)

        first_connects = crowd.connects[:size]
        assert abs(first_connects[-1] - due) < 0.05 * due
        for second in range(0, int(due) - 10, 10):
            within = sum(second < at <= second + 10 for at in first_connects)
            assert abs(within - 10 * RATE) <= 0.05 * 10 * RATE
        assert crowd.online() >= size - stalled
        await trio.sleep(60)
        assert crowd.online() == size


async def test_a_person_waits_for_no_crowd() -> None:
    crowd = Crowd(1000)
    async with crowd.coming_up():
        await trio.sleep(1)
        began = trio.current_time()
        newcomer = SessionKey("tenant", "newcomer")
        state = await crowd.sessions.ask(newcomer, crowd.service.start_qr(), 10.0)

        assert isinstance(state, PendingQr)
        last = next(number for number in range(1000) if key(number) not in crowd.sessions.running)
        state = await crowd.sessions.ask(key(last), m.Validate(), 10.0)
        assert isinstance(state, Authorized)
        assert trio.current_time() - began < 1


async def test_a_service_that_is_stopped_while_it_comes_up_starts_nobody_any_more() -> None:
    crowd = Crowd(1000)
    async with crowd.coming_up():
        await trio.sleep(2)
        stopped = trio.current_time()
        crowd.gate.close()

    assert trio.current_time() - stopped < 1
    assert len(crowd.connects) < 4 * RATE


class Person:
    """Somebody who starts a login, and holds a long poll open on it."""

    def __init__(self, session: SessionKey) -> None:
        self.session = session
        self.acknowledged: State | None = None
        self.refused = False
        self.polled: Snapshot | None = None

    async def start(self, crowd: Crowd) -> None:
        try:
            self.acknowledged = await crowd.sessions.ask(
                self.session, crowd.service.start_qr(f"login-{self.session.app_id}"), 60.0
            )
        except Stopping:
            self.refused = True

    async def poll(self, crowd: Crowd) -> None:
        snapshot = await crowd.sessions.look(self.session)
        self.polled = await crowd.sessions.wait_change(self.session, snapshot.sequence, 25.0)


async def test_two_hundred_sessions_drain_in_time_and_lose_nothing_that_was_acknowledged() -> None:
    crowd = Crowd(0)
    people = [Person(key(number)) for number in range(200)]
    for slow in people[150:]:  # Telegram answers none of these; what they ask is in hand when the stop comes
        crowd.service.telegram[slow.session].answer(Stall(), to="export_token")
    async with trio.open_nursery() as outside:
        async with crowd.sessions.open():
            for person in people:
                outside.start_soon(person.start, crowd)
            await wait_all_tasks_blocked()
            for person in people[:150]:
                outside.start_soon(person.poll, crowd)
            await wait_all_tasks_blocked()
            stopped = trio.current_time()
        assert trio.current_time() - stopped <= DRAIN
        assert crowd.sessions.running == {}

    assert [person.acknowledged is not None for person in people] == [True] * 150 + [False] * 50
    assert all(person.refused for person in people[150:])
    assert all(person.polled is not None for person in people[:150])
    for person in people[:150]:
        saved = crowd.service.store.rows[person.session]
        assert isinstance(person.acknowledged, PendingQr)
        kept = from_record(saved.record)
        assert isinstance(kept, PendingQr)
        assert kept.login == person.acknowledged.login
    assert all(crowd.service.telegram[person.session].connections == 0 for person in people)
    versions = [(session, version) for session, version, _ in crowd.service.store.journal]
    assert all(
        later == earlier + 1 for (one, earlier), (other, later) in pairwise(sorted(versions)) if one == other
    )

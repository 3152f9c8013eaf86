"""How sessions ask their owner: before anything else, whatever that one has already, and with an answer to askers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.actor import LINGER
from actors.core.names import SessionKey
from actors.errors import NotOwner, Parked, StoreUnavailable, Unanswered
from supervisor.policy import RestartPolicy
from supervisor.sessions import Held, Sessions
from tests.supervisor.service import KEY, Service


class Quarantined:
    """What an owner holds, and for how long it must not be used."""

    def __init__(self, until: float) -> None:
        self._until = until

    @property
    def quarantine_left(self) -> float:
        return self._until - trio.current_time()


class Owner:
    """An owner whose answers a test gives; it is empty at first, like claims."""

    def __init__(self) -> None:
        self.answers = trio.Event()
        self.answers.set()
        self.parted = trio.Event()
        self.parted.set()
        self.refusal: Unanswered | None = None
        self.quarantine = 0.0
        self.held: dict[SessionKey, Callable[[], None]] = {}
        self.had = 0

    def __len__(self) -> int:
        return len(self.held)

    @asynccontextmanager
    async def holding(self, key: SessionKey, on_lost: Callable[[], None]) -> AsyncIterator[Held]:
        await self.answers.wait()
        if self.refusal is not None:
            raise self.refusal
        self.held[key] = on_lost
        self.had += 1
        try:
            yield Quarantined(trio.current_time() + self.quarantine)
        finally:
            with trio.CancelScope(shield=True):
                await self.parted.wait()
            del self.held[key]


@pytest.fixture
def owner() -> Owner:
    return Owner()


@asynccontextmanager
async def opened(owner: Owner) -> AsyncIterator[tuple[Service, Sessions]]:
    service = Service()
    sessions = Sessions(service.surroundings, RestartPolicy(jitter=0.0), service.told.append, owner=owner)
    async with sessions.open():
        yield service, sessions


async def test_an_owner_that_has_nothing_yet_is_asked(owner: Owner) -> None:
    async with opened(owner) as (service, sessions):
        await sessions.ask(KEY, service.start_qr(), within=5)
        assert list(owner.held) == [KEY]


@pytest.mark.parametrize(
    "refusal", [NotOwner("it belongs to another", retry_after=1.0), StoreUnavailable("it is down")]
)
async def test_who_asks_a_session_that_is_not_had_is_told_why(owner: Owner, refusal: Unanswered) -> None:
    owner.refusal = refusal
    async with opened(owner) as (service, sessions):
        with pytest.raises(type(refusal), match=str(refusal)):
            await sessions.ask(KEY, service.start_qr(), within=5)
        assert sessions.running == {}


async def test_who_waits_for_a_session_that_is_lost_is_told_so(owner: Owner) -> None:
    told: list[str] = []
    async with opened(owner) as (service, sessions):
        service.store.hold()

        async def ask() -> None:
            with pytest.raises(Unanswered) as caught:
                await sessions.ask(KEY, service.start_qr(), within=60)
            told.append(type(caught.value).__name__)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            owner.held[KEY]()
        assert (owner.held, sorted(told)) == ({}, ["NotOwner", "Stopping"])


async def test_in_quarantine_askers_are_told_how_long_and_then_the_session_lives(owner: Owner) -> None:
    owner.quarantine = 32.0
    async with opened(owner) as (service, sessions):
        for _ in range(2):
            with pytest.raises(Parked) as caught:
                await sessions.ask(KEY, service.start_qr(), within=5)
            assert caught.value.retry_after == pytest.approx(32.0)
        await trio.sleep(32.1)
        await sessions.ask(KEY, service.start_qr(), within=5)


@pytest.mark.parametrize("when", ["while the owner is asked", "in quarantine"])
async def test_a_session_that_is_to_stop_does_not_sit_its_quarantine_out(owner: Owner, when: str) -> None:
    owner.quarantine = 47.0
    if when == "while the owner is asked":
        owner.answers = trio.Event()
    async with opened(owner) as (_, sessions):
        sessions.start(KEY)
        await wait_all_tasks_blocked()
        sessions.hand_over(KEY)
        owner.answers.set()
        await wait_all_tasks_blocked()

        assert (dict(sessions.running), owner.held) == ({}, {})


async def test_who_asks_while_the_session_is_given_away_gets_a_session_again(owner: Owner) -> None:
    """A session that has nothing to do gives itself away; whoever writes in that moment is not turned away."""
    async with opened(owner) as (service, sessions):
        owner.parted = trio.Event()
        sessions.start(KEY)
        await wait_all_tasks_blocked()
        assert list(owner.held) == [KEY]
        await trio.sleep(LINGER + 1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(sessions.ask, KEY, service.start_qr(), 5)
            await wait_all_tasks_blocked()
            owner.parted.set()
        assert owner.had == 2


async def test_who_asks_while_it_is_handed_over_is_sent_on(owner: Owner) -> None:
    async with opened(owner) as (service, sessions):
        await sessions.ask(KEY, service.start_qr(), within=5)
        owner.parted = trio.Event()
        sessions.hand_over(KEY)
        await wait_all_tasks_blocked()
        async with trio.open_nursery() as nursery:

            async def ask() -> None:
                with pytest.raises(NotOwner):
                    await sessions.ask(KEY, service.start_qr(), within=5)

            nursery.start_soon(ask)
            await wait_all_tasks_blocked()
            owner.parted.set()
        assert owner.had == 1

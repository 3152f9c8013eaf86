"""Keeping one child alive: delays between lives, a rest when it fails too often, and what is never caught."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.core import messages as m
from actors.errors import Parked
from actors.mailbox import Mailbox
from supervisor.brake import Brake
from supervisor.events import Event, LifeCrashed, SessionParked, SessionUnparked, Tell
from supervisor.keep_alive import Health, Phase, keep_alive, parked
from supervisor.policy import RestartPolicy
from tests.supervisor.service import KEY

POLICY = RestartPolicy(jitter=0.0)

Life = Callable[[], Awaitable[None]]


class Boom(Exception):
    pass


def calm(tell: Tell) -> Brake:
    """The brake of a node where one session alone can never set it."""
    return Brake(lambda: 1, tell)


@dataclass(slots=True)
class Child:
    """A child whose every life is `live`; `starts` are the moments when one began, from the first."""

    live: Life
    mailbox: Mailbox = field(default_factory=Mailbox)
    health: Health = field(default_factory=Health)
    told: list[Event] = field(default_factory=list)
    starts: list[float] = field(default_factory=list)
    began: float = field(default_factory=trio.current_time)

    async def run(self) -> None:
        await keep_alive(
            KEY,
            self._live,
            self.mailbox,
            self.health,
            policy=POLICY,
            brake=calm(self.told.append),
            tell=self.told.append,
        )

    async def _live(self) -> None:
        self.starts.append(trio.current_time() - self.began)
        await self.live()


async def crash() -> None:
    raise Boom


async def last() -> None:
    await trio.sleep_forever()


async def end() -> None:
    await trio.lowlevel.checkpoint()


def first_crash(times: int, then: Life = last) -> Life:
    """A child that crashes this often, and then does something else."""
    left = times

    async def live() -> None:
        nonlocal left
        left -= 1
        await (crash() if left >= 0 else then())

    return live


async def test_a_life_that_ends_by_itself_is_the_last() -> None:
    child = Child(end)
    await child.run()

    assert child.starts == [0]
    assert child.health.phase is Phase.ENDED
    assert child.told == []


async def test_a_crashed_child_starts_again_after_a_delay_that_doubles(nursery: trio.Nursery) -> None:
    child = Child(first_crash(5))
    nursery.start_soon(child.run)
    await trio.sleep(3600)

    assert [later - earlier for earlier, later in pairwise(child.starts)] == [2, 4, 8, 16, 32]
    assert child.health.phase is Phase.RUNNING
    assert len(child.health.crashes) == 5


async def test_the_health_says_what_happens_now(nursery: trio.Nursery) -> None:
    child = Child(first_crash(1))
    nursery.start_soon(child.run)
    await wait_all_tasks_blocked()

    health = child.health
    assert (health.phase, health.next_start, health.last_error) == (
        Phase.BACKING_OFF,
        child.began + 2,
        "Boom",
    )

    await trio.sleep(3)
    assert (health.phase, health.next_start) == (Phase.RUNNING, None)
    assert health.phase_since == child.began + 2


async def test_the_jitter_spreads_the_starts() -> None:
    delays = set()
    for _ in range(20):
        told: list[Event] = []
        live = first_crash(1, end)
        await keep_alive(
            KEY, live, Mailbox(), Health(), policy=RestartPolicy(), brake=calm(told.append), tell=told.append
        )
        assert isinstance(told[0], LifeCrashed)
        delays.add(told[0].delay)

    assert len(delays) > 10
    assert all(1.6 <= delay <= 2.4 for delay in delays)


async def test_a_child_over_its_budget_is_parked_and_then_tried_once(nursery: trio.Nursery) -> None:
    child = Child(crash)
    nursery.start_soon(child.run)

    await trio.sleep(63)
    assert len(child.starts) == 6
    assert child.health.phase is Phase.PARKED
    assert child.health.next_start == child.began + 62 + 300

    await trio.sleep(300)
    assert len(child.starts) == 7
    assert child.health.phase is Phase.PARKED
    assert [type(event) for event in child.told[-3:]] == [SessionParked, SessionUnparked, SessionParked]
    assert [event.seconds for event in child.told if isinstance(event, SessionParked)] == [300, 300]


async def test_a_trial_that_succeeds_ends_the_rest(nursery: trio.Nursery) -> None:
    child = Child(first_crash(6))
    nursery.start_soon(child.run)
    await trio.sleep(3600)

    assert child.health.phase is Phase.RUNNING
    assert child.told[-1] == SessionUnparked(KEY)


async def test_what_is_told_adds_up(nursery: trio.Nursery) -> None:
    child = Child(first_crash(7))
    nursery.start_soon(child.run)
    await trio.sleep(3600)

    kinds = [type(event) for event in child.told]
    assert kinds.count(LifeCrashed) + kinds.count(SessionParked) == 7
    assert kinds.count(SessionParked) == kinds.count(SessionUnparked) == 2


async def test_those_who_wait_when_a_child_is_parked_are_refused_at_once(nursery: trio.Nursery) -> None:
    child = Child(crash)
    nursery.start_soon(child.run)
    await trio.sleep(40)  # the last delay before the rest has begun

    with pytest.raises(Parked) as refused:
        await child.mailbox.ask(m.Validate(), within=3600)

    assert trio.current_time() == child.began + 62
    assert refused.value.retry_after == 300


async def test_a_parked_child_says_how_long_it_still_rests(nursery: trio.Nursery) -> None:
    child = Child(crash)
    nursery.start_soon(child.run)
    await trio.sleep(62 + 100)

    assert parked(child.health).retry_after == 200


async def test_a_group_of_errors_is_one_crash(nursery: trio.Nursery) -> None:
    async def crash_in_parallel() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(crash)
            inner.start_soon(crash)

    child = Child(crash_in_parallel)
    nursery.start_soon(child.run)
    await trio.sleep(1)

    assert len(child.health.crashes) == 1
    assert child.health.last_error == "Boom"
    assert [type(event) for event in child.told] == [LifeCrashed]


async def test_a_cancellation_passes() -> None:
    child = Child(last)
    with trio.move_on_after(10) as scope:
        await child.run()

    assert scope.cancelled_caught
    assert child.starts == [0]
    assert child.told == []


async def test_a_cancellation_passes_also_with_an_error_beside_it() -> None:
    async def crash_when_cancelled() -> None:
        async with trio.open_nursery() as inner:
            inner.start_soon(last)
            try:
                await trio.sleep_forever()
            finally:
                raise Boom

    child = Child(crash_when_cancelled)
    with trio.move_on_after(10) as scope:
        await child.run()

    assert scope.cancelled_caught
    assert trio.current_time() == child.began + 10


@pytest.mark.parametrize("phase", [Phase.BACKING_OFF, Phase.PARKED])
async def test_a_cancellation_passes_between_lives_too(phase: Phase) -> None:
    child = Child(crash)
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as inner:
            inner.start_soon(child.run)
            while child.health.phase is not phase:
                await trio.sleep(0.5)
            scope.cancel()

    assert scope.cancelled_caught


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
async def test_what_ends_a_process_is_not_held_up(error: type[BaseException]) -> None:
    async def stop_everything() -> None:
        raise error

    with pytest.raises(BaseExceptionGroup) as raised:
        async with trio.open_nursery() as inner:
            inner.start_soon(Child(stop_everything).run)
    assert raised.group_contains(error)


async def test_siblings_are_not_touched(nursery: trio.Nursery) -> None:
    healthy, sick = Child(last), Child(crash)
    nursery.start_soon(healthy.run)
    nursery.start_soon(sick.run)
    await trio.sleep(1000)

    assert healthy.starts == [0]
    assert healthy.health.phase is Phase.RUNNING
    assert sick.health.phase is Phase.PARKED

"""Breakers of what comes and goes: each tenant's trouble is its own, and is kept while it matters."""

from __future__ import annotations

import pytest
import trio

from actors.ports import Shared
from supervisor.breaker import BreakerPolicy, Circuit, CircuitOpen
from supervisor.circuits import Circuits
from supervisor.events import CircuitChanged, Event, Scope

POLICY = BreakerPolicy(limit=2)


def app(number: int) -> Shared:
    return Shared(f"tenant-{number}", number)


class Apps:
    """Circuits of apps, at most three, and what they tell."""

    def __init__(self) -> None:
        self.told: list[Event] = []
        self.circuits = Circuits(Scope.API_ID, self.told.append, POLICY, most=3)

    def refuse(self, number: int) -> None:
        with self.circuits.attempt(app(number), "session") as attempt:
            attempt.refused()

    def fail(self, number: int, session: str = "session") -> None:
        with self.circuits.attempt(app(number), session) as attempt:
            attempt.failed()

    def succeed(self, number: int) -> None:
        with self.circuits.attempt(app(number), "session") as attempt:
            attempt.succeeded()

    def lets_through(self, number: int) -> bool:
        try:
            self.circuits.check(app(number))
        except CircuitOpen:
            return False
        return True


async def test_one_that_is_open_stops_its_own_and_nobody_else() -> None:
    apps = Apps()
    apps.refuse(1)

    assert (apps.lets_through(1), apps.lets_through(2)) == (False, True)
    with pytest.raises(CircuitOpen), apps.circuits.attempt(app(1), "other session"):
        pytest.fail("it was let through")
    apps.succeed(2)
    assert [of for of, _ in apps.circuits.in_trouble()] == ["tenant-1"]


async def test_what_has_nothing_to_say_is_not_kept() -> None:
    apps = Apps()
    for number in range(100):
        apps.succeed(number)
    assert len(apps.circuits) == 0
    assert apps.told == []


async def test_failures_are_remembered_for_as_long_as_they_count() -> None:
    apps = Apps()
    apps.fail(1, "one")
    await trio.sleep(POLICY.window - 1)
    apps.circuits.sweep()
    apps.fail(1, "two")
    assert not apps.lets_through(1)

    apps.fail(2, "one")
    await trio.sleep(POLICY.window)
    apps.circuits.sweep()
    assert [of for of, _ in apps.circuits.in_trouble()] == ["tenant-1"]
    assert len(apps.circuits) == 1


async def test_one_that_is_closed_by_its_probe_is_gone() -> None:
    apps = Apps()
    apps.refuse(1)
    await trio.sleep(POLICY.first_rest)
    apps.succeed(1)

    assert len(apps.circuits) == 0
    assert [(event.circuit, event.open) for event in apps.told if isinstance(event, CircuitChanged)] == [
        (Circuit.OPEN, 1),
        (Circuit.HALF_OPEN, 1),
        (Circuit.CLOSED, 0),
    ]


async def test_one_that_nobody_comes_to_probe_is_forgotten_and_no_longer_counted_as_open() -> None:
    apps = Apps()
    apps.refuse(1)
    await trio.sleep(POLICY.first_rest + POLICY.longest_rest)
    apps.circuits.sweep()
    assert len(apps.circuits) == 1

    await trio.sleep(1)
    apps.circuits.sweep()
    assert len(apps.circuits) == 0
    assert apps.told[-1] == CircuitChanged(Scope.API_ID, Circuit.CLOSED, "tenant-1", 0, Circuit.CLOSED)


async def test_there_are_never_more_than_so_many_beside_those_in_use() -> None:
    apps = Apps()
    for number in range(10):
        apps.refuse(number)
    assert len(apps.circuits) == 3
    assert [of for of, _ in apps.circuits.in_trouble()] == ["tenant-7", "tenant-8", "tenant-9"]


async def test_one_in_use_is_not_forgotten_for_another() -> None:
    apps = Apps()
    with apps.circuits.attempt(app(0), "slow session") as slow:
        for number in range(1, 10):
            apps.refuse(number)
        apps.circuits.sweep()
        slow.refused()
    assert not apps.lets_through(0)


async def test_the_worst_and_the_number_are_told_with_whose_it_is() -> None:
    apps = Apps()
    apps.refuse(1)
    await trio.sleep(POLICY.first_rest)
    with apps.circuits.attempt(app(1), "probe") as probe:
        assert apps.told[-1] == CircuitChanged(
            Scope.API_ID, Circuit.HALF_OPEN, "tenant-1", 1, Circuit.HALF_OPEN
        )
        apps.refuse(2)
        assert apps.told[-1] == CircuitChanged(Scope.API_ID, Circuit.OPEN, "tenant-2", 2, Circuit.OPEN)
        probe.succeeded()
    assert apps.told[-1] == CircuitChanged(Scope.API_ID, Circuit.CLOSED, "tenant-1", 1, Circuit.OPEN)
    assert (apps.circuits.worst, apps.circuits.open) == (Circuit.OPEN, 1)

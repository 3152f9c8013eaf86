"""Machines and processes that stand still, by SIGSTOP or frozen with their clock, in one trio run.

A task belongs to the place that its context names, and inherits it. While a place stands still, none of its tasks
takes a step: whatever wakes one is kept until the place goes on. Each machine has a time of its own, which trio shows
to its tasks and counts their deadlines by. So the code that ships runs as it is, and can stop between any two steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from math import inf
from typing import Any

import trio
from trio.testing import MockClock

_run: Any = trio._core._run  # scheduling has no public names
_PLACE: ContextVar[Place | None] = ContextVar("place", default=None)

A_MOMENT = 1e-7
"""Seconds by which deadlines are met late, so that rounding never makes them early."""


@dataclass(eq=False)
class Machine:
    """Its clock begins when it boots, stands still when it freezes, and goes a little too fast or too slow."""

    name: str
    booted_at: float
    rate: float = 1.0
    wall_ahead: float = 0.0
    """What the wall clock knows of the time that the machine's own has missed."""
    frozen_since: float | None = None
    missed: float = 0.0
    places: list[Place] = field(default_factory=list)

    @property
    def is_frozen(self) -> bool:
        return self.frozen_since is not None

    def at(self, now: float) -> float:
        """The machine's own clock at this moment of the world."""
        moment = now if self.frozen_since is None else self.frozen_since
        return (moment - self.booted_at - self.missed) * self.rate

    def when(self, own: float) -> float:
        """The moment of the world at which its clock shows this, if it does not freeze any more."""
        return own / self.rate + self.missed + self.booted_at + A_MOMENT

    def freeze(self) -> None:
        self.frozen_since = trio.current_time()
        for place in self.places:
            place.hold_back()

    def thaw(self) -> None:
        assert self.frozen_since is not None
        self.missed += trio.current_time() - self.frozen_since
        self.frozen_since = None
        for place in self.places:
            place.go_on()


class Place:
    """Where tasks run: a process, or the kernel of a machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.is_paused = False
        self.is_gone = False
        self.context: Context = copy_context()
        self.context.run(_PLACE.set, self)
        self._kept_back: list[trio.lowlevel.Task] = []
        machine.places.append(self)

    @property
    def stands_still(self) -> bool:
        return not self.is_gone and (self.is_paused or self.machine.is_frozen)

    def spawn(self, nursery: trio.Nursery, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        """Start a task of this place."""
        self.context.run(nursery.start_soon, fn, *args)

    def pause(self) -> None:
        self.is_paused = True
        self.hold_back()

    def resume(self) -> None:
        self.is_paused = False
        self.go_on()

    def leave(self) -> None:
        """Nothing stands still here any more: what still runs is no process, and nobody hears of it."""
        self.is_gone = True
        self.go_on()
        self.machine.places.remove(self)

    def keep_back(self, task: trio.lowlevel.Task) -> None:
        self._kept_back.append(task)

    def hold_back(self) -> None:
        """Also what was about to take a step."""
        queue = _run.GLOBAL_RUN_CONTEXT.runner.runq
        tasks = list(queue)
        queue.clear()
        for task in tasks:
            (self._kept_back if _place_of(task) is self else queue).append(task)

    def go_on(self) -> None:
        if not self.stands_still:
            _run.GLOBAL_RUN_CONTEXT.runner.runq.extend(self._kept_back)
            self._kept_back.clear()


def here() -> Place | None:
    """Where the present task runs; None is the world outside."""
    return _PLACE.get()


def world_time() -> float:
    """The time that no machine's clock shows."""
    now: float = _run.GLOBAL_RUN_CONTEXT.runner.clock._virtual_base
    return now


def _place_of(task: trio.lowlevel.Task) -> Place | None:
    return task.context.get(_PLACE)


class _Deadlines:
    """Trio's deadlines, each by the clock of the machine on which it was set."""

    def __init__(self) -> None:
        self._by_machine: dict[Machine | None, Any] = {}
        self._machine_of: dict[trio.CancelScope, Machine | None] = {}

    def add(self, deadline: float, scope: trio.CancelScope) -> None:
        place = _PLACE.get()
        machine = self._machine_of.setdefault(scope, None if place is None else place.machine)
        if machine not in self._by_machine:
            self._by_machine[machine] = _run.Deadlines()
        self._by_machine[machine].add(deadline, scope)

    def remove(self, deadline: float, scope: trio.CancelScope) -> None:
        self._by_machine[self._machine_of.pop(scope)].remove(deadline, scope)

    def next_deadline(self) -> float:
        first = inf
        for machine, deadlines in self._by_machine.items():
            if deadlines._heap and (machine is None or machine.frozen_since is None):
                own = deadlines.next_deadline()
                first = min(first, own if machine is None else machine.when(own))
        return first

    def expire(self, now: float) -> bool:
        expired = False
        for machine, deadlines in list(self._by_machine.items()):
            heap = deadlines._heap
            if heap and (machine is None or machine.frozen_since is None):
                own = now if machine is None else machine.at(now)
                if heap[0][0] <= own:
                    expired |= deadlines.expire(own)
        return expired


def _current_time(clock: Any) -> float:
    place, now = _PLACE.get(), clock._virtual_base
    moment: float = now if place is None else place.machine.at(now)
    return moment


def _jump(clock: Any, deadline: float) -> float:
    """Be there at once: trio asks only when nobody can take a step. It saves a turn of its loop for every moment."""
    if deadline == inf:
        return deadline
    clock._virtual_base = max(clock._virtual_base, deadline)
    return 0.0


@contextmanager
def machines_may_stop() -> Iterator[None]:
    """Let trio's runs keep to this for the length of the block."""
    clock: Any = MockClock
    reschedule, current_time = _run.Runner.reschedule, clock.current_time
    deadline_to_sleep_time = clock.deadline_to_sleep_time

    def reschedule_unless_still(
        runner: Any, task: trio.lowlevel.Task, next_send: Any = _run._NO_SEND
    ) -> None:
        reschedule(runner, task, next_send)
        place = _place_of(task)
        if place is not None and place.stands_still:
            runner.runq.pop()
            place.keep_back(task)

    _run.Runner.reschedule = reschedule_unless_still
    clock.current_time, clock.deadline_to_sleep_time = _current_time, _jump
    try:
        yield
    finally:
        _run.Runner.reschedule = reschedule
        clock.current_time, clock.deadline_to_sleep_time = current_time, deadline_to_sleep_time


def count_by_machines() -> None:
    """Begin, in a run that may stop, before anything has a deadline."""
    runner = _run.GLOBAL_RUN_CONTEXT.runner
    before, runner.deadlines = runner.deadlines, _Deadlines()
    assert before.next_deadline() == inf

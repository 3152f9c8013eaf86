"""Keeps one session's actor alive: life after life, a delay between them, a rest when it fails too often.

This is the only place of the program that catches every Exception. `Cancelled` always passes.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

import trio

from actors.core.names import SessionKey
from actors.errors import Parked
from actors.mailbox import Mailbox
from supervisor.brake import Brake
from supervisor.events import LifeCrashed, LifeHeld, SessionParked, SessionUnparked, Tell
from supervisor.policy import Park, Restart, RestartPolicy


class Phase(StrEnum):
    """What a child is doing, as its supervisor sees it."""

    RUNNING = "running"
    BACKING_OFF = "backing_off"
    PARKED = "parked"
    HELD = "held"
    QUARANTINED = "quarantined"
    ENDED = "ended"


@dataclass(slots=True)
class Health:
    """A child's restarts as the tree shows them. Moments are on trio's clock."""

    phase: Phase = Phase.RUNNING
    phase_since: float = 0.0
    crashes: list[float] = field(default_factory=list)
    last_error: str | None = None
    next_start: float | None = None

    def enter(self, phase: Phase, next_start: float | None = None) -> None:
        """Note the phase and when it began."""
        self.phase, self.phase_since, self.next_start = phase, trio.current_time(), next_start


async def keep_alive(
    key: SessionKey,
    live: Callable[[], Awaitable[None]],
    mailbox: Mailbox,
    health: Health,
    *,
    policy: RestartPolicy,
    brake: Brake,
    tell: Tell,
) -> None:
    """Run lives until one ends by itself. Never raises an Exception, so no child can end its siblings.

    A crash while the node's brake is on is the node's trouble: it costs the session nothing but the wait.
    """
    while True:
        health.enter(Phase.RUNNING)
        error = await one_life(live)
        if error is None:
            health.enter(Phase.ENDED)
            return
        health.last_error = type(first_of(error)).__name__
        if brake.note_crash(key):
            tell(LifeHeld(key, error))
            await _hold(mailbox, health, brake, policy)
        else:
            health.crashes = [at for at in health.crashes if not brake.forgives(at)]
            await _pause(key, error, mailbox, health, policy, tell)


async def _pause(
    key: SessionKey,
    error: BaseException,
    mailbox: Mailbox,
    health: Health,
    policy: RestartPolicy,
    tell: Tell,
) -> None:
    """Count the crash, and wait as the policy says."""
    now = trio.current_time()
    health.crashes = [*policy.recent(health.crashes, now), now]
    match policy.verdict(health.crashes, now, random.random()):  # noqa: S311 - jitter is no secret
        case Restart(after):
            tell(LifeCrashed(key, error, after))
            health.enter(Phase.BACKING_OFF, now + after)
            await trio.sleep(after)
        case Park(until):
            tell(SessionParked(key, error, until - now))
            await _rest(mailbox, health, until)
            tell(SessionUnparked(key))


async def one_life(live: Callable[[], Awaitable[None]]) -> BaseException | None:
    """Run it, and return the Exception that ended it, if any did."""
    crash: BaseException | None = None
    try:
        await live()
    except* Exception as group:  # noqa: BLE001 - this is the boundary
        crash = group
    return crash


def first_of(error: BaseException) -> BaseException:
    """The one error inside nested groups of one, which is what people want to read."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


async def _hold(mailbox: Mailbox, health: Health, brake: Brake, policy: RestartPolicy) -> None:
    health.enter(Phase.HELD, trio.current_time() + brake.left)
    mailbox.refuse_all(parked(health))
    await brake.released()
    # Those who fell together must not come back together.
    await trio.sleep(policy.longest_delay * random.random())  # noqa: S311 - jitter is no secret


async def _rest(mailbox: Mailbox, health: Health, until: float) -> None:
    health.enter(Phase.PARKED, until)
    mailbox.refuse_all(parked(health))
    await trio.sleep_until(until)


RESTING = {
    Phase.PARKED: "the session failed too often and rests",
    Phase.HELD: "many sessions failed at once, so none is started again for a while",
    Phase.QUARANTINED: "the supervisor that had the session went silent, so for a while nobody connects it",
}
"""The phases in which a session takes no asks, and what the asker is told."""


def parked(health: Health) -> Parked:
    """What an ask to a resting session is answered with."""
    # At least a second: a brake may last longer than it said, and nobody shall ask again at once.
    left = max(1.0, (health.next_start or 0.0) - trio.current_time())
    return Parked(RESTING[health.phase], retry_after=left)

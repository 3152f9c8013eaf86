"""When a crashed session starts again, and when it has to rest: arithmetic on crash times, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Restart:
    """Start again after this many seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class Park:
    """The budget is spent: rest until this moment, then try one start."""

    until: float


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `limit` crashes within `window` seconds; between starts a delay that doubles, with jitter."""

    limit: int = 5
    window: float = 600.0
    first_delay: float = 2.0
    longest_delay: float = 60.0
    jitter: float = 0.2
    cooldown: float = 300.0

    def recent(self, crashes: Sequence[float], now: float) -> list[float]:
        """The crashes that still count; a longer healthy life makes the earlier ones forgotten."""
        return [at for at in crashes if at > now - self.window]

    def verdict(self, crashes: Sequence[float], now: float, chance: float) -> Restart | Park:
        """What follows from these crash times. `chance` is a random number from 0 to 1, for the jitter."""
        recent = self.recent(crashes, now)
        if len(recent) > self.limit:
            return Park(until=now + self.cooldown)
        delay = min(self.first_delay * 2.0 ** (len(recent) - 1), self.longest_delay)
        return Restart(after=delay * (1 + self.jitter * (2 * chance - 1)))

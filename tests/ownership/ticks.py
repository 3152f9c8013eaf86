"""Quantities of the model, in ticks."""

from __future__ import annotations

from supervisor.ownership.timings import Timings


class Ticks(Timings):
    """Timings whose bound is exact: what happens within a tick happens at one moment.

    So the arrivals of two pings lie a tick before the end of a timer each, and the last packet that passes the gate
    leaves a tick before the deadline.
    """

    @property
    def bound(self) -> float:
        return max(3 * self.delay - 2, self.trust + self.delay + self.unacknowledged - 1)


class Unsafe(Ticks):
    """Such that nobody may use: the constructor does not look."""

    def __post_init__(self) -> None:
        pass


def ticks(delay: int, trust: int, unacknowledged: int, silence: int, *, short_by: int = 0) -> Timings:
    """Timings exactly at the bound, or below it by so many ticks."""
    kind = Unsafe if short_by else Ticks
    wait = Unsafe(1, trust, delay, unacknowledged, silence, 0).bound - short_by
    return kind(1, trust, delay, unacknowledged, silence, wait - silence, drift=0, margin=0)

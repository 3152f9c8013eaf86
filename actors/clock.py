"""The clocks of a process: the wall time, read once and carried on by trio's clock, and the machine's own.

Deadlines that outlive the process are seconds since the epoch; a jump of the machine's clock must not end a
login, and tests must be able to skip hours. Both follow from reading the real wall time only once. What nodes promise
each other is counted on a clock that goes on while the machine sleeps.
"""

from __future__ import annotations

import time

import trio


class Clock:
    """Wall time that never jumps while the process lives. Make it inside `trio.run`."""

    def __init__(self) -> None:
        self._offset = time.time() - trio.current_time()

    def now(self) -> float:
        """Seconds since the epoch."""
        return trio.current_time() + self._offset

    def to_trio(self, moment: float) -> float:
        """The same moment on trio's clock, for deadlines of cancel scopes."""
        return moment - self._offset


class Boottime:
    """The machine's own clock, which no operator sets and which counts while it sleeps; and the wall beside it."""

    def now(self) -> float:
        """Seconds since the machine started, CLOCK_BOOTTIME; elsewhere than on Linux the monotonic clock."""
        return time.clock_gettime(_BOOTTIME) if _BOOTTIME is not None else time.monotonic()

    def wall(self) -> float:
        """Seconds since the epoch, as the machine has it now."""
        return time.time()


_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)

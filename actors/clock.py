"""The wall time as this process sees it: read once, then carried on by trio's clock.

Deadlines that outlive the process are seconds since the epoch; a jump of the machine's clock must not end a
login, and tests must be able to skip hours. Both follow from reading the real wall time only once.
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

"""A bell that one task waits for, for no longer than it wants."""

from __future__ import annotations

import trio


class Alarm:
    """Rings that come while nobody waits are not lost, and many of them are one."""

    def __init__(self) -> None:
        self._rung = trio.Event()

    def ring(self) -> None:
        """Let the waiting task go on."""
        self._rung.set()

    async def wait(self, at_most: float) -> None:
        """Return when somebody has rung since the last time, or after so many seconds."""
        with trio.move_on_after(at_most):
            await self._rung.wait()
        self._rung = trio.Event()

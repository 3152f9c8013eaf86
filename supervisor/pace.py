"""A token bucket on trio's clock: so many turns a second, in the order of asking, people before background work."""

from __future__ import annotations

from math import inf

import trio


class Pace:
    """Hands out `rate` turns a second; what was not used is saved up, at most `burst` turns."""

    def __init__(self, rate: float, burst: int) -> None:
        self._interval = 1 / rate
        self._saved_up = (burst - 1) / rate
        self._due = -inf
        self._next = trio.Lock()  # trio's locks are fair: first come, first served
        self._next_in_background = trio.Lock()

    async def turn(self, *, background: bool) -> None:
        """Wait for a turn. Whoever is cancelled while it waits has taken none.

        Only one background task at a time stands in the people's line, so it is passed by none for ever.
        """
        if not background:
            return await self._take()
        async with self._next_in_background:
            return await self._take()

    async def _take(self) -> None:
        async with self._next:
            self._due = max(self._due, trio.current_time() - self._saved_up)
            await trio.sleep_until(self._due)
            self._due += self._interval

"""Requests that wait for news, and how all of them end at once when the service stops."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

BOUND = 2000


class LongPolls:
    """Every waiting request of this process. Over the bound nobody is refused, but nobody waits either."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._waiting: set[trio.CancelScope] = set()
        self._ended = False

    def end(self) -> None:
        """Answer every waiting request now, and let none wait from here on. Called when the service stops."""
        self._ended = True
        for scope in self._waiting:
            scope.cancel()

    @property
    def waits(self) -> bool:
        """Whether one more request would wait, and not be answered at once."""
        return not self._ended and len(self._waiting) < self._bound

    @contextmanager
    def open(self, within: float) -> Iterator[None]:
        """Trio code in the block is cut off, silently, after `within` seconds or when the service stops."""
        with trio.move_on_after(within if self.waits else 0.0) as scope:
            self._waiting.add(scope)
            try:
                yield
            finally:
                self._waiting.remove(scope)

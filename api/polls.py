"""Requests that wait for news, and how all of them end at once when the service stops."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import trio

BOUND = 2000
PER_TENANT = 500
"""So that one tenant's pages, or its account holders, do not keep everybody else's from waiting."""


class LongPolls:
    """Every waiting request of this process. Over a bound nobody is refused, but nobody waits either."""

    def __init__(self, bound: int = BOUND, per_tenant: int = PER_TENANT) -> None:
        self._bound = bound
        self._per_tenant = per_tenant
        self._waiting: set[trio.CancelScope] = set()
        self._of: Counter[str] = Counter()
        self._ended = False

    def end(self) -> None:
        """Answer every waiting request now, and let none wait from here on. Called when the service stops."""
        self._ended = True
        for scope in self._waiting:
            scope.cancel()

    def waits(self, tenant_id: str) -> bool:
        """Whether one more request about this tenant would wait, and not be answered at once."""
        has_room = len(self._waiting) < self._bound and self._of[tenant_id] < self._per_tenant
        return has_room and not self._ended

    @contextmanager
    def open(self, tenant_id: str, within: float) -> Iterator[None]:
        """Trio code in the block is cut off, silently, after `within` seconds or when the service stops."""
        with trio.move_on_after(within if self.waits(tenant_id) else 0.0) as scope:
            self._waiting.add(scope)
            self._of[tenant_id] += 1
            try:
                yield
            finally:
                self._waiting.remove(scope)
                self._of[tenant_id] -= 1
                if not self._of[tenant_id]:
                    del self._of[tenant_id]

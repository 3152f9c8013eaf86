"""News of the journal: who waits for them is woken, whichever node wrote the line.

The journal itself is what is read; here is only the waiting. A line that this process wrote wakes at once, another
node's within LOOK_EVERY: one statement asks for all tenants that are followed, however many follow them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import trio

from actors.errors import StoreUnavailable
from actors.ports import Journal

LOOK_EVERY = 1.0


class Feed:
    """Everybody in this process who waits for a tenant's next line."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: dict[str, dict[trio.Event, int]] = {}

    async def wait(self, tenant_id: str, seq: int) -> None:
        """Return once the tenant may have lines after `seq`."""
        with self._listening(tenant_id, seq) as rung:
            await rung.wait()

    def ring(self, tenant_id: str) -> None:
        """This process has written a line of this tenant."""
        for rung in self._waiting.get(tenant_id, ()):
            rung.set()

    async def keep_looking(self) -> None:
        """Look for what other nodes have written, for ever."""
        while True:
            await trio.sleep(LOOK_EVERY)
            with suppress(StoreUnavailable):  # the next look will do
                await self.look()

    async def look(self) -> None:
        """Wake whoever has not seen the newest line. Raises StoreUnavailable."""
        if not self._waiting:
            return
        for tenant_id, end in (await self._journal.ends(list(self._waiting))).items():
            for rung, seq in self._waiting.get(tenant_id, {}).items():
                if end > seq:
                    rung.set()

    @contextmanager
    def _listening(self, tenant_id: str, seq: int) -> Iterator[trio.Event]:
        rung = trio.Event()
        waiting = self._waiting.setdefault(tenant_id, {})
        waiting[rung] = seq
        try:
            yield rung
        finally:
            del waiting[rung]
            if not waiting and self._waiting.get(tenant_id) is waiting:
                del self._waiting[tenant_id]

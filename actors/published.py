"""What everybody may read of a session without asking its actor: its last state, and that it changed."""

from __future__ import annotations

from dataclasses import dataclass

import trio

from actors.core.states import Absent, State


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state as it was saved: `version` counts the saves, `since` is when the state's name last changed."""

    state: State
    version: int = 0
    since: float = 0.0
    sequence: int = 0
    """Counts every change shown by this process, also those not worth saving, such as a new QR."""


class Published:
    """One session's snapshot: written by its actor, read and watched by anybody."""

    def __init__(self) -> None:
        self.snapshot = Snapshot(Absent())
        self._changed = trio.Event()

    def publish(self, state: State, version: int, since: float) -> None:
        """Show this state, and wake all who wait for a change."""
        self.snapshot = Snapshot(state, version, since, self.snapshot.sequence + 1)
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait_newer(self, sequence: int) -> Snapshot:
        """The first snapshot whose sequence is above `sequence`."""
        while self.snapshot.sequence <= sequence:
            await self._changed.wait()
        return self.snapshot

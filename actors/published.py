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
    """Grows with every change shown by this process, also those not worth saving, such as a new QR."""


class Published:
    """One session's snapshot: written by its actor, read and watched by anybody.

    `after` is the last sequence that anybody can have seen of this session, should it have been shown before.
    """

    def __init__(self, after: int = 0) -> None:
        self.snapshot = Snapshot(Absent())
        self._after = after
        self._changed = trio.Event()

    @property
    def watchers(self) -> int:
        """How many wait for a change."""
        return self._changed.statistics().tasks_waiting

    def publish(self, state: State, version: int, since: float) -> None:
        """Show this state, and wake all who wait for a change."""
        sequence = max(self.snapshot.sequence, self._after) + 1
        self.snapshot = Snapshot(state, version, since, sequence)
        changed, self._changed = self._changed, trio.Event()
        changed.set()

    async def wait_newer(self, sequence: int) -> Snapshot:
        """The first snapshot whose sequence is above `sequence`."""
        while self.snapshot.sequence <= sequence:
            await self._changed.wait()
        return self.snapshot

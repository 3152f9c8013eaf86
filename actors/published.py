"""What everybody may read of a session without asking its actor: its last state, and that it changed."""

from __future__ import annotations

import secrets
from dataclasses import dataclass

import trio

from actors.core.states import Absent, State
from actors.errors import Unanswered


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A state as it was saved: `version` counts the saves, `since` is when the state's name last changed."""

    state: State
    version: int = 0
    since: float = 0.0
    sequence: int = 0
    """Grows with every change shown by this process, also those not worth saving, such as a new QR.

    0 is a snapshot that no actor shows. Numbers of two processes differ, and which is higher means nothing.
    """


def new_sequence() -> int:
    """Where the sequences of a process begin: far from where those of any other do.

    One of two million places, each with room for four thousand million changes; all of them below 2 ** 53, so that
    JavaScript can count on them.
    """
    return secrets.randbelow(1 << 21) << 32


class Published:
    """One session's snapshot: written by its actor, read and watched by anybody.

    `after` is the last sequence that anybody can have seen of this session, should it have been shown before.
    """

    def __init__(self, after: int = 0) -> None:
        self.snapshot = Snapshot(Absent())
        self._after = after
        self._has_ended = False
        self._why: Unanswered | None = None
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

    def end(self, why: Unanswered | None = None) -> None:
        """Nothing will be shown here any more: nobody waits for it. Whoever would is told `why`, if there is one."""
        self._has_ended, self._why = True, why
        self._changed.set()

    async def wait_newer(self, sequence: int) -> Snapshot:
        """The first snapshot that an actor shows and whose sequence is not `sequence`; or the last one, at the end.

        One that is higher than ours comes from another process, which had the session before: that is news at once.
        """
        while self.snapshot.sequence in {0, sequence}:
            if self._why is not None:
                raise self._why
            if self._has_ended:
                break
            await self._changed.wait()
        return self.snapshot

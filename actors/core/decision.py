"""What every rule answers with, and how long it waits before it tries again."""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.credential import Keeping
from actors.core.effects import Effect
from actors.core.states import State

FIRST_RETRY = 2.0
LONGEST_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state, what is to be done about it, in order, and what becomes of credentials.

    `keeping` is saved together with the state, before anything is done.
    """

    state: State
    effects: tuple[Effect, ...] = ()
    keeping: Keeping | None = None


def backoff(attempts: int) -> float:
    """Seconds before the next try after this many failed ones: 2, 4, 8 … 60."""
    return min(FIRST_RETRY * 2.0 ** min(attempts, 10), LONGEST_RETRY)

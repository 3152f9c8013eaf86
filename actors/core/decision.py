"""What every rule answers with, and how long it waits before it tries again."""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.effects import Effect
from actors.core.states import State

FIRST_RETRY = 2.0
LONGEST_RETRY = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """The next state, and what is to be done about it, in order."""

    state: State
    effects: tuple[Effect, ...] = ()


def backoff(attempts: int) -> float:
    """Seconds before the next try after this many failed ones: 2, 4, 8 … 60."""
    return min(FIRST_RETRY * 2.0 ** min(attempts, 10), LONGEST_RETRY)

"""What can happen in a model, the arbiter's row, and what a move makes of both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from supervisor.ownership.timings import Timings
from tests.ownership.host import Host

NONE, LINE, GHOST = range(3)
"""What opens: nothing, the claim's socket, one that was left behind."""


class Row(NamedTuple):
    """The session's row: `owner` counts around from whoever looks at it, None if there is none."""

    owner: int | None = None
    is_alive: bool = False
    """Whether the owner's life is its node's present one."""
    is_clean: bool = True
    next_owner: int | None = None


class Outcome(NamedTuple):
    """What a move makes of a host and of the row, and what others hear of it."""

    what: str
    host: Host
    row: Row
    beats: bool = False
    moves_row: bool = False
    fences: int = 0
    """The node whose life it ends, counted around; 0 is none."""
    opens: int = NONE
    """Which connection of this host's opens at the data centre."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What can happen in a model."""

    timings: Timings
    nodes: int = 2
    machines_freeze: bool = True
    """Whether a machine's clock and kernel can stand still."""
    connects_at_once: bool = True
    """Whether the grant of a connect, its answer and the first packet are one step, or any time may lie between."""
    dc_has_timers: bool = True
    library_reconnects: bool = False
    """Whether the library opens connections by itself."""
    connects_after_reading: bool = False
    """Whether a connect is granted by a read, not by a renewal."""
    acquiring_renews: bool = True
    hands_over: bool = False
    """Whether a session is offered to a certain node, too."""

    @property
    def delay(self) -> int:
        """What every ping asks for. Without a timer the connection outlives everything here."""
        return int(self.timings.delay) if self.dc_has_timers else 10**6

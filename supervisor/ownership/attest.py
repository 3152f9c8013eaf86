"""Deaths that somebody has seen: nobody has to wait for a silence that is explained."""

from __future__ import annotations

from dataclasses import dataclass

from supervisor.ownership.timings import Timings


@dataclass(frozen=True, slots=True)
class Death:
    """What a witness on the same machine, or the platform, knows of a process that has ended.

    "It does not answer" is no death. A witness has seen the exit (by pidfd), holds the node's lock, and finds no
    socket of it to a data centre that still has something to send (ESTABLISHED, FIN_WAIT1, CLOSE_WAIT, LAST_ACK,
    CLOSING in /proc/net/tcp). A platform has switched the machine off.
    """

    gone_at: float
    """Since when, on the witness's clock, nothing is left that could send a byte."""
    said_farewell: bool
    """Whether the data centre acknowledged the end of each of its sockets, of any that it aborted within the last
    breath too. A machine that was switched off said none."""


def may_attest(death: Death, at: float, timings: Timings) -> bool:
    """Whether its sessions may be given free now.

    Without a farewell the data centre still holds its connections, until their timers end.
    """
    return death.said_farewell or at >= death.gone_at + timings.last_breath

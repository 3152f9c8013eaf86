"""The quantities of ownership, and the bound that makes them safe."""

from __future__ import annotations

from dataclasses import dataclass


class UnsafeTimings(ValueError):
    """With these a session could be connected twice. The sentence names the quantity to change."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, all of them. Raises UnsafeTimings, so that unsafe ones cannot exist.

    The bound: from the last heartbeat that anybody can have seen of a node until another connects,
    `wait >= (1 + drift) * max(3 * delay, trust + delay + unacknowledged) + margin` seconds pass.

    Three delays, because a node whose virtual machine stands still may have one ping on its way when it is seen for
    the last time, and send one more when that has arrived; each may reach the data centre just before its timer would
    end, and after the second the data centre waits once more. The other term is for a node whose clock runs while its
    process does not.
    """

    period: float
    """Between two renewals of a node."""
    trust: float
    """After a confirmed renewal was sent, nothing may leave the node any more."""
    delay: float
    """`disconnect_delay` of every ping: the data centre closes a connection this long after the last one."""
    unacknowledged: float
    """TCP_USER_TIMEOUT of sockets to a data centre: the kernel gives up what is not acknowledged for so long."""
    silence: float
    """A node whose heartbeat stands still for so long may be fenced."""
    quarantine: float
    """After fencing a silent node, no socket for its sessions."""
    drift: float = 0.02
    """How much faster than another's a clock may run."""
    margin: float = 1.0
    """For what happens between two readings of a clock. The model check counts in ticks, and needs none."""

    def __post_init__(self) -> None:
        if self.period > min(self.trust, self.delay):
            raise UnsafeTimings(
                "period is above trust or delay, so nothing would last until a renewal: shorten it"
            )
        if self.wait < self.bound:
            raise UnsafeTimings(
                f"silence + quarantine is {self.wait:g}, below the bound of {self.bound:g}: lengthen quarantine"
            )

    @property
    def wait(self) -> float:
        """From a heartbeat to another's connect; also the quarantine of a session whose past nobody has watched."""
        return self.silence + self.quarantine

    @property
    def bound(self) -> float:
        """What `wait` must not be below."""
        pauses = self.trust + self.delay + self.unacknowledged
        return (1 + self.drift) * max(3 * self.delay, pauses) + self.margin

    @property
    def last_breath(self) -> float:
        """How long a connection can stay open at the data centre once nothing that could ping is left."""
        return (1 + self.drift) * self.delay + self.margin

    @property
    def longest_lag(self) -> float:
        """An event loop that lags more than this cannot be trusted to be on time."""
        return self.trust / 3

    @property
    def longest_gap(self) -> float:
        """Between two looks at the others; after a longer one, their silence is counted anew."""
        return 3 * self.period


PROFILE_S = Timings(period=5, trust=12, delay=15, unacknowledged=8, silence=15, quarantine=32)
"""Up to ten thousand sessions: a lost host is replaced after 47 seconds, a database's outage ridden out for 10."""

PROFILE_L = Timings(period=10, trust=45, delay=60, unacknowledged=15, silence=60, quarantine=125)
"""More than that: a lost host is replaced after 185 seconds, a database's outage ridden out for 35."""

PROFILES = {"small": PROFILE_S, "large": PROFILE_L}
"""By the name that settings give them."""

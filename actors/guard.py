"""Leave to use a session's auth key: what a connection asks of the owner of its session, and what it is told by it.

Everything here is called on the one thread: a guard from asyncio code, a link from there or from trio code. The rules
behind it are in `supervisor.ownership`.
"""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Protocol


class Ends(NamedTuple):
    """A TCP connection by its ends, as the kernel lists it: our port, and the other side's `address:port`.

    The port is 0 if it goes through a proxy, where nobody can see how it ended.
    """

    local_port: int
    far: str = ""


class Link(Protocol):
    """One connection to a data centre, as its guard sees it."""

    @property
    def ends(self) -> Ends:
        """Which connection it is among those of this machine."""
        ...

    def ping(self) -> None:
        """Send `ping_delay_disconnect` now; `Guard.pong_came` tells of its answer."""
        ...

    def half_close(self) -> None:
        """Shut our end; `Guard.closed` tells that the data centre has shut its own."""
        ...

    def abort(self) -> None:
        """Drop the socket at once, with everything that is not sent yet."""
        ...


class Guard(Protocol):
    """Guards one session's connections, of which there is one at a time.

    For each: `open` before its first byte, `passes` before every packet, and `closed` or `broken` when it has ended.
    """

    @property
    def disconnect_delay(self) -> int:
        """Seconds, for each `ping_delay_disconnect`: the data centre closes the connection so long after the last."""
        ...

    @property
    def unacknowledged(self) -> float:
        """Seconds, for TCP_USER_TIMEOUT: the kernel gives up what is not acknowledged for so long."""
        ...

    async def open(self, link: Link) -> bool:
        """Whether the first packet may be written, in this very step: the arbiter has just been asked.

        The TCP connection is up, and nothing was sent over it. If not, it is of no use, and has been aborted.
        """
        ...

    def passes(self) -> bool:
        """Whether a packet may leave now."""
        ...

    def pong_came(self) -> None:
        """The data centre has answered the last ping."""
        ...

    def closed(self) -> None:
        """The data centre has closed the connection: its end was seen, not guessed."""
        ...

    def broken(self) -> None:
        """The connection is of no use any more, and the data centre may or may not know. Once more does no harm."""
        ...


class Unguarded:
    """The guard of a connection that nobody else can have: of a key that was never written down, say.

    It lets everything pass, pings now and then, and drops a connection that has fallen silent.
    """

    disconnect_delay = 75
    unacknowledged = 15.0
    ping_every = 30.0

    def __init__(self) -> None:
        self._timer: asyncio.TimerHandle | None = None
        self._awaits_pong = False

    async def open(self, link: Link) -> bool:
        """Always."""
        self._awaits_pong = True  # the first packet begins with a ping
        self._ping_later(link)
        return True

    def passes(self) -> bool:
        """Always."""
        return True

    def pong_came(self) -> None:
        """The connection is alive."""
        self._awaits_pong = False

    def closed(self) -> None:
        """So be it."""
        self.broken()

    def broken(self) -> None:
        """So be it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ping_later(self, link: Link) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.ping_every, self._ping, link)

    def _ping(self, link: Link) -> None:
        if self._awaits_pong:
            link.abort()
            return
        self._awaits_pong = True
        link.ping()
        self._ping_later(link)

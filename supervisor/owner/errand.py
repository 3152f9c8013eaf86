"""The guard of connections on keys that are no session's any more."""

from __future__ import annotations

from actors.guard import Link
from supervisor.owner.life import Life


class Errand:
    """The guard of a connection on a key that is no session's any more, to log it out: this node must be trusted.

    A lease in the database says whose errand it is. Should a node outlast that, a key dies that was to die.
    """

    def __init__(self, life: Life) -> None:
        self._life = life
        self.disconnect_delay = int(life.timings.delay)
        self.unacknowledged = life.timings.unacknowledged

    async def open(self, link: Link) -> bool:  # noqa: ARG002 - as the port calls it
        """See Guard."""
        return self._life.is_trusted

    def passes(self) -> bool:
        """See Guard."""
        return self._life.is_trusted

    def pong_came(self) -> None:
        """See Guard."""

    def closed(self) -> None:
        """See Guard."""

    def broken(self) -> None:
        """See Guard."""

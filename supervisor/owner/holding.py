"""One session that is this node's: it guards the session's connections as the rules of ownership say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import trio

from actors.core.names import SessionKey
from actors.core.owners import Taken
from actors.guard import Ends, Link
from supervisor.ownership import claim as rules
from supervisor.ownership import events as e
from supervisor.ownership.claim import Claim
from supervisor.ownership.timings import Timings

FAREWELL = 3.0
"""Seconds that a data centre gets to close its end before a session is given away in doubt."""


class Ports(Protocol):
    """Where it is noted which connections lead to data centres, for whoever finds this process dead."""

    def opened(self, ends: Ends) -> None:
        """This connection is about to send its first byte."""
        ...

    def ended(self, ends: Ends) -> None:
        """The data centre has closed it."""
        ...

    def aborted(self, ends: Ends) -> None:
        """It was reset: nobody can see whether the data centre knows."""
        ...


class Home(Protocol):
    """The node that a session is held by, as far as the session needs to know it."""

    @property
    def timings(self) -> Timings:
        """The times of ownership."""
        ...

    @property
    def ports(self) -> Ports:
        """Where connections are noted."""
        ...

    @property
    def is_trusted(self) -> bool:
        """Whether anything may leave this node now."""
        ...

    def now(self) -> float:
        """On the machine's own clock."""
        ...

    async def verify(self, taken: Taken, *, is_clean: bool) -> e.ClaimEvent:
        """What the arbiter says to a connection that is about to be used."""
        ...

    def decide(self, claim: Claim, event: e.ClaimEvent) -> rules.Outcome:
        """What the rules say."""
        ...

    def leave(self, holding: Holding) -> None:
        """It is not this node's any more."""
        ...


class Holding:
    """One session that is this node's, and the guard of its connections."""

    def __init__(self, key: SessionKey, claim: Claim, home: Home, on_lost: Callable[[], None]) -> None:
        self.key = key
        self.epoch = claim.epoch
        self.connect_from = claim.connect_from
        self._claim: Claim | None = claim
        self._home = home
        self._on_lost = on_lost
        self._link: Link | None = None
        self._ends: Ends | None = None
        """Of the connection, once its first byte may have left."""
        self._ended = trio.Event()
        self._release: e.Release | None = None

    @property
    def quarantine_left(self) -> float:
        """See `supervisor.sessions.Held`."""
        return self.connect_from - self._home.now()

    @property
    def taken(self) -> Taken:
        """The session, and at which epoch."""
        return Taken(self.key, self.epoch)

    # -- the guard

    @property
    def disconnect_delay(self) -> int:
        """See Guard."""
        return int(self._home.timings.delay)

    @property
    def unacknowledged(self) -> float:
        """See Guard."""
        return self._home.timings.unacknowledged

    async def open(self, link: Link) -> bool:
        """See Guard."""
        asked = self._step(e.ConnectWanted(self._home.now()))
        verify = next((effect for effect in asked if isinstance(effect, e.Verify)), None)
        if verify is None:
            link.abort()
            return False
        self._link = link
        answer: e.ClaimEvent = e.VerifyFailed()
        try:
            answer = await self._home.verify(self.taken, is_clean=verify.is_clean)
        finally:  # also cancelled: nothing was sent
            # Who was aborted meanwhile has nothing to do with the connection that may be here by now.
            opened = self._link is link and e.SendFirst() in self._step(answer)
        if opened:
            self._ends = link.ends
            self._home.ports.opened(self._ends)
        return opened

    def passes(self) -> bool:
        """See Guard."""
        claim = self._claim
        return claim is not None and claim.socket is rules.Socket.OPEN and self._home.is_trusted

    def pong_came(self) -> None:
        """See Guard."""
        self._step(e.PongCame())
        self.ping_due()

    def closed(self) -> None:
        """See Guard."""
        ends, self._ends = self._ends, None
        if ends is not None:
            self._home.ports.ended(ends)
        self._step(e.SocketClosed(self._home.now()))
        self._ended.set()

    def broken(self) -> None:
        """See Guard."""
        self._step(e.SocketBroken(self._home.now()))
        self._ended.set()

    # -- what the node does with it

    @property
    def is_settled(self) -> bool:
        """Whether the arbiter knows all there is to know of it."""
        return self._claim is None or self._claim.is_noted_clean

    def ping_due(self) -> None:
        """A renewal was confirmed, or a pong came."""
        self._step(e.PingDue(self._home.now()))

    def fenced(self) -> None:
        """The node is fenced."""
        self._step(e.NodeFenced(self._home.now()))

    def lost(self) -> None:
        """The session is somebody else's."""
        self._step(e.SessionLost())

    def becomes_clean(self) -> bool:
        """Whether the arbiter should be told that it is clean."""
        return e.NoteClean() in self._step(e.CleanDue(self._home.now()))

    def was_not_noted(self) -> None:
        """The arbiter did not answer: what its row says now, nobody knows."""
        if self._claim is not None:
            self._claim = replace(self._claim, is_noted_clean=False)

    async def part(self, next_owner: str | None) -> e.Release | None:
        """End what is open; what the arbiter is to be told, unless the session was lost."""
        self._ended = trio.Event()
        self._step(e.ReleaseWanted(self._home.now(), next_owner))
        if self._claim is not None:
            with trio.move_on_after(FAREWELL):
                await self._ended.wait()
            self._step(e.FarewellOver(self._home.now()))
        return self._release

    def _step(self, event: e.ClaimEvent) -> tuple[e.ClaimEffect, ...]:
        if self._claim is None:
            return ()
        self._claim, effects = self._home.decide(self._claim, event)
        for effect in effects:
            self._perform(effect)
        if self._claim is None and self._release is None:
            self._ended.set()
            self._home.leave(self)
            self._on_lost()
        return effects

    def _perform(self, effect: e.ClaimEffect) -> None:
        match effect:
            case e.Abort():
                self._abort()
            case e.HalfClose() if self._link is not None:
                self._link.half_close()
            case e.SendPing() if self._link is not None:
                self._link.ping()
            case e.Release():
                self._release = effect

    def _abort(self) -> None:
        link, self._link = self._link, None
        ends, self._ends = self._ends, None
        if ends is not None:
            self._home.ports.aborted(ends)
        if link is not None:
            link.abort()

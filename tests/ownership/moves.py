"""What one machine can do next, given the session's row: every step of its process, its kernel and its fate.

A process may rest for as long as it likes between any two steps, so pauses need no step of their own; nor do replies
that are lost, for nobody has to receive one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from actors.core.owners import NodeEpoch
from supervisor.ownership import claim, events, node, watch
from supervisor.ownership.claim import Claim, Socket
from supervisor.ownership.node import Node
from tests.ownership import host as h
from tests.ownership.host import CURRENT, MINE, OF_ROW, Host, Wire
from tests.ownership.scene import GHOST, LINE, NONE, Outcome, Row, Scene


class Moves:
    """The moves of a scene. Which node a name counts from, see `host`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._timings = scene.timings

    def outcomes(self, host: Host, row: Row) -> Iterator[Outcome]:
        yield from self._kernel(host, row)
        if host.node is None:
            yield from self._dead(host, row)
            return
        yield Outcome("is killed (-9)", h.killed(host, self.scene.delay), row)
        yield Outcome("loses power", h.crashed(host, self.scene.delay), row)
        if h.can_ever_ping(host):
            yield from self._renewing(host, host.node, row)
        if worth := self._worth_watching(row):
            yield Outcome("looks at the others' heartbeats", h.looked(host, worth, self._timings), row)
        if host.node.me.number == CURRENT:
            yield from self._taking(host, row)
            yield from self._fencing(host, row)
        if host.claim is not None:
            yield from self._connecting(host, host.claim, row)
            yield from self._holding(host, host.node, host.claim, row)
            yield from self._parting(host, host.claim, row)

    def _told(self, host: Host, event: events.ClaimEvent) -> tuple[Host, tuple[events.ClaimEffect, ...]]:
        return h.told(host, event, self._timings, self.scene.delay)

    def _kernel(self, host: Host, row: Row) -> Iterator[Outcome]:
        line = host.line
        if line is not None and line.pending:
            arrived = replace(host, line=h.delivered(line, self.scene.delay))
            arrived, _ = self._told(arrived, events.PongCame())
            what = "'s first packet arrives" if line.is_first else "'s ping arrives"
            yield Outcome(what, arrived, row, opens=LINE if line.is_first else NONE)
        if host.ghost is not None:
            arrived = h.haunted(host, self.scene.delay)
            yield Outcome("'s first packet arrives, of a socket that it has left", arrived, row, opens=GHOST)

    def _dead(self, host: Host, row: Row) -> Iterator[Outcome]:
        is_owner = row.owner == 0
        new = row._replace(is_alive=False) if is_owner else row
        yield Outcome("starts again", h.started(host, self._timings), new, beats=True)
        if is_owner and h.may_be_attested(host, self._timings):
            free = Row(is_clean=new.is_clean)
            yield Outcome("is attested dead", host, free, beats=True, moves_row=True)

    def _renewing(self, host: Host, life: Node, row: Row) -> Iterator[Outcome]:
        """Sent and counted are one step: a renewal on its way only takes from what its sender may do.

        A life that is over gets nothing from a renewal, and exits when it hears so: as if it were killed.
        """
        if life.me.number == CURRENT:
            sent, _ = node.step(life, node.RenewalSent(0), self._timings)
            renewed = replace(host, node=sent, is_renewed=True)
            yield Outcome("renews", renewed, row, beats=True)
        if host.is_renewed:
            heard, _ = node.step(life, node.RenewalConfirmed(life.sent, 0), self._timings)
            yield Outcome("hears that its renewal counts", replace(host, node=heard, is_renewed=False), row)

    def _worth_watching(self, row: Row) -> Iterable[int]:
        """Whose silence can matter: the owner's. Whoever becomes one renews, so all is counted anew then."""
        if not self.scene.acquiring_renews:
            return range(1, self.scene.nodes)
        return (row.owner,) if row.owner and row.is_alive else ()

    def _taking(self, host: Host, row: Row) -> Iterator[Outcome]:
        if host.claim is not None:
            return
        if row.owner is None and row.next_owner in (None, 0):
            past = claim.Past.CLEAN if row.is_clean else claim.Past.UNKNOWN
            yield from self._taken(host, "acquires the session", past, is_clean=row.is_clean)
        elif row.owner is not None and not row.is_alive:
            owner = NodeEpoch(str(row.owner), OF_ROW)
            past = watch.past_of(host.watch, owner)
            yield from self._taken(
                host, f"takes the session over ({past.name.lower()})", past, is_clean=False
            )
        elif row.owner == 0:
            yield from self._taken(host, "adopts its own session", claim.Past.UNKNOWN, is_clean=False)

    def _taken(self, host: Host, what: str, past: claim.Past, *, is_clean: bool) -> Iterator[Outcome]:
        row = Row(0, is_alive=True, is_clean=is_clean)
        moved = h.row_moved(host)
        held = claim.claimed(MINE, past, 0, self._timings)
        beats = self.scene.acquiring_renews
        yield Outcome(what, replace(moved, claim=held), row, beats=beats, moves_row=True)
        yield Outcome(f"{what}, and the reply is lost", moved, row, beats=beats, moves_row=True)

    def _fencing(self, host: Host, row: Row) -> Iterator[Outcome]:
        for beat in watch.silent(host.watch, 0, self._timings):
            which = int(beat.node.node_id)
            owned = row.owner == which and row.is_alive
            after = h.beat_moved(host, beat.node.node_id)
            if owned:
                ended = watch.fenced(after.watch, NodeEpoch(beat.node.node_id, OF_ROW))
                after = replace(after, watch=ended)
            new = row._replace(is_alive=False) if owned else row
            what = f"fences node {{{which}}}"
            yield Outcome(what, after, new, beats=self.scene.acquiring_renews, fences=which)
            unheard = h.beat_moved(host, beat.node.node_id)
            yield Outcome(
                f"{what}, and the reply is lost",
                unheard,
                new,
                beats=self.scene.acquiring_renews,
                fences=which,
            )

    def _connecting(self, host: Host, held: Claim, row: Row) -> Iterator[Outcome]:
        if host.is_granted:
            yield self._heard_grant(host, row)
        asked, effects = self._told(host, events.ConnectWanted(0))
        if any(isinstance(effect, events.Verify) for effect in effects):
            yield from self._verifying(asked, held, row)
        is_lost = host.line is None or not (host.line.timer or host.line.is_first)
        if self.scene.library_reconnects and is_lost and held.socket is Socket.OPEN:
            line = Wire(self.scene.delay)
            yield Outcome("'s library reconnects by itself", replace(host, line=line), row, opens=LINE)

    def _verifying(self, asked: Host, held: Claim, row: Row) -> Iterator[Outcome]:
        """What the arbiter says to a connect. A life that is over exits when it hears so: as if it were killed."""
        assert asked.node is not None
        is_current = asked.node.me.number == CURRENT
        is_mine = row.owner == 0 and row.is_alive and held.epoch == MINE
        renews = is_current and not self.scene.connects_after_reading
        if is_mine and (is_current or self.scene.connects_after_reading):
            noted = row._replace(is_clean=claim.is_clean(held, 0))
            granted = replace(asked, is_granted=True)
            if self.scene.connects_at_once:
                yield self._heard_grant(granted, noted)._replace(beats=renews)
            else:
                yield Outcome("is granted a connect", granted, noted, beats=renews)
            unheard, _ = self._told(asked, events.VerifyFailed())
            yield Outcome("never hears that it may connect", unheard, noted, beats=renews)
        elif is_current:
            lost, _ = self._told(asked, events.SessionLost())
            yield Outcome("hears that the session is another's", lost, row, beats=renews)

    def _heard_grant(self, host: Host, row: Row) -> Outcome:
        host = replace(host, is_granted=False)
        opened, effects = self._told(host, events.Verified(0))
        if not any(isinstance(effect, events.SendFirst) for effect in effects):
            return Outcome("hears too late that it may connect", opened, row)
        if self.scene.connects_at_once:
            opened, _ = self._told(opened, events.PongCame())
            return Outcome("CONNECTS", replace(opened, line=Wire(self.scene.delay)), row, opens=LINE)
        return Outcome("writes its first packet", replace(opened, line=Wire(0, (0,), is_first=True)), row)

    def _holding(self, host: Host, life: Node, held: Claim, row: Row) -> Iterator[Outcome]:
        pinged, effects = self._told(host, events.PingDue(0))
        if effects and host.line is not None:
            yield Outcome("pings", pinged, row)
        noted, effects = self._told(host, events.CleanDue(0))
        if effects and row.owner == 0 and row.is_alive and held.epoch == MINE:
            yield Outcome("notes that the session is clean", noted, row._replace(is_clean=True))
        if held.socket is not Socket.NONE:
            fenced, fence = node.step(life, node.Ticked(0, 0, 0), self._timings)
            if fence is not None:
                after, effects = self._told(host, events.NodeFenced(0))
                after = replace(after, node=replace(fenced, skew=None), is_renewed=False, is_granted=False)
                yield from self._released("fences itself", after, row, held, effects)

    def _parting(self, host: Host, held: Claim, row: Row) -> Iterator[Outcome]:
        say = self._told
        if held.socket is not Socket.CLOSING:
            parted, effects = say(replace(host, is_granted=False), events.ReleaseWanted(0))
            yield from self._released("parts", parted, row, held, effects)
        if held.socket in {Socket.OPEN, Socket.CLOSING}:
            broken, effects = say(host, events.SocketBroken(0))
            yield from self._released("drops its connection", broken, row, held, effects)
        if host.line is not None and _ends_in_sight(held, host.line):
            ended, effects = say(replace(host, line=None), events.SocketClosed(0))
            yield from self._released("sees the data centre close", ended, row, held, effects)

    def _released(
        self, what: str, after: Host, row: Row, before: Claim, effects: tuple[events.ClaimEffect, ...]
    ) -> Iterator[Outcome]:
        """With what comes of a release, if it is among the effects: done, or lost on its way."""
        release = next((effect for effect in effects if isinstance(effect, events.Release)), None)
        if release is None:
            yield Outcome(what, after, row)
            return
        yield Outcome(f"{what}, and its release is lost", after, row)
        if row.owner == 0 and row.is_alive and before.epoch == MINE:
            how = "clean" if release.is_clean else "unclean"
            yield Outcome(f"{what}: the session is free, {how}", after, Row(is_clean=release.is_clean))
            for wish in range(1, self.scene.nodes) if self.scene.hands_over else ():
                offered = Row(is_clean=release.is_clean, next_owner=wish)
                yield Outcome(f"{what}: the session is for {{{wish}}}, {how}", after, offered)


def _ends_in_sight(held: Claim, line: Wire) -> bool:
    """Whether the data centre has closed, of its own accord or because our end is shut, and all before it came."""
    if line.pending:
        return False
    return line.timer == 0 or held.socket is Socket.CLOSING

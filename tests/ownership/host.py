"""One machine of the model: a process that runs the shipping core, its kernel, and what the data centre holds of it.

Everything is relative: now is 0, the past negative; "0" is this node, "1" the next one around. Counters are reduced
to what the core can tell apart, which only compares them (see `tidy`). So there are few different hosts, and what a
move makes of one is worked out once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from actors.core.owners import Heartbeat, NodeEpoch, Poll
from supervisor.ownership import attest, claim, events, node, watch
from supervisor.ownership.claim import Claim, Socket
from supervisor.ownership.node import Node
from supervisor.ownership.timings import Timings
from supervisor.ownership.watch import Watch

ME = "0"
SERVER = "the only one"
CURRENT, OF_ROW, OLD = 2, 1, 0
"""Numbers of a node's lives: the present one, the past one that owns the row, any other."""
MINE, LOST = 1, 0
"""Numbers of the row's epochs: the present one, any other."""


class Wire(NamedTuple):
    """A connection: ticks until the data centre ends it (0: it has), and pings that the kernel has not sent yet."""

    timer: int = 0
    pending: tuple[int, ...] = ()
    """For how many ticks the kernel has tried each of them, the oldest first. The rules allow one at a time."""
    is_first: bool = False
    """Whether the oldest of them is the first packet, before which the data centre knows of no key."""


NOBODY = Watch()


@dataclass(frozen=True, slots=True)
class Host:
    """A machine. `node` is None while its process is down."""

    node: Node | None = None
    claim: Claim | None = None
    watch: Watch = NOBODY
    is_renewed: bool = False
    """Whether the answer to the last renewal is on its way."""
    is_granted: bool = False
    """Whether the answer to the question for a connect is on its way."""
    line: Wire | None = None
    """The socket that the claim holds."""
    strays: int = 0
    """Ticks until the data centre has closed all sockets that this life has left behind."""
    remains: int = 0
    """The same of earlier lives."""
    ghost: int | None = None
    """For how many ticks the kernel has tried to send the first packet of a socket that was left behind."""
    is_old_ghost: bool = False
    """Whether an earlier life has left it."""
    gone: int = 0
    """Ticks since a dead process's kernel had anything left to send."""


def is_open(wire: Wire | None) -> bool:
    return wire is not None and wire.timer > 0


def written(wire: Wire) -> Wire:
    """One more ping for the kernel to send. Of three the middle one makes no difference."""
    return wire._replace(pending=(*wire.pending[:1], 0))


def delivered(wire: Wire, delay: int) -> Wire:
    """The oldest arrives. It restarts the timer of a connection that is open; a closed one it does not open again."""
    opens = wire.is_first or wire.timer > 0
    return Wire(delay if opens else 0, wire.pending[1:] if opens else ())


def latest_end(wire: Wire, delay: int) -> int:
    """Ticks until the data centre closes a socket that nobody writes to any more, at the worst.

    That is when each ping that is still in the kernel arrives just before the timer would end. It cannot always be
    held up so long; what is safe nevertheless is safe.
    """
    return wire.timer + len(wire.pending) * (delay - 1) if wire.timer else 0


def left_behind(host: Host, delay: int) -> Host:
    """The process has let go of its socket. Its end may never reach the data centre; what was written may."""
    line = host.line
    if line is None:
        return host
    if line.is_first:
        host = replace(host, ghost=line.pending[0], is_old_ghost=False)
    return replace(host, line=None, strays=max(host.strays, latest_end(line, delay)))


def killed(host: Host, delay: int) -> Host:
    """The process is gone, its kernel is not."""
    host = left_behind(host, delay)
    return Host(remains=max(host.strays, host.remains), ghost=host.ghost, is_old_ghost=host.is_old_ghost)


def crashed(host: Host, delay: int) -> Host:
    """The machine is gone. Whatever is open at the data centre stays so until its timer ends."""
    held = 0 if host.line is None else host.line.timer
    return Host(remains=max(held, *(min(left, delay) for left in (host.strays, host.remains))))


def started(host: Host, timings: Timings) -> Host:
    """A new life."""
    life = node.booted(NodeEpoch(ME, CURRENT), 0, timings)
    return Host(node=life, remains=host.remains, ghost=host.ghost, is_old_ghost=host.ghost is not None)


def ticked(host: Host, timings: Timings, *, is_frozen: bool) -> Host:
    """A tick of the world. A frozen machine has none of its own, but the data centre's timers run."""
    host = replace(host, strays=max(0, host.strays - 1), remains=max(0, host.remains - 1))
    if host.line is not None:
        host = replace(host, line=host.line._replace(timer=max(0, host.line.timer - 1)))
    return host if is_frozen else _aged(_tried(host, timings), timings)


def _tried(host: Host, timings: Timings) -> Host:
    """The kernel has tried for another tick, and gives up what it could not send for too long."""
    if host.ghost == timings.unacknowledged:
        host = replace(host, ghost=None, is_old_ghost=False)
    elif host.ghost is not None:
        host = replace(host, ghost=host.ghost + 1)
    line = host.line
    if line is None or not line.pending:
        return host
    if line.pending[0] == timings.unacknowledged:
        return replace(host, line=None, strays=max(host.strays, line.timer))
    return replace(host, line=line._replace(pending=tuple(age + 1 for age in line.pending)))


def _aged(host: Host, timings: Timings) -> Host:
    """By how much everything that this machine's clock measures lies further back."""
    if host.node is None:
        return replace(
            host, gone=0 if host.remains >= timings.delay or host.ghost is not None else host.gone + 1
        )
    life = replace(host.node, deadline=host.node.deadline - 1, sent_at=host.node.sent_at - 1)
    held = host.claim
    if held is not None:
        held = replace(
            held,
            connect_from=held.connect_from - 1,
            clean_from=held.clean_from - 1,
        )
    sightings = tuple(replace(seen, since=seen.since - 1) for seen in host.watch.sightings)
    return replace(host, node=life, claim=held, watch=replace(host.watch, sightings=sightings))


def tidy(host: Host, timings: Timings, *, zombies_are_harmless: bool) -> Host:
    """The same for every future, written in one way: what cannot matter any more, or not yet, is left out."""
    if zombies_are_harmless:
        host = _without_the_useless(host, timings)
    if host.node is None:
        is_over = not host.remains and host.ghost is None
        return replace(host, gone=0 if is_over else min(host.gone, int(timings.last_breath)))
    life, held = host.node, host.claim
    if not can_ever_ping(host):
        host = replace(host, is_renewed=False)
    sightings = tuple(replace(seen, since=max(seen.since, -timings.silence)) for seen in host.watch.sightings)
    return replace(
        host,
        node=_tidy_life(host, life, timings),
        claim=None if held is None else _tidy_claim(host, held, life),
        watch=replace(host.watch, sightings=sightings, polled_at=0, source=SERVER),
    )


def _without_the_useless(host: Host, timings: Timings) -> Host:
    """A life that is over and can ping no more is as good as dead, but for what it has left behind."""
    if host.line is not None and not host.line.timer and not host.line.is_first:
        host = replace(host, line=Wire())
    if host.node is None or host.node.me.number == CURRENT or host.is_granted:
        return host
    if not can_ever_ping(host):
        return killed(host, int(timings.delay))
    return replace(host, watch=NOBODY)


def can_ever_ping(host: Host) -> bool:
    """Whether a confirmation is there, or on its way, and a connection that is open."""
    if host.node is None or host.claim is None or host.claim.socket is not Socket.OPEN:
        return False
    is_alive = host.line is not None and (host.line.timer > 0 or host.line.is_first)
    is_confirmed = host.is_renewed or host.node.confirmed > host.claim.spent
    return is_alive and (is_confirmed or host.node.me.number == CURRENT)


def _tidy_life(host: Host, life: Node, timings: Timings) -> Node:
    """While a node has no connection, its renewals do not matter: it will have renewed just before the connect."""
    if not can_ever_ping(host) and not host.is_granted:
        return node.booted(life.me, 0, timings)
    order = _order(host, life)
    return replace(
        life,
        deadline=max(life.deadline, 0),
        sent=order.index(life.sent),
        sent_at=max(life.sent_at, -timings.trust) if host.is_renewed else 0,
        confirmed=order.index(life.confirmed),
    )


def _tidy_claim(host: Host, held: Claim, life: Node) -> Claim:
    return replace(
        held,
        connect_from=max(held.connect_from, 0),
        clean_from=max(held.clean_from, 0),
        spent=_order(host, life).index(held.spent) if can_ever_ping(host) else -1,
        awaits_pong=held.awaits_pong and can_ever_ping(host),
        is_noted_clean=False,
        next_owner=None,
    )


def _order(host: Host, life: Node) -> list[int]:
    """The numbers of renewals that are compared, in order: nothing but their order matters."""
    spent = {host.claim.spent} if host.claim is not None else set()
    return sorted({life.sent, life.confirmed} | spent)


def looked(host: Host, others: Iterable[int], timings: Timings) -> Host:
    """A poll, which shows the present heartbeats of these."""
    beats = tuple(Heartbeat(NodeEpoch(str(which), CURRENT), CURRENT) for which in others)
    return replace(host, watch=watch.polled(host.watch, Poll(beats, SERVER), 0, timings))


def beat_moved(host: Host, which: str) -> Host:
    """That node's heartbeat is another than the one seen here. Such a sighting is as good as none."""
    kept = tuple(seen for seen in host.watch.sightings if seen.heartbeat.node.node_id != which)
    return replace(host, watch=replace(host.watch, sightings=kept))


def row_moved(host: Host) -> Host:
    """The row has a new epoch, and another owner than those whom anybody fenced."""
    held = None if host.claim is None else replace(host.claim, epoch=LOST)
    return replace(host, claim=held, watch=replace(host.watch, fenced=frozenset()))


def life_ended(host: Host) -> Host:
    """Somebody has ended this node's life; it does not know yet."""
    if host.node is None:
        return host
    return replace(host, node=replace(host.node, me=NodeEpoch(ME, OLD)))


def haunted(host: Host, delay: int) -> Host:
    """The first packet of a socket that was left behind arrives."""
    is_past = host.node is None or host.is_old_ghost
    host = replace(host, ghost=None, is_old_ghost=False)
    if is_past:
        return replace(host, remains=max(host.remains, delay))
    return replace(host, strays=max(host.strays, delay))


class Opens(NamedTuple):
    """Which connections of a machine the data centre holds: those that must not be open beside …"""

    another_nodes: bool
    its_own: bool
    """… one that it opens now: those of its earlier lives. A life may leave its own behind."""
    its_ghost: bool
    """… one that an earlier life's packet opens: those of its present life."""


def opens(host: Host) -> Opens:
    """What the data centre holds of this machine."""
    of_this_life = host.strays > 0 or is_open(host.line)
    return Opens(host.remains > 0 or of_this_life, host.remains > 0, host.is_old_ghost and of_this_life)


def may_be_attested(host: Host, timings: Timings) -> bool:
    """Whether a truthful witness of the dead process may speak now."""
    is_over = not host.remains and host.ghost is None
    is_quiet = host.remains <= timings.delay and host.ghost is None
    death = attest.Death(gone_at=-host.gone, said_farewell=is_over)
    return host.node is None and is_quiet and attest.may_attest(death, 0, timings)


def told(
    host: Host, event: events.ClaimEvent, timings: Timings, delay: int
) -> tuple[Host, tuple[events.ClaimEffect, ...]]:
    """The claim has heard of an event; its effects on the socket are done, the others are handed on."""
    if host.claim is None or host.node is None:
        return host, ()
    held, effects = claim.step(host.claim, event, host.node, timings)
    host = replace(host, claim=held)
    for effect in effects:
        match effect:
            case events.Abort():
                host = left_behind(host, delay)
            case events.SendPing() if host.line is not None:
                host = replace(host, line=written(host.line))
            case _:
                pass
    return host, effects

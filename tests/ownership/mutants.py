"""The rules of ownership, each taken away: by a core function that forgot it, or by a world that ignores it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType

from supervisor.ownership import attest, claim, node, watch
from supervisor.ownership.claim import Claim, Past, Socket
from supervisor.ownership.node import Node
from supervisor.ownership.timings import Timings
from supervisor.ownership.watch import Watch
from tests.ownership.scene import Scene
from tests.ownership.ticks import ticks

FREEZES = Scene(ticks(delay=2, trust=1, unacknowledged=1, silence=3))
"""Machines freeze, with clock and kernel. A connect is one step: see THE_ROUND_TRIP."""
PAUSES = Scene(
    ticks(delay=1, trust=3, unacknowledged=1, silence=3), machines_freeze=False, connects_at_once=False
)
"""Clocks run, processes rest, between any two steps of a connect too."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule taken away: `function` of `module` replaced, or a scene that ignores it."""

    rule: str
    scene: Scene = FREEZES
    module: ModuleType | None = None
    function: str = ""
    by: Callable[..., object] | None = None

    def __str__(self) -> str:
        return self.rule.replace(" ", "_")


def _pings_without_confirmation(held: Claim, life: Node, at: float) -> bool:
    return held.socket is Socket.OPEN and not held.awaits_pong and node.is_trusted(life, at)


def _pings_without_pong(held: Claim, life: Node, at: float) -> bool:
    is_unspent = (node.fresh(life) or 0) > held.spent
    return held.socket is Socket.OPEN and is_unspent and node.is_trusted(life, at)


def _connects_in_quarantine(held: Claim, life: Node, at: float) -> bool:
    return held.socket is Socket.NONE and node.is_trusted(life, at)


def _opens_without_trust(held: Claim, _life: Node, _at: float) -> bool:
    return held.socket is Socket.ASKING


def _waits_less_when_unknown(past: Past, timings: Timings) -> float:
    return 0.0 if past is Past.CLEAN else timings.quarantine


def _forgets_what_it_aborted(held: Claim, at: float) -> bool:
    return at >= held.connect_from


def _fences_at_sight(eyes: Watch, _at: float, _timings: Timings) -> list[object]:
    return [seen.heartbeat for seen in eyes.sightings]


MUTANTS = [
    Mutant(
        "pings are chained to confirmed renewals", FREEZES, claim, "may_ping", _pings_without_confirmation
    ),
    Mutant("a ping waits for the pong before", FREEZES, claim, "may_ping", _pings_without_pong),
    Mutant("confirmations are not banked", FREEZES, claim, "fresh", lambda life: life.confirmed),
    Mutant("no socket in quarantine", FREEZES, claim, "may_connect", _connects_in_quarantine),
    Mutant("the unknown waits the whole time", FREEZES, claim, "quarantine", _waits_less_when_unknown),
    Mutant("only what was watched waits less", FREEZES, watch, "past_of", lambda *_: Past.WATCHED),
    Mutant("only the silent are fenced", FREEZES, watch, "silent", _fences_at_sight),
    Mutant("a release in quarantine is unclean", FREEZES, claim, "is_clean", lambda *_: True),
    Mutant("what was aborted is unclean", FREEZES, claim, "is_clean", _forgets_what_it_aborted),
    Mutant("a death without farewell waits", FREEZES, attest, "may_attest", lambda *_: True),
    Mutant("a grant is used in time", PAUSES, claim, "may_open", _opens_without_trust),
    Mutant("a connect needs a renewal not a read", Scene(FREEZES.timings, connects_after_reading=True)),
    Mutant("no reconnect of the library", Scene(FREEZES.timings, library_reconnects=True)),
    Mutant("the data centre has timers", Scene(FREEZES.timings, dc_has_timers=False)),
    Mutant("taking a session renews", Scene(FREEZES.timings, acquiring_renews=False)),
]

NO_LOCAL_FENCE = Mutant("the local fence", FREEZES, claim, "is_trusted", lambda *_: True)
"""Is no rule that safety needs: the data centre's timer alone carries it. The fence is a second line."""

THE_ROUND_TRIP = Scene(FREEZES.timings, connects_at_once=False)
"""What no rule covers: a machine that freezes between the arbiter's grant and the arrival of the first packet, for
longer than the wait."""

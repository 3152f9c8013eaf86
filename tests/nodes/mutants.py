"""The rules of ownership, each taken away from the code that ships, or by a world that ignores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from unittest.mock import patch

from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership, Taken, Verdict
from supervisor.owner.claims import Claims
from supervisor.owner.holding import Holding
from supervisor.ownership import claim, events, node, watch
from supervisor.ownership.claim import Claim, Past, Socket
from supervisor.ownership.node import Node
from supervisor.sessions import Alone, Sessions
from tests.nodes import node as simulated
from tests.nodes.line import Link
from tests.nodes.world import World
from tests.ownership import mutants as core

Breaking = Callable[[World], AbstractContextManager[object]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A rule, and how it is taken away for one run."""

    rule: str
    breaking: Breaking

    def __str__(self) -> str:
        return self.rule.replace(" ", "_")


def _in(module: object, name: str, by: object) -> Breaking:
    return lambda _: patch.object(module, name, by)


def _on_arbiter(name: str, make: Callable[[World], object]) -> Breaking:
    return lambda world: patch.object(type(world.arbiter), name, make(world))


def _verify_by_reading(_: World) -> object:
    async def verify(
        arbiter: object, me: NodeEpoch, key: SessionKey, epoch: int, *, is_clean: bool
    ) -> Verdict:
        await arbiter._reach()  # type: ignore[attr-defined]
        is_ours = arbiter._owns(me, Taken(key, epoch)) and arbiter._lives(me)  # type: ignore[attr-defined]
        if is_ours:
            arbiter.rows[key] = Ownership(key, epoch, me, is_clean)  # type: ignore[attr-defined]
        return Verdict.GRANTED if is_ours else Verdict.SESSION_LOST

    return verify


def _no_epoch_check(world: World) -> AbstractContextManager[object]:
    return patch.object(world.database, "checks_epochs", new=False)


def _no_timers(world: World) -> AbstractContextManager[object]:
    return patch.object(world.telegram, "has_timers", new=False)


def _granted_whatever_it_says(_: World) -> AbstractContextManager[object]:
    ask = Claims.verify

    async def verify(claims: Claims, taken: Taken, *, is_clean: bool) -> object:
        await ask(claims, taken, is_clean=is_clean)
        return events.Verified(claims.now())

    return patch.object(Claims, "verify", verify)


def _falsy_owner(_: World) -> AbstractContextManager[object]:
    begin = Sessions.__init__

    def build(sessions: Sessions, *args: object, owner: object = None) -> None:
        begin(sessions, *args, owner=owner or Alone())  # type: ignore[arg-type]

    return patch.object(Sessions, "__init__", build)


def _reconnects(_: World) -> AbstractContextManager[object]:
    lose = Link._end

    def end(link: Link, *, was_seen: bool) -> None:
        was_up = link.is_up and link._is_open and not link._is_shut
        lose(link, was_seen=was_seen)
        if was_up and not link._node.is_dead:
            link.reconnect()

    return patch.object(Link, "_end", end)


@contextmanager
def _connects_in_quarantine(_: World) -> Iterator[None]:
    """Two places see to it: the session waits, and its guard does not ask."""
    may_connect = patch.object(claim, "may_connect", core._connects_in_quarantine)
    with may_connect, patch.object(Holding, "quarantine_left", 0.0):
        yield


def _clean_if_out_of_quarantine(held: Claim, at: float) -> bool:
    return at >= held.connect_from


def _opens_without_trust(held: Claim, _life: Node, _at: float) -> bool:
    return held.socket is Socket.ASKING


MUTANTS = [
    Mutant("an owner that has nothing is asked too", _falsy_owner),
    Mutant("there is a quarantine", _in(claim, "quarantine", lambda *_: 0.0)),
    Mutant("no socket in quarantine", _connects_in_quarantine),
    Mutant("the unknown waits the whole time", _in(claim, "quarantine", core._waits_less_when_unknown)),
    Mutant("only what was watched waits less", _in(watch, "past_of", lambda *_: Past.WATCHED)),
    Mutant("what is not known is not clean", _in(watch, "past_of", lambda *_: Past.CLEAN)),
    Mutant("only the silent are fenced", _in(watch, "silent", core._fences_at_sight)),
    Mutant("a watcher counts anew after a gap", _in(watch, "is_continuous", lambda *_: True)),
    Mutant("pings are chained to renewals", _in(claim, "may_ping", core._pings_without_confirmation)),
    Mutant("a ping waits for the pong before", _in(claim, "may_ping", core._pings_without_pong)),
    Mutant("a connect needs a renewal not a read", _on_arbiter("verify", _verify_by_reading)),
    Mutant("a connect needs the session", _granted_whatever_it_says),
    Mutant("a grant is used in time", _in(claim, "may_open", _opens_without_trust)),
    Mutant("the gate of every packet", _in(Holding, "passes", lambda _: True)),
    Mutant("the local fence", _in(claim, "is_trusted", lambda *_: True)),
    Mutant("a release in doubt is unclean", _in(claim, "is_clean", lambda *_: True)),
    Mutant("what was aborted is unclean", _in(claim, "is_clean", _clean_if_out_of_quarantine)),
    Mutant("a death without farewell waits", _in(simulated, "may_attest", lambda *_: True)),
    Mutant("the store checks epochs", _no_epoch_check),
    Mutant("no reconnect of the library", _reconnects),
    Mutant("the data centre has timers", _no_timers),
    Mutant("a loop that lags is fenced", _in(node, "_trouble", lambda *_: None)),
]

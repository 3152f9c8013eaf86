"""The model: machines, one session, the arbiter's row, and a data centre with a timer for each connection.

A machine may be frozen, with its clock and its kernel, from one tick to the next.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from tests.ownership import host as h
from tests.ownership.host import Host
from tests.ownership.moves import Moves
from tests.ownership.scene import LINE, Outcome, Row, Scene

State = tuple[Row, tuple[int, ...]]


class Model:
    """Moves, worked out once for each host and row."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._timings = scene.timings
        self._possible = Moves(scene)
        self._hosts: dict[Host, int] = {}
        self.known: list[Host] = []
        self._opens: list[h.Opens] = []
        self._moves: dict[tuple[int, Row], list[tuple[str, int, Row, Outcome]]] = {}
        self._heard: dict[tuple[int, str], int] = {}

    # -- hosts by number

    def number(self, host: Host) -> int:
        host = h.tidy(host, self._timings, zombies_are_harmless=not self.scene.library_reconnects)
        known = self._hosts.get(host)
        if known is None:
            known = self._hosts[host] = len(self.known)
            self.known.append(host)
            self._opens.append(h.opens(host))
        return known

    def hears(self, number: int, news: str) -> int:
        """The host after some news, or a tick."""
        known = self._heard.get((number, news))
        if known is None:
            known = self._heard[number, news] = self.number(self._after(self.known[number], news))
        return known

    def _after(self, host: Host, news: str) -> Host:
        match news.split():
            case ["tick"]:
                return self._still(h.ticked(host, self._timings, is_frozen=False), host)
            case ["freeze"]:
                return self._still(h.ticked(host, self._timings, is_frozen=True), host)
            case ["beat", which]:
                return h.beat_moved(host, which)
            case ["row"]:
                return h.row_moved(host)
            case ["fenced"]:
                return h.life_ended(host)
            case _:
                raise AssertionError(news)

    def _still(self, after: Host, before: Host) -> Host:
        """Without timers nothing at the data centre ever ends."""
        if self.scene.dc_has_timers:
            return after
        line = after.line
        if line is not None and before.line is not None:
            line = line._replace(timer=before.line.timer)
        return replace(after, line=line, strays=before.strays, remains=before.remains)

    # -- the whole

    def start(self) -> State:
        """Every node has booted; the session has never been owned."""
        fresh = self.number(h.started(Host(), self._timings))
        return self._turned((Row(), (fresh,) * self.scene.nodes))

    def successors(self, state: State) -> Iterator[tuple[str, int, State, bool]]:
        """What can happen: what, to which host, what comes of it, and whether a connection opens beside another."""
        row, hosts = state
        for which, number in enumerate(hosts):
            for what, after, new_row, outcome in self.moves(number, self._seen_by(which, row)):
                yield (
                    what,
                    which,
                    self._joined(state, which, after, new_row, outcome),
                    self._is_bad(hosts, which, outcome),
                )
        ticks = ("tick", "freeze") if self.scene.machines_freeze else ("tick",)
        for news in product(ticks, repeat=len(hosts)):
            later = tuple(self.hears(number, one) for number, one in zip(hosts, news, strict=True))
            what = "a tick passes" + "".join(
                f", machine {'ABC'[which]} frozen" for which, one in enumerate(news) if one == "freeze"
            )
            yield what, -1, (row, later), False

    def _is_bad(self, hosts: tuple[int, ...], which: int, outcome: Outcome) -> bool:
        if not outcome.opens:
            return False
        own = self._opens[hosts[which]]
        if own.its_own if outcome.opens == LINE else own.its_ghost:
            return True
        return any(self._opens[number].another_nodes for other, number in enumerate(hosts) if other != which)

    def _joined(self, state: State, which: int, after: int, row: Row, outcome: Outcome) -> State:
        _, hosts = state
        new = list(hosts)
        new[which] = after
        for other in range(len(new)):
            if other == which:
                continue
            if outcome.beats:
                new[other] = self.hears(new[other], f"beat {(which - other) % len(new)}")
            if outcome.moves_row:
                new[other] = self.hears(new[other], "row")
            if outcome.fences:
                victim = (which + outcome.fences) % len(new)
                news = "fenced" if other == victim else f"beat {(victim - other) % len(new)}"
                new[other] = self.hears(new[other], news)
        return self._seen_by(-which, row), tuple(new)

    def _seen_by(self, which: int, row: Row) -> Row:
        """The row with its nodes counted from another."""
        if row.owner is None and row.next_owner is None:
            return row
        nodes = self.scene.nodes
        owner = None if row.owner is None else (row.owner - which) % nodes
        next_owner = None if row.next_owner is None else (row.next_owner - which) % nodes
        return row._replace(owner=owner, next_owner=next_owner)

    def canonical(self, state: State) -> State:
        """The same, turned so that which node is called A makes no difference."""
        return self._turned(state)

    def _turned(self, state: State) -> State:
        hosts = state[1]
        first = min(range(len(hosts)), key=lambda which: hosts[which:] + hosts[:which])
        return state if first == 0 else self.turned_by(state, first)

    def turned_by(self, state: State, by: int) -> State:
        """The same, with the machine at `by` called A."""
        row, hosts = state
        return self._seen_by(by, row), hosts[by:] + hosts[:by]

    # -- one host

    def moves(self, number: int, row: Row) -> list[tuple[str, int, Row, Outcome]]:
        known = self._moves.get((number, row))
        if known is None:
            host = self.known[number]
            known = [
                (outcome.what, self.number(outcome.host), outcome.row, outcome)
                for outcome in self._possible.outcomes(host, row)
            ]
            known = list(
                {(after, new, *out[3:]): (what, after, new, out) for what, after, new, out in known}.values()
            )
            known = [move for move in known if (move[1], move[2]) != (number, row) or move[3].beats]
            self._moves[number, row] = known
        return known

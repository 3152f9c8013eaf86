"""Breakers of what comes and goes: tenants' apps and proxies. Each is there only while it has something to say."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from actors.ports import Shared
from supervisor.breaker import Attempt, Breaker, BreakerPolicy, Circuit
from supervisor.events import CircuitChanged, Scope, Tell

MOST = 1000
"""Breakers that are kept beside those in use; of more, what was met the longest time ago is forgotten."""


@dataclass(slots=True, eq=False)
class _Kept:
    breaker: Breaker
    users: int = 0


class Circuits:
    """A breaker for each of many shared things of one scope, made when first met, dropped when it knows nothing.

    Changes are told with whose thing it is, how many are open, and how the worst of them is.
    """

    def __init__(self, scope: Scope, tell: Tell, policy: BreakerPolicy, most: int = MOST) -> None:
        self._scope = scope
        self._tell = tell
        self._policy = policy
        self._most = most
        self._kept: OrderedDict[Shared, _Kept] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def worst(self) -> Circuit:
        """The state of the one that is worst off."""
        return max((kept.breaker.circuit for kept in self._kept.values()), default=Circuit.CLOSED)

    @property
    def open(self) -> int:
        """How many are not closed."""
        return sum(kept.breaker.circuit is not Circuit.CLOSED for kept in self._kept.values())

    def in_trouble(self) -> list[tuple[str, Breaker]]:
        """Those that are not closed, each with whose it is."""
        return [
            (shared.of, kept.breaker)
            for shared, kept in self._kept.items()
            if kept.breaker.circuit is not Circuit.CLOSED
        ]

    def check(self, shared: Shared) -> None:
        """Raise CircuitOpen if an attempt would not be let through now."""
        kept = self._kept.get(shared)
        if kept is not None:
            kept.breaker.check()

    @contextmanager
    def attempt(self, shared: Shared, by: Hashable) -> Iterator[Attempt]:
        """Try in the block, and say on the attempt how it went. Raises CircuitOpen."""
        kept = self._met(shared)
        kept.users += 1
        try:
            with kept.breaker.attempt(by) as attempt:
                yield attempt
        finally:
            kept.users -= 1
            if kept.users == 0 and kept.breaker.is_forgettable:
                self._drop(shared)

    def sweep(self) -> None:
        """Drop those that know nothing any more: of others, only time tells."""
        for shared, kept in list(self._kept.items()):
            if kept.users == 0 and kept.breaker.is_forgettable:
                self._drop(shared)

    def _met(self, shared: Shared) -> _Kept:
        kept = self._kept.get(shared)
        if kept is None:
            self._make_room()
            kept = self._kept[shared] = _Kept(
                Breaker(self._policy, lambda circuit: self._changed(shared, circuit))
            )
        self._kept.move_to_end(shared)
        return kept

    def _make_room(self) -> None:
        if len(self._kept) >= self._most:
            idle = next((shared for shared, kept in self._kept.items() if kept.users == 0), None)
            if idle is not None:
                self._drop(idle)

    def _drop(self, shared: Shared) -> None:
        if self._kept.pop(shared).breaker.circuit is not Circuit.CLOSED:
            self._changed(shared, Circuit.CLOSED)

    def _changed(self, shared: Shared, circuit: Circuit) -> None:
        self._tell(CircuitChanged(self._scope, circuit, shared.of, self.open, self.worst))

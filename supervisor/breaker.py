"""A circuit breaker: whether something that many sessions depend on is worth another try. On trio's clock.

It counts different sessions, not failures: one sick session that fails again and again is no outage.
An attempt that ends without a verdict (it was cancelled, say) changes nothing and gives the probe back.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum

import trio


class Circuit(IntEnum):
    """The state of a breaker, as its metric shows it."""

    CLOSED = 0
    HALF_OPEN = 1
    OPEN = 2


class CircuitOpen(Exception):
    """Not worth a try for another `retry_after` seconds; 0 while somebody is out trying."""

    def __init__(self, retry_after: float) -> None:
        super().__init__("the circuit is open")
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class BreakerPolicy:
    """Opens after failures of `limit` sessions within `window` seconds; rests first 30, at last 600 seconds."""

    limit: int = 5
    window: float = 60.0
    first_rest: float = 30.0
    longest_rest: float = 600.0


class Breaker:
    """Closed, then open for a rest, then half-open with exactly one probe, which closes it or doubles the rest."""

    def __init__(self, policy: BreakerPolicy, changed: Callable[[Circuit], None]) -> None:
        self._policy = policy
        self._changed = changed
        self._failures: dict[Hashable, float] = {}
        self._rest = 0.0
        self._rests_until = 0.0
        self._probe: Attempt | None = None
        self.circuit = Circuit.CLOSED

    @property
    def retry_after(self) -> float:
        """Seconds until a probe is let through; 0 when that is now, or when the circuit is closed."""
        return 0.0 if self.circuit is Circuit.CLOSED else max(0.0, self._rests_until - trio.current_time())

    @property
    def is_forgettable(self) -> bool:
        """Whether a new one would be as good: no failure counts any more, or nobody has come to probe for long."""
        now = trio.current_time()
        if self.circuit is Circuit.CLOSED:
            return all(at <= now - self._policy.window for at in self._failures.values())
        return self._probe is None and now > self._rests_until + self._policy.longest_rest

    def check(self) -> None:
        """Raise CircuitOpen if an attempt would not be let through now."""
        if self.circuit is not Circuit.CLOSED and (self._probe is not None or self.retry_after > 0):
            raise CircuitOpen(self.retry_after)

    @contextmanager
    def attempt(self, by: Hashable) -> Iterator[Attempt]:
        """Try in the block, and say on the attempt how it went. Raises CircuitOpen."""
        self.check()
        attempt = Attempt(self, by)
        if self.circuit is not Circuit.CLOSED:
            self._probe = attempt
            self._enter(Circuit.HALF_OPEN)
        try:
            yield attempt
        finally:
            if attempt is self._probe:
                self._probe = None
                self._enter(Circuit.OPEN)

    def note_success(self, attempt: Attempt) -> None:
        """What the probe, or any attempt at a closed circuit, has learned."""
        if self._is_evidence(attempt):
            self._rest, self._probe = 0.0, None
            self._failures.clear()
            self._enter(Circuit.CLOSED)

    def note_failure(self, attempt: Attempt, *, certain: bool) -> None:
        """The same. `certain` opens at once: what happened to one would happen to all."""
        if not self._is_evidence(attempt):
            return
        now = trio.current_time()
        recent = {by: at for by, at in self._failures.items() if at > now - self._policy.window}
        self._failures = recent | {attempt.by: now}
        if certain or attempt is self._probe or len(self._failures) >= self._policy.limit:
            self._open(now)

    def _is_evidence(self, attempt: Attempt) -> bool:
        """Attempts that began before the circuit opened tell of the time before."""
        return self.circuit is Circuit.CLOSED or attempt is self._probe

    def _open(self, now: float) -> None:
        self._rest = min(max(self._policy.first_rest, self._rest * 2), self._policy.longest_rest)
        self._rests_until = now + self._rest
        self._probe = None
        self._failures.clear()
        self._enter(Circuit.OPEN)

    def _enter(self, circuit: Circuit) -> None:
        if circuit is not self.circuit:
            self.circuit = circuit
            self._changed(circuit)


@dataclass(frozen=True, slots=True, eq=False)
class Attempt:
    """One try, by one session."""

    breaker: Breaker
    by: Hashable

    def succeeded(self) -> None:
        """It works."""
        self.breaker.note_success(self)

    def failed(self) -> None:
        """It did not work, which may be this session's bad luck."""
        self.breaker.note_failure(self, certain=False)

    def refused(self) -> None:
        """It will work for nobody."""
        self.breaker.note_failure(self, certain=True)

"""The gate that every new connection to Telegram passes: its pace, and breakers for what all connections share.

So a thousand sessions do not each discover that a data centre is down, a restart is no storm, and a connect that
stalls holds up nobody: it has had its turn, and keeps no place that another could need.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import trio

from actors.clock import Clock
from actors.core.messages import FloodWaited, LoginFailed, Signal, Unreachable
from actors.core.names import SessionKey
from actors.core.states import Reason
from supervisor.breaker import Attempt, Breaker, BreakerPolicy, CircuitOpen
from supervisor.events import CircuitChanged, Scope, Tell
from supervisor.pace import Pace

PATIENCE = 10.0
"""Seconds that a session waits for its turn; then it is Unreachable, serves its mailbox, and tries again later."""

ATTEMPT = 18.0
"""Seconds that a connect may take. With PATIENCE it stays below the 30 of `actors.perform`."""

CONNECTION_SCOPES = (Scope.DC1, Scope.DC2, Scope.DC3, Scope.DC4, Scope.DC5, Scope.API_ID)


def new_breakers(tell: Tell, policy: BreakerPolicy | None = None) -> Mapping[Scope, Breaker]:
    """A breaker for each thing that connections share."""
    return {scope: new_breaker(scope, tell, policy or BreakerPolicy()) for scope in CONNECTION_SCOPES}


def new_breaker(scope: Scope, tell: Tell, policy: BreakerPolicy) -> Breaker:
    """A closed breaker that tells of its changes."""
    return Breaker(policy, lambda circuit: tell(CircuitChanged(scope, circuit)))


class Refusing(Exception):
    """The gate lets this connect not through; `reason` is what its session is told."""

    def __init__(self, reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(reason)
        self.reason = reason


class ConnectGate:
    """The Gate port of one process with one app at Telegram."""

    def __init__(self, pace: Pace, breakers: Mapping[Scope, Breaker], clock: Clock) -> None:
        self.breakers = breakers
        self._pace = pace
        self._clock = clock
        self._queue: set[trio.CancelScope] = set()
        self._closed = False

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    def close(self) -> None:
        """Let nobody through any more, for the process is stopping."""
        self._closed = True
        for scope in self._queue:
            scope.cancel()

    async def through(
        self,
        key: SessionKey,
        attempt: Callable[[], Awaitable[Signal]],
        *,
        dc: Callable[[], int],
        background: bool,
    ) -> Signal:
        """See the port."""
        try:
            self._check(dc())
            await self._turn(background=background)
            return await self._try(key, attempt, dc)
        except Refusing as refusing:
            return Unreachable(self._clock.now(), refusing.reason)

    def _check(self, dc: int) -> None:
        for scope in (_scope(dc), Scope.API_ID):
            try:
                self.breakers[scope].check()
            except CircuitOpen as circuit_open:
                raise Refusing(_reason(scope)) from circuit_open

    async def _turn(self, *, background: bool) -> None:
        if self._closed:
            raise Refusing
        with trio.move_on_after(PATIENCE) as scope:
            self._queue.add(scope)
            try:
                return await self._pace.turn(background=background)
            finally:
                self._queue.remove(scope)
        raise Refusing

    async def _try(
        self, key: SessionKey, attempt: Callable[[], Awaitable[Signal]], dc: Callable[[], int]
    ) -> Signal:
        began_at = dc()
        self._check(began_at)  # much may have happened while this waited
        with (
            self.breakers[_scope(began_at)].attempt(key) as at_dc,
            self.breakers[Scope.API_ID].attempt(key) as with_app,
        ):
            signal = await self._within_time(attempt)
            if dc() == began_at:
                _judge(signal, at_dc, with_app)
            else:  # Telegram has sent this one on to another data centre: that one's verdict
                at_dc.succeeded()
                with suppress(CircuitOpen), self.breakers[_scope(dc())].attempt(key) as at_other:
                    _judge(signal, at_other, with_app)
            return signal

    async def _within_time(self, attempt: Callable[[], Awaitable[Signal]]) -> Signal:
        with trio.move_on_after(ATTEMPT):
            return await attempt()
        return Unreachable(self._clock.now())


def _judge(signal: Signal, at_dc: Attempt, with_app: Attempt) -> None:
    """Whatever Telegram answers, its data centre works. To be asked to wait says nothing about the app."""
    match signal:
        case Unreachable(reason=Reason.UNREACHABLE):
            at_dc.failed()
        case Unreachable(reason=Reason.APP_REFUSED) | LoginFailed(reason=Reason.APP_REFUSED):
            at_dc.succeeded()
            with_app.refused()
        case FloodWaited():
            at_dc.succeeded()
        case _:
            at_dc.succeeded()
            with_app.succeeded()


def _scope(dc: int) -> Scope:
    """Telegram has five data centres (core.telegram.org/api/datacenter). Raises ValueError for another's number."""
    return Scope(f"dc{dc}")


def _reason(scope: Scope) -> Reason:
    return Reason.APP_REFUSED if scope is Scope.API_ID else Reason.UNREACHABLE

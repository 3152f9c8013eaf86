"""The gate that every new connection to Telegram passes: its pace, and breakers for what connections share.

Each connection has two of them: that of the app it speaks as, and that of where it goes. That is its data centre or,
with a proxy, the proxy alone: whoever goes through one neither tells nor is told anything of the data centre.

So a thousand sessions do not each discover that a data centre is down, a restart is no storm, and a connect that
stalls holds up nobody: it has had its turn, and keeps no place that another could need.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from math import inf

import trio

from actors.clock import Clock
from actors.core.messages import FloodWaited, LoginFailed, Signal, Unreachable
from actors.core.names import SessionKey
from actors.core.states import Reason
from actors.ports import Shared, Way
from supervisor.breaker import Attempt, Breaker, BreakerPolicy, CircuitOpen
from supervisor.circuits import Circuits
from supervisor.events import CircuitChanged, Scope, Tell
from supervisor.pace import Pace

PATIENCE = 10.0
"""Seconds that a session waits for its turn; then it is Unreachable, serves its mailbox, and tries again later."""

ATTEMPT = 18.0
"""Seconds that a connect may take. With PATIENCE it stays below the 30 of `actors.perform`."""

DCS = (Scope.DC1, Scope.DC2, Scope.DC3, Scope.DC4, Scope.DC5)

TROUBLES = (Reason.UNREACHABLE, Reason.PROXY_UNREACHABLE)
"""What says that a connection did not get to where it goes."""


@dataclass(frozen=True, slots=True)
class Breakers:
    """A breaker for each thing that connections share."""

    dcs: Mapping[Scope, Breaker]
    apps: Circuits
    proxies: Circuits

    def sweep(self) -> None:
        """Drop those that know nothing any more; call it now and then."""
        self.apps.sweep()
        self.proxies.sweep()


def new_breakers(tell: Tell, policy: BreakerPolicy | None = None) -> Breakers:
    """All of them closed; they tell of their changes."""
    policy = policy or BreakerPolicy()
    return Breakers(
        {scope: new_breaker(scope, tell, policy) for scope in DCS},
        Circuits(Scope.API_ID, tell, policy),
        Circuits(Scope.PROXY, tell, policy),
    )


def new_breaker(scope: Scope, tell: Tell, policy: BreakerPolicy) -> Breaker:
    """A closed breaker that tells of its changes."""
    return Breaker(policy, lambda circuit: tell(CircuitChanged(scope, circuit)))


class Refusing(Exception):
    """The gate lets this connect not through; `reason` is what its session is told."""

    def __init__(self, reason: Reason = Reason.UNREACHABLE) -> None:
        super().__init__(reason)
        self.reason = reason


class ConnectGate:
    """The Gate port of one process."""

    def __init__(self, pace: Pace, breakers: Breakers, clock: Clock) -> None:
        self.breakers = breakers
        self._pace = pace
        self._clock = clock
        self._queue: set[trio.CancelScope] = set()
        self._closed = False
        self._held_until = -inf

    @property
    def waiting(self) -> int:
        """How many wait for their turn."""
        return len(self._queue)

    def hold(self, seconds: float) -> None:
        """Let nobody through for so long from now."""
        self._held_until = max(self._held_until, trio.current_time() + seconds)

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
        way: Way,
        background: bool,
    ) -> Signal:
        """See the port."""
        try:
            self._check(dc(), way)
            await self._turn(background=background)
            return await self._try(key, attempt, dc, way)
        except Refusing as refusing:
            return Unreachable(self._clock.now(), refusing.reason)

    def _check(self, dc: int, way: Way) -> None:
        if trio.current_time() < self._held_until:
            raise Refusing
        try:
            self.breakers.apps.check(way.app)
        except CircuitOpen as circuit_open:
            raise Refusing(Reason.APP_REFUSED) from circuit_open
        try:
            if way.proxy is None:
                self.breakers.dcs[_scope(dc)].check()
            else:
                self.breakers.proxies.check(way.proxy)
        except CircuitOpen as circuit_open:
            raise Refusing(Reason.PROXY_UNREACHABLE if way.proxy else Reason.UNREACHABLE) from circuit_open

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
        self, key: SessionKey, attempt: Callable[[], Awaitable[Signal]], dc: Callable[[], int], way: Way
    ) -> Signal:
        began_at = dc()
        self._check(began_at, way)  # much may have happened while this waited
        with (
            self._where(began_at, way.proxy, key) as where,
            self.breakers.apps.attempt(way.app, key) as with_app,
        ):
            signal = await self._within_time(attempt)
            if way.proxy is not None or dc() == began_at:
                _judge(signal, where, with_app)
            else:  # Telegram has sent this one on to another data centre: that one's verdict
                where.succeeded()
                with suppress(CircuitOpen), self._where(dc(), None, key) as at_other:
                    _judge(signal, at_other, with_app)
            return signal

    def _where(self, dc: int, proxy: Shared | None, key: SessionKey) -> AbstractContextManager[Attempt]:
        if proxy is None:
            return self.breakers.dcs[_scope(dc)].attempt(key)
        return self.breakers.proxies.attempt(proxy, key)

    async def _within_time(self, attempt: Callable[[], Awaitable[Signal]]) -> Signal:
        with trio.move_on_after(ATTEMPT):
            return await attempt()
        return Unreachable(self._clock.now())


def _judge(signal: Signal, where: Attempt, with_app: Attempt) -> None:
    """Whatever Telegram answers, it was reached. To be asked to wait says nothing about the app."""
    match signal:
        case Unreachable(reason=reason) if reason in TROUBLES:
            where.failed()
        case Unreachable(reason=Reason.APP_REFUSED) | LoginFailed(reason=Reason.APP_REFUSED):
            where.succeeded()
            with_app.refused()
        case Unreachable(reason=Reason.NOT_OWNED):
            pass  # nothing was said to Telegram, and nothing learned of it
        case FloodWaited():
            where.succeeded()
        case _:
            where.succeeded()
            with_app.succeeded()


def _scope(dc: int) -> Scope:
    """Telegram has five data centres (core.telegram.org/api/datacenter). Raises ValueError for another's number."""
    return Scope(f"dc{dc}")

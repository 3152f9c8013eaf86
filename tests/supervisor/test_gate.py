"""The gate: what one session learns of a data centre spares the others, and no neighbour is held up by a stall."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.states import Reason
from actors.perform import DEADLINES
from actors.ports import Shared, Way
from supervisor.breaker import BreakerPolicy, Circuit
from supervisor.events import CircuitChanged, Event, Scope
from supervisor.gate import ATTEMPT, PATIENCE, ConnectGate, new_breakers
from supervisor.pace import Pace
from tests.fakes import SERVICE

ONLINE = m.Online(4242, 0.0)


def key(number: int) -> SessionKey:
    return SessionKey("tenant", f"app-{number}")


class Telegram:
    """Five data centres behind a gate; `answer` is what a connect to one comes to."""

    def __init__(self, pace: Pace | None = None) -> None:
        self.clock = Clock()
        self.told: list[Event] = []
        breakers = new_breakers(self.told.append, BreakerPolicy(limit=5))
        self.gate = ConnectGate(pace or Pace(rate=1000, burst=1000), breakers, self.clock)
        self.reached: list[tuple[int, int]] = []
        self.answers: dict[int, Callable[[], Awaitable[m.Signal]]] = {}

    async def connect(
        self, number: int, dc: int = 2, *, way: Way = SERVICE, background: bool = True
    ) -> m.Signal:
        async def attempt() -> m.Signal:
            self.reached.append((number, dc))
            await trio.lowlevel.checkpoint()
            return await self.answers[dc]() if dc in self.answers else ONLINE

        return await self.gate.through(key(number), attempt, dc=lambda: dc, way=way, background=background)

    def says(self, signal: m.Signal, dc: int = 2) -> None:
        async def answer() -> m.Signal:
            return signal

        self.answers[dc] = answer

    def is_down(self, dc: int = 2) -> None:
        self.says(m.Unreachable(self.clock.now()), dc)

    def stalls(self, dc: int = 2) -> None:
        self.answers[dc] = trio.sleep_forever

    def circuit(self, scope: Scope) -> Circuit:
        shared = {Scope.API_ID: self.gate.breakers.apps, Scope.PROXY: self.gate.breakers.proxies}
        return shared[scope].worst if scope in shared else self.gate.breakers.dcs[scope].circuit


async def test_a_thousand_sessions_do_not_each_discover_that_a_dc_is_down() -> None:
    telegram = Telegram()
    telegram.is_down(dc=2)
    signals = [await telegram.connect(number) for number in range(1000)]

    assert len(telegram.reached) == 5
    assert {type(signal) for signal in signals} == {m.Unreachable}
    assert telegram.told == [CircuitChanged(Scope.DC2, Circuit.OPEN)]


async def test_the_other_data_centres_go_on() -> None:
    telegram = Telegram()
    telegram.is_down(dc=2)
    for number in range(10):
        await telegram.connect(number, dc=2)

    assert await telegram.connect(11, dc=4) == ONLINE
    assert telegram.circuit(Scope.API_ID) is Circuit.CLOSED


async def test_an_open_gate_answers_at_once_and_one_probe_finds_out_that_it_is_over() -> None:
    telegram = Telegram()
    telegram.is_down()
    for number in range(5):
        await telegram.connect(number)
    began = trio.current_time()
    assert isinstance(await telegram.connect(6), m.Unreachable)
    assert trio.current_time() == began

    await trio.sleep(30)
    telegram.says(ONLINE)
    assert await telegram.connect(7) == ONLINE
    assert telegram.circuit(Scope.DC2) is Circuit.CLOSED


async def test_one_sick_session_closes_the_gate_for_nobody() -> None:
    telegram = Telegram()
    telegram.is_down()
    for _ in range(100):
        await telegram.connect(1)

    assert len(telegram.reached) == 100
    assert telegram.told == []


@pytest.mark.parametrize(
    "answer",
    [
        m.FloodWaited(inf),
        m.CredentialLost(Reason.SESSION_REVOKED),
        m.AccountFrozen(0.0),
        m.LoginFailed(Reason.PHONE_NUMBER_BANNED),
        m.Unreachable(0.0, Reason.UNKNOWN_ERROR),
        ONLINE,
    ],
    ids=lambda answer: type(answer).__name__,
)
async def test_whatever_telegram_answers_its_data_centre_works(answer: m.Signal) -> None:
    telegram = Telegram()
    telegram.says(answer)
    for number in range(100):
        assert await telegram.connect(number) == answer
    assert telegram.told == []


@pytest.mark.parametrize(
    "answer", [m.LoginFailed(Reason.APP_REFUSED), m.Unreachable(0.0, Reason.APP_REFUSED)]
)
async def test_an_app_that_telegram_refuses_is_refused_to_everybody_at_once(answer: m.Signal) -> None:
    telegram = Telegram()
    telegram.says(answer, dc=1)
    assert await telegram.connect(1, dc=1) == answer

    refused = await telegram.connect(2, dc=2)

    assert isinstance(refused, m.Unreachable)
    assert refused.reason is Reason.APP_REFUSED
    assert telegram.reached == [(1, 1)]
    assert (telegram.circuit(Scope.API_ID), telegram.circuit(Scope.DC1)) == (Circuit.OPEN, Circuit.CLOSED)


def acme(proxy: str | None = None) -> Way:
    """A way of the tenant acme's own."""
    return Way(Shared("acme", ("acme", 1)), None if proxy is None else Shared("acme", proxy))


def other(proxy: str | None = None) -> Way:
    return Way(Shared("other", ("other", 2)), None if proxy is None else Shared("other", proxy))


async def test_an_app_that_is_refused_is_refused_to_its_own_sessions_only() -> None:
    telegram = Telegram()
    telegram.says(m.Unreachable(0.0, Reason.APP_REFUSED))
    await telegram.connect(1, way=acme())
    telegram.says(ONLINE)

    refused = await telegram.connect(2, way=acme())
    assert isinstance(refused, m.Unreachable)
    assert refused.reason is Reason.APP_REFUSED
    for number, way in enumerate((other(), SERVICE) * 50, 10):
        assert await telegram.connect(number, way=way) == ONLINE
    assert telegram.told == [CircuitChanged(Scope.API_ID, Circuit.OPEN, "acme", 1, Circuit.OPEN)]


@pytest.mark.parametrize("reason", [Reason.UNREACHABLE, Reason.PROXY_UNREACHABLE])
async def test_a_broken_proxy_closes_the_way_for_its_own_sessions_only(reason: Reason) -> None:
    telegram = Telegram()
    telegram.says(m.Unreachable(0.0, reason))
    for number in range(10):
        last = await telegram.connect(number, way=acme("proxy"))
    telegram.says(ONLINE)

    assert len(telegram.reached) == 5
    assert last == m.Unreachable(last.at, Reason.PROXY_UNREACHABLE)  # type: ignore[union-attr] # it is one
    for number, way in enumerate((acme(), acme("another proxy"), other("proxy"), SERVICE), 20):
        assert await telegram.connect(number, way=way) == ONLINE
    assert telegram.told == [CircuitChanged(Scope.PROXY, Circuit.OPEN, "acme", 1, Circuit.OPEN)]
    assert telegram.circuit(Scope.DC2) is Circuit.CLOSED


async def test_a_stall_behind_a_proxy_is_the_proxys() -> None:
    telegram = Telegram()
    telegram.stalls()
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(lambda each: telegram.connect(each, way=acme("proxy")), number)

    assert (telegram.circuit(Scope.PROXY), telegram.circuit(Scope.DC2)) == (Circuit.OPEN, Circuit.CLOSED)


async def test_a_data_centre_that_is_down_is_no_news_to_whoever_goes_through_a_proxy() -> None:
    telegram = Telegram()
    telegram.is_down()
    for number in range(5):
        await telegram.connect(number)
    assert telegram.circuit(Scope.DC2) is Circuit.OPEN

    telegram.says(ONLINE)
    assert await telegram.connect(10, way=acme("proxy")) == ONLINE
    assert telegram.circuit(Scope.DC2) is Circuit.OPEN


async def test_a_proxy_of_one_sick_session_stays_open_to_its_neighbours() -> None:
    telegram = Telegram()
    telegram.says(m.Unreachable(0.0, Reason.PROXY_UNREACHABLE))
    for _ in range(100):
        await telegram.connect(1, way=acme("proxy"))
    assert telegram.told == []


async def test_what_is_known_of_apps_and_proxies_is_swept_away_when_it_is_old() -> None:
    telegram = Telegram()
    telegram.says(m.Unreachable(0.0))
    await telegram.connect(1, way=acme("proxy"))
    assert len(telegram.gate.breakers.proxies) == 1

    await trio.sleep(60)
    telegram.gate.breakers.sweep()
    assert (len(telegram.gate.breakers.apps), len(telegram.gate.breakers.proxies)) == (0, 0)


async def test_a_session_that_is_not_ours_to_connect_says_nothing_of_what_it_would_connect_to() -> None:
    telegram = Telegram()
    telegram.says(m.Unreachable(0.0, Reason.NOT_OWNED))
    for number in range(50):
        await telegram.connect(number, way=acme("proxy" if number % 2 else None))
    assert telegram.told == []

    telegram.is_down()
    for number in range(5):
        await telegram.connect(number)
    await trio.sleep(600)
    telegram.says(m.Unreachable(0.0, Reason.NOT_OWNED))
    await telegram.connect(1)
    assert telegram.circuit(Scope.DC2) is Circuit.OPEN  # nor is it the proof that all is well again


async def test_a_login_that_was_sent_on_fails_where_it_was_sent_to() -> None:
    telegram = Telegram()
    here = 0

    async def sent_on() -> m.Signal:
        nonlocal here
        here = 4
        return m.Unreachable(0.0)

    def where() -> int:
        return here

    for number in range(5):
        here = 2
        await telegram.gate.through(key(number), sent_on, dc=where, way=SERVICE, background=False)

    assert telegram.told == [CircuitChanged(Scope.DC4, Circuit.OPEN)]


async def test_a_stall_ends_in_time_and_counts() -> None:
    telegram = Telegram()
    telegram.stalls()
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(telegram.connect, number)
        began = trio.current_time()

    assert trio.current_time() - began == ATTEMPT
    assert telegram.circuit(Scope.DC2) is Circuit.OPEN


async def test_an_attempt_that_is_cancelled_is_no_verdict() -> None:
    telegram = Telegram()
    telegram.stalls()
    for number in range(20):
        with trio.move_on_after(1):
            await telegram.connect(number)
    assert telegram.told == []


async def test_a_crash_in_a_connect_passes_and_is_no_verdict() -> None:
    async def crash() -> m.Signal:
        raise KeyError

    telegram = Telegram()
    telegram.answers[2] = crash
    for number in range(20):
        with pytest.raises(KeyError):
            await telegram.connect(number)
    assert telegram.told == []


async def test_stalled_neighbours_hold_up_nobody() -> None:
    telegram = Telegram(Pace(rate=50, burst=50))
    telegram.stalls(dc=2)
    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(telegram.connect, number)
        await trio.sleep(4.5)

        with trio.fail_after(1):
            assert await telegram.connect(1000, dc=4) == ONLINE
        nursery.cancel_scope.cancel()


async def test_who_waits_too_long_goes_back_to_its_mailbox() -> None:
    telegram = Telegram(Pace(rate=1, burst=1))
    signals: list[m.Signal] = []

    async def connect(number: int) -> None:
        signals.append(await telegram.connect(number))

    async with trio.open_nursery() as nursery:
        began = trio.current_time()
        for number in range(50):
            nursery.start_soon(connect, number)
        await wait_all_tasks_blocked()
        assert telegram.gate.waiting == 49

    assert trio.current_time() - began == PATIENCE
    assert telegram.gate.waiting == 0
    assert 10 <= signals.count(ONLINE) <= 11
    assert telegram.told == []


async def test_a_closed_gate_sends_everybody_away() -> None:
    telegram = Telegram(Pace(rate=1, burst=1))
    async with trio.open_nursery() as nursery:
        for number in range(50):
            nursery.start_soon(telegram.connect, number)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        telegram.gate.close()
    assert trio.current_time() == began
    assert isinstance(await telegram.connect(51), m.Unreachable)
    assert len(telegram.reached) == 1


def test_waiting_and_connecting_fit_into_what_an_effect_may_take() -> None:
    assert max(DEADLINES.values()) > PATIENCE + ATTEMPT


async def test_a_gate_that_is_held_lets_nobody_through_until_the_time_is_over() -> None:
    telegram = Telegram()
    telegram.gate.hold(300.0)

    assert isinstance(await telegram.connect(1), m.Unreachable)
    assert isinstance(await telegram.connect(2, background=False), m.Unreachable)
    await trio.sleep(299)
    assert isinstance(await telegram.connect(3), m.Unreachable)
    assert telegram.reached == []
    await trio.sleep(2)
    assert await telegram.connect(4) == ONLINE

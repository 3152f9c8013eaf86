"""The real line at the gate: nothing here listens, so each connect fails as it does when a data centre is down."""

from __future__ import annotations

import socket
from pathlib import Path

import trio

from actors.adapters.telegram import DcAddress, TelegramApp, TelegramApps, TelethonLines
from actors.bridge import open_loop
from actors.clock import Clock
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from supervisor.breaker import BreakerPolicy, Circuit
from supervisor.events import CircuitChanged, Event, Scope
from supervisor.gate import ConnectGate, new_breakers
from supervisor.pace import Pace
from tests.fakes import FakeApps, FakeVault

DC = 4


def deaf_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def test_lines_open_the_breaker_of_the_dc_that_they_cannot_reach(tmp_path: Path) -> None:
    told: list[Event] = []
    signals: list[m.Signal] = []

    async def main() -> None:
        clock = Clock()
        gate = ConnectGate(Pace(100, burst=100), new_breakers(told.append, BreakerPolicy(limit=3)), clock)
        app = TelegramApp(1, Secret("hash"), DcAddress(DC, "127.0.0.1", deaf_port()))
        apps = TelegramApps(app, FakeApps())
        lines = TelethonLines(apps, tmp_path, FakeVault(), clock, gate, told.append)

        async def log_in(number: int) -> None:
            async with lines(SessionKey("tenant", f"app-{number}"), lambda _: None) as line:
                signals.append(await line.export_token())

        async with open_loop("fast", lambda *_: None):
            async with trio.open_nursery() as nursery:
                for number in range(3):
                    nursery.start_soon(log_in, number)
            with trio.fail_after(0.5):  # far less than a connect's own retry takes
                await log_in(4)

    trio.run(main)

    assert {type(signal) for signal in signals} == {m.Unreachable}
    assert told == [CircuitChanged(Scope.DC4, Circuit.OPEN)]

"""Pings: from the guard when it wishes, in that very step, and from nobody else; without a guard, now and then."""

from __future__ import annotations

import asyncio

import pytest
import trio

from actors.adapters.telegram.line import TelethonLine
from actors.core import messages as m
from actors.guard import Link, Unguarded
from actors.ports import Telegram
from tests.contracts.guarded.scripted import ScriptedGuard, ask_link, delays
from tests.contracts.telegram_bench import SandboxBench, in_loop
from tests.contracts.telegram_steps import be_online, of

both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)


@both_engines
async def test_a_connection_that_nobody_pings_is_closed_by_the_data_centre(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    guard.disconnect_delay = 1
    await be_online(sandbox_bench, line)
    with trio.move_on_after(1.5):
        while True:
            ask_link(guard, "ping")()
            await trio.sleep(0.2)
    assert sandbox_bench.told.unheard == 0
    assert guard.told.count("pong") >= 6

    began = trio.current_time()
    of(m.ConnectionLost, await sandbox_bench.told.next())

    assert trio.current_time() - began > 0.5
    assert guard.ends == ["closed", "closed"]  # the login's, and this


async def test_a_ping_leaves_in_the_step_in_which_it_is_wished_for(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    await be_online(sandbox_bench, line)
    asked: list[str] = []

    def passes() -> bool:
        asked.append("passes")
        return True

    def ping() -> None:
        ask_link(guard, "ping")()
        asked.append("step over")

    monkeypatch.setattr(guard, "passes", passes)
    await in_loop(ping)

    assert asked[:2] == ["passes", "step over"]


async def test_a_refused_ping_is_a_ping_that_has_arrived(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)
    await guard.hears("pong", 2)
    await in_loop(sandbox_bench.sandbox.rotate_salts)

    await in_loop(ask_link(guard, "ping"))
    await guard.hears("pong", 3)
    await in_loop(ask_link(guard, "ping"))
    await guard.hears("pong", 4)
    of(m.Online, await line.connect())


async def test_a_ping_acknowledges_what_came_in_the_meantime(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    assert isinstance(line, TelethonLine)
    await be_online(sandbox_bench, line)
    await sandbox_bench.write_to_the_person("hello")
    sender = line._wire._client._sender  # type: ignore[union-attr]
    with trio.fail_after(5):
        while not sender._pending_ack:
            await trio.sleep(0.001)
    unacknowledged = set(sender._pending_ack)

    ask_link(guard, "ping")()  # from trio code, as a node's does
    await guard.hears("pong", 3)

    assert not unacknowledged & sender._pending_ack


async def test_before_there_is_a_key_there_is_no_ping(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = guard.open

    async def pinging(link: Link) -> bool:
        is_open = await opens(link)
        asyncio.get_running_loop().call_soon(link.ping)
        link.ping()
        return is_open

    monkeypatch.setattr(guard, "open", pinging)
    of(m.TokenIssued, await line.export_token())
    assert delays(sandbox_bench) == {guard.disconnect_delay}


@both_engines
async def test_without_a_guard_a_line_pings_by_itself(
    sandbox_bench: SandboxBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Unguarded, "ping_every", 0.2)
    monkeypatch.setattr(Unguarded, "disconnect_delay", 1)
    async with sandbox_bench.open() as line:
        await be_online(sandbox_bench, line)
        await trio.sleep(1.5)
        assert sandbox_bench.told.unheard == 0
        of(m.Online, await line.connect())
        assert delays(sandbox_bench) == {1}


async def test_without_a_guard_a_line_drops_a_connection_that_has_fallen_silent(
    sandbox_bench: SandboxBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Unguarded, "ping_every", 0.2)
    async with sandbox_bench.open() as line:
        await be_online(sandbox_bench, line)
        await in_loop(sandbox_bench.sandbox.faults.stall)

        of(m.ConnectionLost, await sandbox_bench.told.next())

        await in_loop(sandbox_bench.sandbox.faults.clear)
        of(m.Online, await line.connect())


async def test_how_far_the_updates_are_known_is_noted_now_and_then_without_any_ping(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.telegram.client.SAVE_EVERY", 0.05)
    assert isinstance(line, TelethonLine)
    await be_online(sandbox_bench, line)
    session = line._wire.session
    assert session is not None
    with trio.fail_after(5):
        while (noted := session.get_update_state(0)) is None:
            await trio.sleep(0.01)
        await sandbox_bench.write_to_the_person("hello")
        while session.get_update_state(0).pts == noted.pts:
            await trio.sleep(0.01)

    assert guard.told.count("pong") == 2  # of the login, and of this connection

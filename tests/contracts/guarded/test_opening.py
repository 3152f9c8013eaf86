"""A guard is asked before the first byte of a connection, and the first words are a ping: real lines, a sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from telethon.network.requeststate import RequestState
from telethon.tl import types

from actors.adapters.telegram.app import TelegramApp, new_client
from actors.adapters.telegram.client import GuardedClient
from actors.adapters.telegram.live_session import LiveSession
from actors.core import messages as m
from actors.guard import Guard, Link
from actors.ports import Telegram
from supervisor.breaker import Circuit
from tests.contracts.guarded.scripted import FAST, ScriptedGuard, Tap, delays, not_owned
from tests.contracts.telegram_bench import SandboxBench
from tests.contracts.telegram_steps import be_online, log_in, of, scanned

both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)
elsewhere = pytest.mark.parametrize("who", ["elsewhere"], indirect=True)


@asynccontextmanager
async def logged_in(bench: SandboxBench) -> AsyncIterator[None]:
    """A session that was logged in by another line before."""
    guards, bench.guards = bench.guards, []
    async with bench.open() as line:
        await log_in(bench, line)
    bench.guards = guards
    yield


# -- it is asked before the first byte


async def test_where_the_guard_opens_nothing_nothing_is_said(
    sandbox_bench: SandboxBench, guard: ScriptedGuard, tap: Tap
) -> None:
    async with logged_in(sandbox_bench), sandbox_bench.open() as line:
        assert await tap.ending() == "fin"
        tap.heard, guard.lets_open = 0, False

        with trio.fail_after(FAST):
            assert not_owned(await line.connect())

        assert await tap.ending() == "reset"
        assert (tap.heard, guard.told) == (0, ["open"])


async def test_a_login_that_the_guard_does_not_open_is_not_tried_twice(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    guard.lets_open = False

    with trio.fail_after(FAST):
        assert not_owned(await line.export_token())

    assert await tap.ending() == "reset"
    assert (tap.clients, tap.heard, guard.told) == (1, 0, ["open"])
    guard.lets_open = True
    of(m.TokenIssued, await line.export_token())
    assert sandbox_bench.told.unheard == 0


async def test_what_the_guard_does_not_open_says_nothing_of_the_data_centre(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    guard.lets_open = False
    for _ in range(10):
        assert not_owned(await line.export_token())

    breakers = sandbox_bench.gate.breakers
    assert {breaker.circuit for breaker in breakers.dcs.values()} == {Circuit.CLOSED}
    assert breakers.apps.worst is Circuit.CLOSED


async def test_a_guard_that_is_still_asking_when_nobody_waits_any_more_is_told(
    line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    guard.hesitates = True

    with trio.move_on_after(0.2) as patience:
        await line.export_token()

    assert patience.cancelled_caught
    assert await tap.ending() == "reset"
    assert (tap.heard, guard.told) == (0, ["open", "broken"])


async def test_a_guard_that_does_not_answer_opens_nothing(
    line: Telegram, guard: ScriptedGuard, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.telegram.guarded.ANSWER", 0.2)
    guard.hesitates = True

    with trio.fail_after(FAST):
        assert not_owned(await line.export_token())

    assert await tap.ending() == "reset"
    assert (tap.heard, guard.told) == (0, ["open", "broken"])


async def test_a_connection_that_is_lost_while_the_guard_is_asked_is_told(
    line: Telegram, guard: ScriptedGuard, tap: Tap, monkeypatch: pytest.MonkeyPatch
) -> None:
    opens = guard.open

    async def late(link: Link) -> bool:
        await asyncio.sleep(0.1)
        return await opens(link)

    monkeypatch.setattr(guard, "open", late)
    tap.slams = True

    of(m.Unreachable, await line.export_token())

    assert guard.told == ["open", "closed"] * tap.clients
    assert tap.heard == 0


async def test_the_first_packet_leaves_in_the_step_in_which_it_is_allowed(
    line: Telegram, guard: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    opens = guard.open

    async def opening(link: Link) -> bool:
        is_open = await opens(link)
        asyncio.get_running_loop().call_soon(steps.append, "step over")
        return is_open

    def passes() -> bool:
        steps.append("packet")
        return True

    monkeypatch.setattr(guard, "open", opening)
    monkeypatch.setattr(guard, "passes", passes)
    of(m.TokenIssued, await line.export_token())

    assert steps[:2] == ["packet", "step over"]


# -- the first words


@both_engines
async def test_every_connection_begins_with_the_ping_that_ends_it(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)
    await line.disconnect()
    of(m.Online, await line.connect())
    await sandbox_bench.drop()
    of(m.ConnectionLost, await sandbox_bench.told.next())
    of(m.Online, await line.connect())

    assert delays(sandbox_bench) == {guard.disconnect_delay}
    assert sum(words.accepted for words in sandbox_bench.sandbox.first_words) == 4
    firsts = {words.methods[:2] for words in sandbox_bench.sandbox.first_words}
    assert firsts == {("pingDelayDisconnect", "invokeWithLayer")}
    await guard.hears("pong", 4)


async def test_what_is_left_over_from_an_earlier_connection_is_not_said_first(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def with_something_left(app: TelegramApp, session: LiveSession, guard: Guard) -> GuardedClient:
        client = new_client(app, session, guard)
        client._sender._send_queue.append(RequestState(types.MsgsAck([4])))
        return client

    await log_in(sandbox_bench, line)
    monkeypatch.setattr("actors.adapters.telegram.wire.new_client", with_something_left)
    of(m.Online, await line.connect())

    assert delays(sandbox_bench) == {guard.disconnect_delay}
    second = {words.methods[1] for words in sandbox_bench.sandbox.first_words}
    assert second == {"invokeWithLayer", "telethon.tl.types.msgsAck"}


@elsewhere
async def test_a_move_to_another_data_centre_is_an_end_and_a_beginning(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    of(m.SignedIn, await scanned(sandbox_bench, line))

    assert guard.told == ["open", "pong", "closed", "open", "pong"]
    assert delays(sandbox_bench) == {guard.disconnect_delay}
    await line.disconnect()
    assert guard.told[5:] == ["closed"]


async def test_after_a_lost_connection_the_next_first_words_are_accepted_at_once(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await be_online(sandbox_bench, line)
    await sandbox_bench.drop()
    of(m.ConnectionLost, await sandbox_bench.told.next())
    sandbox_bench.sandbox.world.first_words.clear()

    of(m.Online, await line.connect())

    assert [words.accepted for words in sandbox_bench.sandbox.first_words] == [True]

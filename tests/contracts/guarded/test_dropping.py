"""What a guard does not let pass does not leave, and what it drops is dropped: real sockets."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Literal

import pytest
import trio

from actors.adapters.telegram.guarded import GuardedLink, NotOwned
from actors.adapters.telegram.line import TelethonLine
from actors.bridge import in_asyncio, open_loop
from actors.core import messages as m
from actors.ports import Telegram
from tests.contracts.guarded.scripted import FAST, ScriptedGuard, Tap, ask_link, not_owned
from tests.contracts.telegram_bench import SandboxBench, in_loop
from tests.contracts.telegram_steps import be_online, of

both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)

MUCH = 8_000_000
"""Bytes; more than the kernels of both sides hold."""


@both_engines
async def test_once_nothing_passes_not_a_byte_leaves(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    await be_online(sandbox_bench, line)
    assert await tap.ending() == "fin"
    heard, guard.lets_pass = tap.heard, False

    with trio.fail_after(FAST):
        assert not_owned(await line.connect())
        of(m.ConnectionLost, await sandbox_bench.told.next())

    assert await tap.ending() == "reset"
    assert (tap.heard, guard.ends) == (heard, ["closed", "broken"])
    await line.disconnect()
    assert guard.ends == ["closed", "broken"]


async def test_a_ping_that_may_not_pass_ends_the_connection(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    await be_online(sandbox_bench, line)
    assert await tap.ending() == "fin"
    heard, guard.lets_pass = tap.heard, False

    await in_loop(ask_link(guard, "ping"))

    of(m.ConnectionLost, await sandbox_bench.told.next())
    assert await tap.ending() == "reset"
    assert (tap.heard, guard.ends) == (heard, ["closed", "broken"])


@both_engines
async def test_a_dropped_connection_is_lost_at_once_and_leaves_no_task_behind(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    assert isinstance(line, TelethonLine)
    tasks = await in_asyncio(how_many_tasks)
    await be_online(sandbox_bench, line)
    assert await tap.ending() == "fin"

    with trio.fail_after(FAST):
        ask_link(guard, "abort")()
        assert not line._wire.is_connected
        of(m.ConnectionLost, await sandbox_bench.told.next())

    assert await tap.ending() == "reset"
    assert guard.ends == ["closed", "broken"]
    await line.disconnect()
    await sandbox_bench.wait_connections(0)
    assert await in_asyncio(how_many_tasks) == tasks
    of(m.Online, await line.connect())


async def how_many_tasks() -> int:
    return len(asyncio.all_tasks())


# -- the socket


async def test_a_socket_is_watched_over_and_says_fin_for_a_process_that_is_killed(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)
    link = guard.link
    assert isinstance(link, GuardedLink)
    tcp = link._socket

    assert link.ends.local_port == tcp.getsockname()[1]
    assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
    assert tcp.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == bytes(8)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 8000


async def sends_more_than_the_kernel_takes(guard: ScriptedGuard) -> int:
    """How much of it arrived, when from some time on nothing may pass."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
    theirs.settimeout(2)
    link = GuardedLink(ours, guard, lambda: None, sees_end=True)
    await link.attach()
    sending = asyncio.create_task(link.send(bytes(MUCH)))
    await asyncio.sleep(0.1)
    assert not sending.done()
    guard.lets_pass = False
    arrived = await asyncio.to_thread(all_that_arrives, theirs)
    with pytest.raises(NotOwned):
        await link.send(b"")
    await asyncio.gather(sending, return_exceptions=True)
    return arrived


def all_that_arrives(tcp: socket.socket) -> int:
    """How many bytes came before the reset."""
    arrived = 0
    with tcp, suppress(ConnectionResetError):
        while words := tcp.recv(1_000_000):
            arrived += len(words)
        raise AssertionError("it was not reset")
    return arrived


def test_bytes_that_had_to_wait_do_not_leave_once_nothing_passes(kind: Literal["fast", "stock"]) -> None:
    guard = ScriptedGuard()
    arrived: list[int] = []

    async def main() -> None:
        async with open_loop(kind, lambda *_: None):
            arrived.append(await in_asyncio(sends_more_than_the_kernel_takes, guard))

    trio.run(main)
    assert 0 < arrived[0] < MUCH
    assert guard.told == ["open", "broken"]

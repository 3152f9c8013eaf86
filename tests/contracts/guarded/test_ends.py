"""How connections end, and that the guard is told once: farewells, data centres that close, resets, proxies."""

from __future__ import annotations

import pytest
import trio

from actors.adapters.telegram.guarded import GuardedLink
from actors.core import messages as m
from actors.core.app import OwnApp
from actors.core.states import Reason
from actors.ports import Telegram
from tests.contracts.guarded.scripted import FAST, ScriptedGuard, Tap, ask_link, delays, not_owned
from tests.contracts.proxy import open_proxy
from tests.contracts.telegram_bench import KEY, SandboxBench, in_loop
from tests.contracts.telegram_steps import be_online, log_in, of

both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)


@both_engines
async def test_a_data_centre_that_closes_is_seen_to(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)

    await sandbox_bench.drop()

    of(m.ConnectionLost, await sandbox_bench.told.next())
    await line.disconnect()
    assert guard.ends == ["closed", "closed"]


async def test_what_a_data_centre_says_before_it_closes_is_heard(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)

    await in_loop(lambda: sandbox_bench.sandbox.forget_keys_of(sandbox_bench.person.phone.reveal()))

    of(m.ConnectionLost, await sandbox_bench.told.next())
    assert guard.ends == ["closed", "closed"]
    assert of(m.CredentialLost, await line.connect()).reason is Reason.AUTH_KEY_UNREGISTERED


async def test_a_data_centre_that_hangs_up_during_a_connect_is_to_blame_for_that(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await log_in(sandbox_bench, line)
    sandbox_bench.sandbox.faults.drop("help.getConfig", count=1)

    assert of(m.Unreachable, await line.connect()).reason is Reason.UNREACHABLE

    assert guard.ends == ["closed", "closed"]


async def test_a_connection_that_is_reset_is_not_seen_to_close(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)

    await in_loop(sandbox_bench.sandbox.reset)

    of(m.ConnectionLost, await sandbox_bench.told.next())
    await line.disconnect()
    assert guard.ends == ["closed", "broken"]


@both_engines
async def test_a_line_says_farewell(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    await be_online(sandbox_bench, line)
    assert await tap.ending() == "fin"

    with trio.fail_after(FAST):
        await line.disconnect()

    assert await tap.ending() == "fin"
    assert guard.ends == ["closed", "closed"]
    assert sandbox_bench.told.unheard == 0


async def test_a_data_centre_that_says_no_farewell_is_waited_for_in_vain_but_not_for_long(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    await be_online(sandbox_bench, line)
    tap.keeps_open = True
    began = trio.current_time()

    with trio.fail_after(2.5):
        await line.disconnect()

    assert trio.current_time() - began > 1.4
    assert guard.ends == ["closed", "broken"]


async def test_after_the_farewell_nothing_is_said(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard, tap: Tap
) -> None:
    await be_online(sandbox_bench, line)
    assert await tap.ending() == "fin"
    tap.keeps_open = True
    ask_link(guard, "half_close")()
    assert await tap.ending() == "fin"
    heard = tap.heard

    ask_link(guard, "ping")()
    of(m.Unreachable, await line.connect())

    of(m.ConnectionLost, await sandbox_bench.told.next())
    assert (tap.heard, guard.ends) == (heard, ["closed", "broken"])


async def test_a_guard_may_say_farewell_itself(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)

    ask_link(guard, "half_close")()

    of(m.ConnectionLost, await sandbox_bench.told.next())
    assert guard.ends == ["closed", "closed"]


async def test_a_logout_ends_with_a_farewell(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await be_online(sandbox_bench, line)

    assert await line.log_out() == m.LoggedOut()

    assert guard.ends == ["closed", "closed"]


async def test_a_logout_that_is_owed_has_a_guard_of_its_own(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    credential = await log_in(sandbox_bench, line)
    await line.disconnect()
    own = ScriptedGuard()
    before = list(guard.told)

    own.lets_open = False
    assert not_owned(await sandbox_bench.lines.log_out(KEY, credential, own))
    own.lets_open = True
    assert await sandbox_bench.lines.log_out(KEY, credential, own) == m.LoggedOut()

    assert own.told == ["open", "open", "pong", "closed"]
    assert guard.told == before


async def test_a_connect_that_is_cut_short_ends_there_and_then(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await log_in(sandbox_bench, line)
    await line.disconnect()
    await in_loop(sandbox_bench.sandbox.faults.stall)

    with trio.fail_after(FAST), trio.move_on_after(0.2) as patience:
        await line.connect()

    assert patience.cancelled_caught
    assert guard.ends == ["closed", "closed"]
    await sandbox_bench.wait_connections(0)


async def test_a_connect_that_telegram_refuses_ends_there_and_then(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    await log_in(sandbox_bench, line)
    await line.disconnect()
    sandbox_bench.sandbox.faults.fail("help.getConfig", "NEVER_HEARD_OF", count=1)

    assert of(m.Unreachable, await line.connect()).reason is Reason.UNKNOWN_ERROR

    assert guard.ends == ["closed", "closed"]
    of(m.Online, await line.connect())


async def test_through_a_proxy_no_end_of_a_data_centre_is_seen(
    sandbox_bench: SandboxBench, line: Telegram, guard: ScriptedGuard
) -> None:
    async with open_proxy("socks5") as proxy:
        await sandbox_bench.apps.write(KEY.tenant_id, OwnApp(proxy=proxy.proxy()))
        await be_online(sandbox_bench, line)
        await sandbox_bench.drop()
        of(m.ConnectionLost, await sandbox_bench.told.next())
        of(m.Online, await line.connect())
        with trio.fail_after(FAST):
            await line.disconnect()

        assert isinstance(guard.link, GuardedLink)
        assert guard.link.ends.local_port == 0
        assert guard.ends == ["broken"] * 3
        assert delays(sandbox_bench) == {guard.disconnect_delay}

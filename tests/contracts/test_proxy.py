"""Through a proxy, and never past it: real lines, a real proxy, and a sandbox that counts who comes."""

from __future__ import annotations

import logging
import socket
from collections.abc import AsyncIterator

import pytest
import trio

from actors.core import messages as m
from actors.core.app import OwnApp, Proxy
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.ports import Telegram
from tests.contracts.proxy import PASSWORD, USER, ProxyServer, open_proxy
from tests.contracts.telegram_bench import KEY, SandboxBench
from tests.contracts.telegram_steps import be_online, log_in, of

real = pytest.mark.parametrize("kind", ["fast"], indirect=True)
both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)
elsewhere = pytest.mark.parametrize("who", ["elsewhere"], indirect=True)


@pytest.fixture(params=["socks5", "http"])
async def proxy(request: pytest.FixtureRequest) -> AsyncIterator[ProxyServer]:
    async with open_proxy(request.param) as server:
        yield server


async def go_through(bench: SandboxBench, proxy: Proxy | None) -> None:
    await bench.apps.write(KEY.tenant_id, OwnApp(proxy=proxy))


def arrivals(bench: SandboxBench) -> int:
    """How many connections the sandbox's data centres have ever seen."""
    return sum(bench.sandbox.world.counts.connections.values())


def dc_ports(bench: SandboxBench) -> set[int]:
    return {dc.port for dc in bench.sandbox.description.dcs}


def nobody_listens() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def assert_no_way(signal: m.Signal) -> None:
    assert of(m.Unreachable, signal).reason is Reason.PROXY_UNREACHABLE


@both_engines
async def test_a_login_and_a_session_go_through_the_proxy_and_in_no_other_way(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy())
    await be_online(sandbox_bench, line)

    assert len(proxy.asked) == arrivals(sandbox_bench) == 2
    assert (proxy.tunnels, sandbox_bench.connections) == (1, 1)
    await line.disconnect()
    await sandbox_bench.wait_connections(0)
    of(m.Online, await line.connect())
    assert len(proxy.asked) == arrivals(sandbox_bench) == 3


@elsewhere
@real
async def test_a_move_to_another_data_centre_goes_through_the_proxy_too(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy())
    await be_online(sandbox_bench, line)

    assert {port for _, port in proxy.asked} == dc_ports(sandbox_bench)
    assert len(proxy.asked) == arrivals(sandbox_bench)


@real
async def test_the_logout_of_a_key_that_is_not_used_any_more_goes_through_the_proxy_too(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy())
    old = await log_in(sandbox_bench, line)
    await line.disconnect()
    assert await sandbox_bench.lines.log_out(KEY, old) == m.LoggedOut()

    assert sandbox_bench.authorizations == 0
    assert len(proxy.asked) == arrivals(sandbox_bench) == 2


@real
async def test_a_proxy_that_is_away_is_waited_for_and_not_gone_around(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    old = await log_in(sandbox_bench, line)
    of(m.Online, await line.connect())
    await line.disconnect()
    seen = arrivals(sandbox_bench)

    await go_through(sandbox_bench, Proxy("socks5", "127.0.0.1", nobody_listens()))
    for _ in range(3):
        assert_no_way(await line.connect())
    assert_no_way(await line.export_token())
    assert_no_way(await sandbox_bench.lines.log_out(KEY, old))

    assert arrivals(sandbox_bench) == seen
    assert sandbox_bench.authorizations == 1


@real
async def test_a_proxy_that_knows_us_not_or_lets_us_not_through_is_no_way(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy(password="wrong"))
    assert_no_way(await line.export_token())
    await go_through(sandbox_bench, proxy.proxy())
    proxy.refuses = True
    assert_no_way(await line.export_token())

    assert (proxy.refused_logins, arrivals(sandbox_bench)) == (1, 0)
    proxy.refuses = False
    of(m.TokenIssued, await line.export_token())


@real
async def test_a_proxys_host_that_nobody_knows_is_no_way(sandbox_bench: SandboxBench, line: Telegram) -> None:
    await go_through(sandbox_bench, Proxy("socks5", "proxy.invalid", 1080))
    assert_no_way(await line.export_token())
    assert arrivals(sandbox_bench) == 0


@real
async def test_a_proxy_that_says_nothing_ends_the_attempt_in_time(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("actors.adapters.telegram.app.CONNECT_TIMEOUT", 0.2)
    await go_through(sandbox_bench, proxy.proxy())
    proxy.is_silent = True
    with trio.fail_after(5):
        assert_no_way(await line.export_token())
    assert arrivals(sandbox_bench) == 0


@real
async def test_a_lost_tunnel_is_a_lost_connection(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy())
    await be_online(sandbox_bench, line)
    await sandbox_bench.drop()

    of(m.ConnectionLost, await sandbox_bench.told.next())
    of(m.Online, await line.connect())
    assert len(proxy.asked) == arrivals(sandbox_bench)


@real
async def test_without_a_proxy_any_more_the_next_connection_is_direct(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer
) -> None:
    await go_through(sandbox_bench, proxy.proxy())
    await be_online(sandbox_bench, line)
    await go_through(sandbox_bench, None)
    of(m.Online, await line.connect())
    assert (len(proxy.asked), arrivals(sandbox_bench)) == (2, 2)

    await line.disconnect()
    of(m.Online, await line.connect())
    assert (len(proxy.asked), arrivals(sandbox_bench)) == (2, 3)


@real
async def test_nothing_of_a_proxys_login_is_logged(
    sandbox_bench: SandboxBench, line: Telegram, proxy: ProxyServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await go_through(sandbox_bench, proxy.proxy())
    await line.export_token()
    await line.disconnect()
    await go_through(
        sandbox_bench, Proxy("socks5", "127.0.0.1", nobody_listens(), Secret(USER), Secret(PASSWORD))
    )
    assert_no_way(await line.export_token())

    for secret in (USER, PASSWORD, "some%40body"):
        assert secret not in caplog.text

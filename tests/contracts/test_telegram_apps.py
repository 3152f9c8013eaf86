"""Which app, name and proxy a tenant's connections have: what the store says, for a while, and never a guess."""

from __future__ import annotations

from dataclasses import replace

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.adapters.telegram import TelegramApp, TelegramApps
from actors.adapters.telegram.apps import FRESH, REMEMBERED
from actors.adapters.telegram.live_session import LiveSession
from actors.adapters.telegram.session_file import SessionFiles
from actors.clock import Clock
from actors.core import messages as m
from actors.core.app import DeviceProfile, OwnApp, Proxy
from actors.core.credential import Deposit
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.ports import KeptApp, Telegram, Way
from ops.sandbox.description import MADE_UP, made_up_hash
from ops.sandbox.keys import Device
from tests.contracts.telegram_bench import KEY, SandboxBench
from tests.contracts.telegram_steps import be_online, let_in, log_in, of, scanned, shown
from tests.fakes import FakeApps

SERVICE = TelegramApp(1, Secret("the service's own"), device=DeviceProfile("Service", "server", "1"))
HASH = Secret("0123456789abcdef0123456789abcdef")
PROXY = Proxy("socks5", "proxy", 1080)


def key_of(api_id: int | None) -> LiveSession:
    session = LiveSession()
    session.api_id = api_id
    return session


class Resolver:
    """TelegramApps over a fake."""

    def __init__(self) -> None:
        self.kept = FakeApps()
        self.apps = TelegramApps(SERVICE, self.kept)
        self.clock = Clock()

    async def of(self, tenant_id: str) -> TelegramApp:
        app = await self.apps.of(tenant_id, self.clock)
        assert isinstance(app, TelegramApp)
        return app

    async def trouble(self, tenant_id: str) -> Reason:
        return of(m.Unreachable, await self.apps.of(tenant_id, self.clock)).reason

    async def way(self, tenant_id: str, api_id: int | None = None) -> Way:
        return (await self.of(tenant_id)).speaking(key_of(api_id)).way


# -- what comes of the store


async def test_who_has_nothing_uses_what_the_service_has() -> None:
    app = await Resolver().of("acme")
    assert (app.api_id, app.api_hash, app.device, app.proxy) == (1, SERVICE.api_hash, SERVICE.device, None)


async def test_what_a_tenant_has_goes_before_and_only_that() -> None:
    resolver = Resolver()
    await resolver.apps.write("named", OwnApp(device_model="Acme"))
    await resolver.apps.write("whole", OwnApp(7, HASH, PROXY, "Acme", "system", "2"))

    named, whole = await resolver.of("named"), await resolver.of("whole")
    assert (named.api_id, named.device) == (1, DeviceProfile("Acme", "server", "1"))
    assert (whole.api_id, whole.api_hash, whole.proxy) == (7, HASH, PROXY)
    assert whole.device == DeviceProfile("Acme", "system", "2")
    assert (await resolver.of("other")).device == SERVICE.device


async def test_the_store_is_asked_once_in_a_while(autojump_clock: MockClock) -> None:  # noqa: ARG001 - time flies
    resolver = Resolver()
    for _ in range(100):
        await resolver.of("acme")
    assert resolver.kept.reads == 1

    await resolver.kept.write("acme", OwnApp(device_model="By another node"))
    assert (await resolver.of("acme")).device.device_model == "Service"
    await trio.sleep(FRESH)
    assert (await resolver.of("acme")).device.device_model == "By another node"


async def test_what_is_written_here_counts_at_once() -> None:
    resolver = Resolver()
    await resolver.of("acme")
    await resolver.apps.write("acme", OwnApp(device_model="Acme"))
    assert (await resolver.of("acme")).device.device_model == "Acme"
    await resolver.apps.remove("acme")
    assert (await resolver.of("acme")).device.device_model == "Service"


async def test_a_read_that_a_write_has_overtaken_is_not_remembered() -> None:
    class SlowApps(FakeApps):
        async def read(self, tenant_id: str) -> KeptApp | None:
            found = await super().read(tenant_id)
            await go_on.wait()
            return found

    go_on, resolver = trio.Event(), Resolver()
    resolver.apps = TelegramApps(SERVICE, SlowApps())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(resolver.of, "acme")
        await wait_all_tasks_blocked()
        await resolver.apps.write("acme", OwnApp(device_model="Acme"))
        go_on.set()
    assert (await resolver.of("acme")).device.device_model == "Acme"


async def test_while_the_store_is_down_its_last_word_counts_and_without_one_nothing_is_guessed(
    autojump_clock: MockClock,  # noqa: ARG001 - time flies
) -> None:
    resolver = Resolver()
    await resolver.apps.write("acme", OwnApp(proxy=PROXY))
    await resolver.of("acme")
    resolver.kept.down = True
    await trio.sleep(10 * FRESH)

    assert (await resolver.of("acme")).proxy == PROXY
    assert await resolver.trouble("stranger") is Reason.UNREACHABLE


async def test_what_cannot_be_opened_is_not_done_without(autojump_clock: MockClock) -> None:  # noqa: ARG001
    resolver = Resolver()
    await resolver.apps.write("acme", OwnApp(proxy=PROXY))
    await resolver.of("acme")
    resolver.kept.has_key = False
    await trio.sleep(FRESH)
    assert await resolver.trouble("acme") is Reason.APP_SEALED


async def test_no_more_than_so_many_tenants_are_remembered() -> None:
    resolver = Resolver()
    for number in range(REMEMBERED + 1):
        await resolver.of(f"tenant-{number}")
    reads = resolver.kept.reads
    await resolver.of(f"tenant-{REMEMBERED}")
    assert resolver.kept.reads == reads
    await resolver.of("tenant-0")
    assert resolver.kept.reads == reads + 1


# -- what connections share


async def test_the_services_app_is_shared_by_all_who_use_it_and_a_tenants_by_its_own() -> None:
    resolver = Resolver()
    await resolver.apps.write("named", OwnApp(device_model="Acme"))
    await resolver.apps.write("acme", OwnApp(7, HASH))
    await resolver.apps.write("twin", OwnApp(7, HASH))

    assert await resolver.way("named") == await resolver.way("other")
    assert (await resolver.way("named")).app.of == "master"
    ways = [await resolver.way(tenant, 7) for tenant in ("acme", "twin")] + [await resolver.way("named")]
    assert len({way.app for way in ways}) == 3
    assert [way.app.of for way in ways] == ["acme", "twin", "master"]


async def test_the_services_number_with_another_hash_is_not_the_services_app() -> None:
    resolver = Resolver()
    await resolver.apps.write("liar", OwnApp(1, HASH))
    assert (await resolver.way("liar")).app != (await resolver.way("other")).app
    assert (await resolver.way("liar")).app.of == "liar"


async def test_what_was_written_anew_is_tried_anew_so_that_nobody_waits_for_a_rest_to_end() -> None:
    resolver = Resolver()
    await resolver.apps.write("acme", OwnApp(7, HASH, PROXY))
    broken = await resolver.way("acme", 7)
    await resolver.apps.write("acme", OwnApp(7, HASH, PROXY))
    anew = await resolver.way("acme", 7)
    assert (anew.app == broken.app, anew.proxy == broken.proxy) == (False, False)


async def test_a_way_shows_no_secret() -> None:
    resolver = Resolver()
    await resolver.apps.write(
        "acme", OwnApp(7, HASH, Proxy("socks5", "canary-proxy", 1, Secret("u"), Secret("p")))
    )
    shown_way = repr(await resolver.way("acme", 7))
    for secret in (HASH.reveal(), "canary", "Secret"):
        assert secret not in shown_way


# -- with which app a key speaks


@pytest.mark.parametrize("own", [None, OwnApp(7, HASH)], ids=["the service's", "its own"])
@pytest.mark.parametrize(("noted", "speaks"), [(None, 1), (1, 1), (7, 7), (8, 8)])
async def test_a_key_speaks_for_ever_as_what_it_was_let_in_with(
    own: OwnApp | None, noted: int | None, speaks: int
) -> None:
    resolver = Resolver()
    if own is not None:
        await resolver.apps.write("acme", own)
    app = (await resolver.of("acme")).speaking(key_of(noted))
    assert app.api_id == speaks
    assert (app.way.app.of == "master") == (speaks == 1)


# -- the real line

both_engines = pytest.mark.parametrize("kind", ["fast", "stock"], indirect=True)
real = pytest.mark.parametrize("kind", ["fast"], indirect=True)


def devices(bench: SandboxBench) -> list[Device]:
    """What the account holder reads under Devices."""
    keys = bench.sandbox.world.keys
    return [key.device for key in keys if key.user_id == bench.person.id and key.device is not None]


def made_up(number: int, **more: str) -> OwnApp:
    api_id = MADE_UP + number
    return OwnApp(api_id, Secret(made_up_hash(api_id)), None, **more)


async def give(bench: SandboxBench, app: OwnApp) -> None:
    await bench.apps.write(KEY.tenant_id, app)


@both_engines
async def test_the_account_holder_reads_what_the_tenant_calls_itself(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await give(sandbox_bench, made_up(1, device_model="Acme CRM", app_version="4.2"))
    await be_online(sandbox_bench, line)

    first = Device(MADE_UP + 1, "Acme CRM", "server", "4.2", "en")
    assert devices(sandbox_bench) == [first]
    for _ in range(3):
        await line.disconnect()
        of(m.Online, await line.connect())
    assert devices(sandbox_bench) == [first]


@real
async def test_a_new_name_shows_from_the_next_connection_on_and_the_app_stays(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await give(sandbox_bench, made_up(1, device_model="Acme"))
    await be_online(sandbox_bench, line)
    await give(sandbox_bench, made_up(2, device_model="Acme renamed"))
    of(m.Online, await line.connect())
    assert [device.device_model for device in devices(sandbox_bench)] == ["Acme"]

    await line.disconnect()
    of(m.Online, await line.connect())
    assert [(device.api_id, device.device_model) for device in devices(sandbox_bench)] == [
        (MADE_UP + 1, "Acme renamed")
    ]


@real
async def test_the_app_of_a_key_is_known_after_a_restart_and_changes_with_a_new_login_only(
    sandbox_bench: SandboxBench,
) -> None:
    await give(sandbox_bench, made_up(1))
    async with sandbox_bench.open() as line:
        await be_online(sandbox_bench, line)
    await sandbox_bench.apps.remove(KEY.tenant_id)
    async with sandbox_bench.open() as line:
        of(m.Online, await line.connect())
        assert [device.api_id for device in devices(sandbox_bench)] == [MADE_UP + 1]

        await be_online(sandbox_bench, line)
    service = sandbox_bench.sandbox.description.api_id
    assert {device.api_id for device in devices(sandbox_bench)} == {MADE_UP + 1, service}


@real
async def test_a_login_under_way_stays_with_the_app_that_it_began_with(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    await give(sandbox_bench, made_up(1))
    token = await shown(line)
    await give(sandbox_bench, made_up(2))
    await sandbox_bench.drop()
    of(m.ConnectionLost, await sandbox_bench.told.next())
    token = await shown(line)
    await sandbox_bench.accept(token)
    of(m.TokenAccepted, await sandbox_bench.told.next())
    of(m.SignedIn, await line.export_token())
    assert [device.api_id for device in devices(sandbox_bench)] == [MADE_UP + 1]


@real
async def test_a_credential_of_which_nobody_noted_the_app_speaks_as_the_services(
    sandbox_bench: SandboxBench, line: Telegram
) -> None:
    let = let_in(sandbox_bench, await scanned(sandbox_bench, line))
    sandbox_bench.vault.keep(KEY, Deposit(replace(let, api_id=None)))
    await give(sandbox_bench, made_up(1, device_model="Acme"))

    of(m.Online, await line.connect())
    assert [(device.api_id, device.device_model) for device in devices(sandbox_bench)] == [
        (sandbox_bench.sandbox.description.api_id, "Acme")
    ]


@real
async def test_credential_and_file_note_the_app(sandbox_bench: SandboxBench, line: Telegram) -> None:
    await give(sandbox_bench, made_up(3))
    assert (await log_in(sandbox_bench, line)).api_id == MADE_UP + 3
    of(m.Online, await line.connect())
    await line.disconnect()

    found = SessionFiles(sandbox_bench.file.parent.parent).read(KEY)
    assert found is not None
    assert found.api_id == MADE_UP + 3


@real
async def test_in_doubt_nothing_is_connected(sandbox_bench: SandboxBench, line: Telegram) -> None:
    await log_in(sandbox_bench, line)
    await line.disconnect()
    await give(sandbox_bench, OwnApp(proxy=PROXY))
    seen = sum(sandbox_bench.sandbox.world.counts.connections.values())

    sandbox_bench.kept_apps.has_key = False
    sealed = [await line.connect(), await line.export_token(), await line.log_out()]
    sandbox_bench.kept_apps.down = True
    down = [await line.connect(), await line.export_token(), await line.log_out()]

    assert {of(m.Unreachable, signal).reason for signal in sealed} == {Reason.APP_SEALED}
    assert {of(m.Unreachable, signal).reason for signal in down} == {Reason.UNREACHABLE}
    assert sum(sandbox_bench.sandbox.world.counts.connections.values()) == seen


@real
@pytest.mark.parametrize("error", ["API_ID_INVALID", "API_ID_PUBLISHED_FLOOD", "CONNECTION_API_ID_INVALID"])
async def test_a_refused_app_costs_no_credential(
    sandbox_bench: SandboxBench, line: Telegram, error: str
) -> None:
    await give(sandbox_bench, made_up(1))
    await be_online(sandbox_bench, line)
    await line.disconnect()
    sandbox_bench.sandbox.faults.fail("*", error, api_id=MADE_UP + 1)

    assert of(m.Unreachable, await line.connect()).reason is Reason.APP_REFUSED
    assert of(m.Unreachable, await line.connect()).reason is Reason.APP_REFUSED
    assert sandbox_bench.authorizations == 1


@real
@pytest.mark.parametrize("error", ["API_ID_INVALID", "CONNECTION_API_ID_INVALID"])
async def test_a_login_with_a_refused_app_says_so(
    sandbox_bench: SandboxBench, line: Telegram, error: str
) -> None:
    await give(sandbox_bench, made_up(1))
    sandbox_bench.sandbox.faults.fail("*", error, api_id=MADE_UP + 1)
    assert await line.export_token() == m.LoginFailed(Reason.APP_REFUSED)

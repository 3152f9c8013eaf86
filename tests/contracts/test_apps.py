"""What every Apps does: the fake, and PostgreSQL, where nobody but this process reads a secret."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

import pytest

from actors.adapters.apps import PostgresApps
from actors.adapters.keyring import Keyring
from actors.adapters.sealing import Seals
from actors.core.app import OwnApp, Proxy
from actors.core.secret import Secret
from actors.errors import AppSealed, StoreUnavailable
from actors.ports import Apps, KeptApp
from tests.contracts.benches import PostgresBench, open_bench, open_engine
from tests.contracts.credentials import seals
from tests.fakes import FakeApps
from tests.stores import Database

HASH = Secret("0123456789abcdef0123456789abcdef")
PROXY = Proxy("socks5", "proxy.example", 1080, Secret("somebody"), Secret("a-password"))
FULL = OwnApp(12345, HASH, PROXY, "Acme CRM", "server", "4.2")
PLAIN = OwnApp(device_model="Акме")

real = pytest.mark.parametrize("kind", ["fast"], indirect=True)


class AppsBench(Protocol):
    """Apps and their surroundings."""

    @property
    def apps(self) -> Apps:
        """What is tested."""
        ...

    async def go_down(self) -> None:
        """Begin an outage."""
        ...

    def without_the_key(self) -> Apps:
        """The same, for a process whose keyring has lost the key that sealed everything."""
        ...


class FakeAppsBench:
    """The fake."""

    def __init__(self) -> None:
        self.apps = FakeApps()

    async def go_down(self) -> None:
        self.apps.down = True

    def without_the_key(self) -> Apps:
        self.apps.has_key = False
        return self.apps


class PostgresAppsBench:
    """PostgresApps whose way to the server is a relay."""

    def __init__(self, postgres: PostgresBench) -> None:
        self.postgres = postgres
        self.apps = self.sealed_by(seals("first"))

    def sealed_by(self, seals: Seals) -> PostgresApps:
        return PostgresApps(self.postgres.store.database, seals)

    async def go_down(self) -> None:
        await self.postgres.go_down()

    def without_the_key(self) -> Apps:
        return self.sealed_by(seals("other"))


@asynccontextmanager
async def opened(kind: str, place: Database | None) -> AsyncIterator[AppsBench]:
    if place is None:
        yield FakeAppsBench()
        return
    async with open_engine(kind), open_bench(place) as postgres:
        yield PostgresAppsBench(postgres)


@pytest.fixture
async def bench(kind: str, place: Database | None) -> AsyncIterator[AppsBench]:
    async with opened(kind, place) as bench:
        yield bench


@pytest.fixture
def postgres(bench: AppsBench) -> PostgresAppsBench:
    assert isinstance(bench, PostgresAppsBench)
    return bench


async def test_a_tenant_that_was_given_nothing_has_nothing(bench: AppsBench) -> None:
    assert await bench.apps.read("acme") is None
    assert await bench.apps.remove("acme") is False


@pytest.mark.parametrize("app", [FULL, PLAIN, OwnApp(), OwnApp(proxy=PROXY), OwnApp(7, HASH)], ids=repr)
async def test_what_was_written_is_read_with_its_secrets(bench: AppsBench, app: OwnApp) -> None:
    assert await bench.apps.write("acme", app) == KeptApp(app, 1)
    assert await bench.apps.read("acme") == KeptApp(app, 1)


async def test_a_write_replaces_all_of_it_and_counts(bench: AppsBench) -> None:
    await bench.apps.write("acme", FULL)
    assert await bench.apps.write("acme", PLAIN) == KeptApp(PLAIN, 2)
    assert await bench.apps.read("acme") == KeptApp(PLAIN, 2)


async def test_tenants_do_not_mix(bench: AppsBench) -> None:
    await bench.apps.write("acme", FULL)
    await bench.apps.write("other", PLAIN)
    assert await bench.apps.remove("other") is True

    assert await bench.apps.read("other") is None
    assert await bench.apps.read("acme") == KeptApp(FULL, 1)


async def test_an_outage_is_an_outage_to_every_method(bench: AppsBench) -> None:
    await bench.go_down()
    for method in (bench.apps.read, bench.apps.remove, lambda tenant: bench.apps.write(tenant, PLAIN)):
        with pytest.raises(StoreUnavailable):
            await method("acme")


async def test_without_its_key_only_what_is_no_secret_can_be_read_and_all_be_removed_or_replaced(
    bench: AppsBench,
) -> None:
    await bench.apps.write("sealed", FULL)
    await bench.apps.write("plain", PLAIN)
    apps = bench.without_the_key()

    assert await apps.read("plain") == KeptApp(PLAIN, 1)
    with pytest.raises(AppSealed):
        await apps.read("sealed")
    assert await apps.write("sealed", PLAIN) == await apps.read("sealed") == KeptApp(PLAIN, 2)
    assert await apps.remove("sealed") is True


# -- what only the real one shows


@real
async def test_no_secret_is_in_the_database_in_clear(postgres: PostgresAppsBench) -> None:
    await postgres.apps.write("acme", FULL)

    (row,) = await postgres.postgres.sql("select row_to_json(app)::text as text from tenant_apps app")
    sent = bytes(postgres.postgres.relay.sent)
    for secret in (HASH.reveal(), "a-password", "somebody", "proxy.example"):
        assert secret not in row["text"]
        assert secret.encode().hex() not in row["text"]
        assert secret.encode() not in sent


@real
async def test_the_same_secret_is_never_sealed_the_same_way_twice(postgres: PostgresAppsBench) -> None:
    seals = set()
    for _ in range(3):
        await postgres.apps.write("acme", FULL)
        (row,) = await postgres.postgres.sql("select api_hash_sealed from tenant_apps")
        seals.add(row["api_hash_sealed"])
    assert len(seals) == 3


MOVES: dict[str, tuple[Seals, str]] = {
    "another environment": (seals("first", environment="production"), "write it anew"),
    "another key of the same name": (
        Seals("test", lambda: Keyring({"first": bytes(32)})),
        "write it anew",
    ),
    "a keyring without the key": (seals("other"), "BACKUP_ENCRYPTION_KEY_PATH"),
}


@real
@pytest.mark.parametrize("move", MOVES)
async def test_what_was_sealed_opens_nowhere_else(postgres: PostgresAppsBench, move: str) -> None:
    await postgres.apps.write("acme", FULL)
    elsewhere, fix = MOVES[move]
    with pytest.raises(AppSealed, match=fix):
        await postgres.sealed_by(elsewhere).read("acme")


@real
@pytest.mark.parametrize(
    "change",
    [
        "update tenant_apps set tenant_id = 'other'",
        "update tenant_apps set api_hash_sealed = proxy_sealed",
        "update tenant_apps set proxy_sealed = api_hash_sealed",
        "update tenant_apps set api_hash_sealed = '\\x00'",
        "update tenant_apps set api_hash_sealed = set_byte(api_hash_sealed, 0, get_byte(api_hash_sealed, 0) # 1)",
        "update tenant_apps set proxy_sealed = set_byte(proxy_sealed, 20, get_byte(proxy_sealed, 20) # 1)",
    ],
)
async def test_what_was_moved_or_changed_is_noticed(postgres: PostgresAppsBench, change: str) -> None:
    await postgres.apps.write("acme", FULL)
    await postgres.postgres.sql(change)
    tenant = "other" if "tenant_id" in change else "acme"
    with pytest.raises(AppSealed) as sealed:
        await postgres.apps.read(tenant)
    assert HASH.reveal() not in str(sealed.value)


@real
async def test_a_new_key_seals_what_the_old_one_had_sealed(postgres: PostgresAppsBench) -> None:
    await postgres.apps.write("acme", FULL)
    await postgres.apps.write("plain", PLAIN)
    rekeyed = postgres.sealed_by(seals("first", "second"))
    assert await rekeyed.read("acme") == KeptApp(FULL, 1)

    assert (await rekeyed.with_secrets(), await rekeyed.to_reseal()) == (["acme"], ["acme"])
    await rekeyed.reseal("acme")
    assert await rekeyed.to_reseal() == []

    rows = await postgres.postgres.sql("select api_hash_key, proxy_key from tenant_apps order by tenant_id")
    assert [tuple(row) for row in rows] == [("second", "second"), (None, None)]
    assert await rekeyed.read("acme") == KeptApp(FULL, 2)
    with pytest.raises(AppSealed):
        await postgres.apps.read("acme")


@real
async def test_a_row_that_is_no_app_is_said_to_be_none(postgres: PostgresAppsBench) -> None:
    await postgres.apps.write("acme", PLAIN)
    await postgres.postgres.sql("update tenant_apps set device_model = 'Telegram Desktop'")
    with pytest.raises(AppSealed, match="is no app"):
        await postgres.apps.read("acme")

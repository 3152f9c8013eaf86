"""What operators give a tenant of its own at Telegram, and what of it nobody is ever shown again."""

from __future__ import annotations

from typing import Any

import pytest

from actors.core.app import OwnApp, Proxy
from actors.core.secret import Secret
from tests.http.conftest import SERVICE_KEY, Answer, World

APP = "/api/v1/tenants/acme/app"
API_HASH = "0123456789abcdef0123456789abcdef"
PASSWORD = "p@ss:word"
FULL = {
    "api_id": 12345,
    "api_hash": API_HASH,
    "proxy": "socks5://somebody:p%40ss%3Aword@proxy.acme.example:1080",
    "device_model": "Acme CRM",
    "system_version": "server",
    "app_version": "4.2",
}


async def put(world: World, **app: Any) -> Answer:
    return await world.call("PUT", APP, app, credential=SERVICE_KEY)


async def get(world: World) -> Answer:
    return await world.call("GET", APP, credential=SERVICE_KEY)


async def test_what_was_written_is_kept_and_shown_without_its_secrets(world: World) -> None:
    written = await put(world, **FULL)
    read = await get(world)

    assert (written.status, read.status) == (200, 200)
    assert (
        read.json
        == written.json
        == {
            "tenant_id": "acme",
            "version": 1,
            "api_id": 12345,
            "proxy": "socks5://proxy.acme.example:1080",
            "proxy_login": True,
            "device_model": "Acme CRM",
            "system_version": "server",
            "app_version": "4.2",
        }
    )
    for secret in (API_HASH, PASSWORD, "p%40ss", "somebody"):
        assert secret.encode() not in written.raw + read.raw
    proxy = Proxy("socks5", "proxy.acme.example", 1080, Secret("somebody"), Secret(PASSWORD))
    kept = world.apps.kept["acme"].app
    assert kept == OwnApp(12345, Secret(API_HASH), proxy, "Acme CRM", "server", "4.2")


async def test_writing_replaces_all_of_it(world: World) -> None:
    await put(world, **FULL)
    again = (await put(world, proxy=None, device_model="Acme")).json

    assert (again["version"], again["api_id"], again["proxy"], again["proxy_login"]) == (2, None, None, False)
    assert world.apps.kept["acme"].app == OwnApp(device_model="Acme")


async def test_a_tenant_without_its_own_has_none_to_remove(world: World) -> None:
    await put(world, **FULL)
    removed = await world.call("DELETE", APP, credential=SERVICE_KEY)

    assert (removed.status, removed.raw) == (204, b"")
    assert (await get(world)).code == "app_unknown"
    assert (await world.call("DELETE", APP, credential=SERVICE_KEY)).code == "app_unknown"


async def test_the_proxy_has_to_be_said_so_that_nobody_drops_it_by_oversight(world: World) -> None:
    await put(world, **FULL)
    forgotten = await put(world, device_model="Acme")

    assert forgotten.code == "invalid_request"
    assert forgotten.json["errors"] == [{"field": "proxy", "message": "Field required"}]
    assert world.apps.kept["acme"].version == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_no_tenant_opens_it_not_even_its_own(world: World, method: str) -> None:
    body = FULL if method == "PUT" else None
    own = await world.call(method, APP, body, credential=world.token("acme"))
    nobody = await world.call(method, APP, body, headers={"Authorization": ""})

    assert (own.code, nobody.code) == ("forbidden", "unauthenticated")
    assert world.apps.kept == {}
    assert world.apps.reads == 0


@pytest.mark.parametrize(
    ("app", "code", "field"),
    [
        ({"api_id": 1}, "app_invalid", "api_hash"),
        ({"api_hash": API_HASH}, "app_invalid", "api_id"),
        ({"api_id": 0, "api_hash": API_HASH}, "app_invalid", "api_id"),
        ({"api_id": 2**31, "api_hash": API_HASH}, "app_invalid", "api_id"),
        ({"api_id": 1, "api_hash": "short"}, "app_invalid", "api_hash"),
        ({"device_model": "x" * 65}, "app_invalid", "device_model"),
        ({"app_version": "1\n2"}, "app_invalid", "app_version"),
        ({"device_model": "Telegram Android"}, "device_dishonest", "device_model"),
        ({"system_version": "iOS 19"}, "device_dishonest", "system_version"),
        ({"proxy": "socks5://proxy"}, "proxy_invalid", "proxy"),
        ({"proxy": "tg://proxy?server=a&port=1&secret=2"}, "proxy_invalid", "proxy"),
    ],
)
async def test_what_is_wrong_is_named(world: World, app: dict[str, Any], code: str, field: str) -> None:
    refused = await put(world, **{"proxy": None} | app)

    assert (refused.status, refused.code, refused.json["field"]) == (422, code, field)
    assert world.apps.kept == {}


async def test_a_name_that_is_none_is_refused(world: World) -> None:
    assert (await world.call("GET", "/api/v1/tenants/a.b/app", credential=SERVICE_KEY)).code == "invalid_name"


async def test_an_outage_is_said(world: World) -> None:
    world.apps.down = True
    assert (await get(world)).code == (await put(world, proxy=None)).code == "store_unavailable"

"""Two tenants with names, apps and proxies of their own, in one service: neither is seen, or hurt, as the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from ops.sandbox.description import MADE_UP, made_up_hash
from supervisor.settings import Settings
from tests.contracts.proxy import open_proxy
from tests.stores import Database
from tests.stories.conftest import (
    ANNA,
    CLARA,
    RunningSandbox,
    Service,
    make_settings,
    qr_url,
    run_sandbox,
    running,
)

ACME, OTHER = MADE_UP + 10, MADE_UP + 20


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[RunningSandbox]:
    """A sandbox of this test's own: it counts, and refuses apps."""
    yield from run_sandbox(tmp_path / "own-sandbox")


@pytest.fixture
def settings(database: Database, redis_url: str, own_sandbox: RunningSandbox, tmp_path: Path) -> Settings:
    return make_settings(database.app_url, redis_url, own_sandbox.file, tmp_path / "sessions")


def own_app(api_id: int, device_model: str, proxy: str | None = None) -> dict[str, Any]:
    return {
        "api_id": api_id,
        "api_hash": made_up_hash(api_id),
        "device_model": device_model,
        "app_version": "1",
        "proxy": proxy,
    }


async def give(service: Service, tenant: str, app: dict[str, Any]) -> None:
    reply = await service.http.put(f"/api/v1/tenants/{tenant}/app", json=app)
    assert reply.status_code == 200, reply.text


async def link(service: Service, sandbox: RunningSandbox, tenant: str, app: str, phone: str) -> None:
    started = await service.start(tenant, app)
    await sandbox.accept(qr_url(started), phone)
    await service.wait_for(started["ticket"], "AUTHORIZED")
    await until(service, lambda tree: session_in(tree, tenant, app)["substate"] == "online")


async def until(service: Service, holds: Callable[[Any], bool]) -> Any:
    """The live tree, once this holds of it."""
    with trio.fail_after(30):
        while True:
            tree = (await service.http.get("/api/v1/tree")).json()
            if holds(tree):
                return tree
            await trio.sleep(0.05)


def session_in(tree: Any, tenant: str, app: str) -> Any:
    (sessions,) = (child["children"] for child in tree["children"] if child["name"] == "sessions")
    return next(each for each in sessions if (each["tenant"], each["app"]) == (tenant, app))


async def ask(sandbox: RunningSandbox, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
    return await trio.to_thread.run_sync(sandbox.control, method, path, body)


async def devices(sandbox: RunningSandbox) -> dict[str, tuple[int, str, str]]:
    """By phone number, what its owner reads under Devices."""
    found = await ask(sandbox, "GET", "/devices")
    return {each["phone"]: (each["api_id"], each["device_model"], each["app_version"]) for each in found}


async def test_each_tenants_people_read_its_own_name_and_go_on_reading_it(
    settings: Settings, own_sandbox: RunningSandbox
) -> None:
    expected = {
        ANNA: (ACME, "Acme CRM", "1"),
        CLARA: (OTHER, "Other Helpdesk", "1"),
    }
    async with running(settings) as service:
        await give(service, "acme", own_app(ACME, "Acme CRM"))
        await give(service, "other", own_app(OTHER, "Other Helpdesk"))
        await link(service, own_sandbox, "acme", "main", ANNA)
        await link(service, own_sandbox, "other", "main", CLARA)
        assert await devices(own_sandbox) == expected

        await ask(own_sandbox, "POST", "/drop", {})
        await until(service, lambda tree: session_in(tree, "acme", "main")["substate"] == "online")
    async with running(settings) as service:
        await until(service, lambda tree: is_online(tree, "acme") and is_online(tree, "other"))
        assert await devices(own_sandbox) == expected
    assert await ask(own_sandbox, "GET", "/duplicates") == []


def is_online(tree: Any, tenant: str) -> bool:
    (sessions,) = (child["children"] for child in tree["children"] if child["name"] == "sessions")
    return any(each["tenant"] == tenant and each["substate"] == "online" for each in sessions)


async def test_a_refused_app_parks_its_own_tenants_sessions_and_nobody_elses(
    settings: Settings, own_sandbox: RunningSandbox
) -> None:
    async with running(settings) as service:
        await give(service, "acme", own_app(ACME, "Acme CRM"))
        for app in ("one", "two"):
            await link(service, own_sandbox, "acme", app, ANNA)
        await link(service, own_sandbox, "other", "main", CLARA)

        refusal = {"method": "*", "error": "CONNECTION_API_ID_INVALID", "api_id": ACME}
        rule = await ask(own_sandbox, "POST", "/faults", refusal)
        await ask(own_sandbox, "POST", "/drop", {})
        tree = await until(
            service,
            lambda tree: tree["breakers"]["api_id"]["state"] == "open" and is_online(tree, "other"),
        )

        assert [each["of"] for each in tree["breakers"]["api_id"]["each"]] == ["acme"]
        assert not is_online(tree, "acme")
        assert await service.metric('circuit_state{scope="api_id"}') == 2
        assert await service.metric('circuits_open{scope="api_id"}') == 1
        assert await service.metric('circuit_state{scope="dc2"}') == 0
        await link(service, own_sandbox, "other", "second", CLARA)

        await ask(own_sandbox, "DELETE", f"/faults/{rule['id']}")
        # What is written anew is tried anew: nobody waits for the breaker's rest to end.
        await give(service, "acme", own_app(ACME, "Acme CRM, mended"))
        await link(service, own_sandbox, "acme", "three", ANNA)
        assert is_online((await service.http.get("/api/v1/tree")).json(), "other")


async def test_a_tenants_connections_go_through_its_proxy_and_wait_for_it_while_others_go_on(
    settings: Settings, own_sandbox: RunningSandbox
) -> None:
    async with open_proxy("socks5") as proxy, running(settings) as service:
        address = proxy.proxy().url().reveal()
        await give(service, "acme", {"proxy": address})
        await link(service, own_sandbox, "acme", "main", ANNA)
        assert (proxy.tunnels, len(proxy.asked)) == (1, 2)
        await link(service, own_sandbox, "other", "main", CLARA)
        assert len(proxy.asked) == 2

        proxy.refuses = True
        await ask(own_sandbox, "POST", "/drop", {})
        tree = await until(service, lambda tree: is_online(tree, "other") and not is_online(tree, "acme"))
        assert session_in(tree, "acme", "main")["substate"] == "reconnecting"
        phones = [each["phone"] for each in await ask(own_sandbox, "GET", "/connections")]
        assert ANNA not in phones

        proxy.refuses = False
        await until(service, lambda tree: is_online(tree, "acme"))
        assert proxy.tunnels == 1
        shown = await service.http.get("/api/v1/tenants/acme/app")
        assert shown.json()["proxy"] == f"socks5://127.0.0.1:{proxy.port}"
        assert "ss%20word" not in shown.text

"""Where a tenant wants to be told what happens: made, shown without its secret, changed, tested, removed."""

from __future__ import annotations

from typing import Any

import pytest

from actors.core.secret import Secret
from actors.guards import KeyRole
from actors.webhooks import DeliveryStatus
from api import webhooks
from api.webhooks import AT_MOST
from tests.http.conftest import SERVICE_KEY, Answer, World
from tests.http.credentials import give_key

HOOKS = "/api/v1/tenants/demo/webhooks"
URL = "https://hooks.example/telegram?key=1"


@pytest.fixture
def tenant(world: World) -> Secret:
    """demo's own API key."""
    return Secret(give_key(world.api_keys, KeyRole.TENANT, "demo"))


async def ask(world: World, who: Secret, method: str, path: str = "", body: Any = None) -> Answer:
    return await world.call(method, f"{HOOKS}{path}", body, credential=who)


async def test_a_webhook_tells_its_secret_once_and_is_shown_without_it(world: World, tenant: Secret) -> None:
    made = await ask(world, tenant, "POST", body={"url": URL})
    secret, webhook_id = made.json["secret"], made.json["webhook_id"]
    shown = await ask(world, tenant, "GET", f"/{webhook_id}")
    listed = await ask(world, tenant, "GET")

    assert made.status == 201
    assert secret.startswith("whsec_")
    assert shown.json == {name: value for name, value in made.json.items() if name != "secret"}
    assert listed.json == {"webhooks": [shown.json]}
    assert shown.json["status"] == "enabled"
    assert secret.encode() not in shown.raw + listed.raw


async def test_it_is_changed_rotated_tested_and_removed(world: World, tenant: Secret) -> None:
    rung: list[None] = []
    world.change(ring_webhooks=lambda: rung.append(None))
    made = (await ask(world, tenant, "POST", body={"url": URL})).json
    path = f"/{made['webhook_id']}"

    changed = await ask(world, tenant, "PUT", path, {"url": "https://other.example/", "enabled": False})
    rotated = await ask(world, tenant, "POST", f"{path}/rotate")
    pinged = await ask(world, tenant, "POST", f"{path}/ping")
    deliveries = await ask(world, tenant, "GET", f"{path}/deliveries?limit=1")
    removed = await ask(world, tenant, "DELETE", path)

    assert (changed.json["url"], changed.json["status"]) == ("https://other.example/", "disabled")
    assert rotated.json["secret"] not in {made["secret"], None}
    assert rotated.json["previous_secret_until"] is not None
    assert pinged.status == 202
    assert [each["message_id"] for each in deliveries.json["deliveries"]] == [pinged.json["message_id"]]
    assert len(rung) == 2
    assert removed.status == 204
    for method, rest in (
        ("GET", ""),
        ("DELETE", ""),
        ("POST", "/rotate"),
        ("POST", "/ping"),
        ("GET", "/deliveries"),
        ("POST", f"/deliveries/{pinged.json['message_id']}/resend"),
    ):
        assert (await ask(world, tenant, method, f"{path}{rest}")).code == "webhook_unknown"


async def test_a_tenant_has_only_so_many(world: World, tenant: Secret) -> None:
    for _ in range(AT_MOST):
        assert (await ask(world, tenant, "POST", body={"url": URL})).status == 201
    refused = await ask(world, tenant, "POST", body={"url": URL})

    assert (refused.status, refused.code) == (409, "too_many_webhooks")


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://127.0.0.1/", "https://u:p@hooks.example/"])
async def test_where_it_may_not_lead_is_said_without_repeating_it(
    world: World, tenant: Secret, url: str
) -> None:
    refused = await ask(world, tenant, "POST", body={"url": url})

    assert (refused.status, refused.code) == (422, "webhook_url_invalid")
    assert url.encode() not in refused.raw


async def test_a_closed_network_may_allow_it(world: World, tenant: Secret) -> None:
    world.change(webhooks_may_be_private=True)
    assert (await ask(world, tenant, "POST", body={"url": "http://127.0.0.1:9/x"})).status == 201


async def test_the_service_acts_for_any_tenant_and_a_tenant_for_itself(world: World) -> None:
    other = Secret(give_key(world.api_keys, KeyRole.TENANT, "omega"))
    made = await ask(world, SERVICE_KEY, "POST", body={"url": URL})
    assert made.status == 201
    for method, path in (("GET", ""), ("GET", f"/{made.json['webhook_id']}"), ("POST", "")):
        answer = await ask(world, other, method, path, {"url": URL} if method == "POST" else None)
        assert answer.code == "tenant_mismatch"
    # under its own name somebody else's is no more there than none at all
    path = f"/api/v1/tenants/omega/webhooks/{made.json['webhook_id']}"
    assert (await world.call("GET", path, credential=other)).code == "webhook_unknown"


# -- only some of it


async def test_a_webhook_says_what_it_wants_and_all_if_it_says_nothing(world: World, tenant: Secret) -> None:
    some = {"apps": ["main", "other"], "states": ["AUTHORIZED", "REVOKED"]}
    made = (await ask(world, tenant, "POST", body={"url": URL} | some)).json
    path = f"/{made['webhook_id']}"
    shown = (await ask(world, tenant, "GET", path)).json
    changed = (await ask(world, tenant, "PUT", path, {"url": URL, "enabled": True, "apps": ["main"]})).json

    assert {name: made[name] for name in some} == {name: shown[name] for name in some} == some
    assert (changed["apps"], changed["states"]) == (["main"], None)
    wrongs: list[dict[str, Any]] = [
        {"apps": []},
        {"states": ["LOST"]},
        {"apps": ["a/b"]},
        {"apps": "main"},
        {"states": [1]},
    ]
    for wrong in wrongs:
        refused = await ask(world, tenant, "POST", body={"url": URL} | wrong)
        assert (refused.status, refused.code) == (400, "invalid_request"), wrong


# -- resending


async def hooked(world: World, tenant: Secret, *statuses: DeliveryStatus) -> str:
    """The id of a webhook with these deliveries: msg_demo_0, msg_demo_1 and so on."""
    made = (await ask(world, tenant, "POST", body={"url": URL})).json
    for number, status in enumerate(statuses):
        world.webhooks.put("demo", made["webhook_id"], f"msg_demo_{number}", status)
    return str(made["webhook_id"])


async def test_a_dead_delivery_is_sent_anew_once_and_the_sender_is_woken(
    world: World, tenant: Secret
) -> None:
    rung: list[None] = []
    world.change(ring_webhooks=lambda: rung.append(None))
    path = f"/{await hooked(world, tenant, DeliveryStatus.DEAD)}/deliveries/"

    resent = await ask(world, tenant, "POST", f"{path}msg_demo_0/resend")
    assert (resent.status, resent.json, len(rung)) == (202, {"message_id": "msg_demo_0"}, 1)
    again = await ask(world, tenant, "POST", f"{path}msg_demo_0/resend")
    assert (again.status, again.code, len(rung)) == (409, "delivery_due", 1)
    unknown = await ask(world, tenant, "POST", f"{path}msg_demo_1/resend")
    assert (unknown.status, unknown.code) == (404, "delivery_unknown")


async def test_deliveries_are_read_in_pages_of_one_status(world: World, tenant: Secret) -> None:
    few = [DeliveryStatus.DEAD, DeliveryStatus.DUE] * 3
    webhook_id = await hooked(world, tenant, *few)
    path, pages = f"{HOOKS}/{webhook_id}/deliveries?limit=2&status=dead", []
    while path:
        answer = await world.call("GET", path, credential=tenant)
        pages.append([each["message_id"] for each in answer.json["deliveries"]])
        path = answer.headers.get("link", "").partition(">")[0].removeprefix("<")
        assert bool(path) == (answer.json["next_cursor"] is not None)

    assert pages == [["msg_demo_4", "msg_demo_2"], ["msg_demo_0"]]
    for query in ("status=lost", "cursor=1", "cursor=1.2.", f"cursor={'9' * 17}.1.x", "limit=0", "status="):
        answer = await ask(world, tenant, "GET", f"/{webhook_id}/deliveries?{query}")
        assert answer.code == "invalid_request", query


async def test_what_was_given_up_since_a_moment_is_sent_anew_so_many_at_a_time(
    world: World, tenant: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhooks, "RECOVERED_AT_ONCE", 2)
    path = f"/{await hooked(world, tenant, *[DeliveryStatus.DEAD] * 4)}/recover"  # settled at 1, 2, 3 and 4

    answers = [await ask(world, tenant, "POST", path, {"since": 2}) for _ in range(2)]
    assert [(each.status, each.json) for each in answers] == [
        (202, {"resent": 2, "more": True}),
        (202, {"resent": 1, "more": False}),
    ]
    for body in ({}, {"since": -1}, {"since": "1"}, {"since": 1e11}, {"since": 10**400}, {"since": True}):
        assert (await ask(world, tenant, "POST", path, body)).code == "invalid_request", body
    assert (await ask(world, tenant, "POST", f"/{'x' * 12}/recover", {"since": 0})).code == "webhook_unknown"

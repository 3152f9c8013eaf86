"""Every endpoint in every role: let in where the table of grants says so, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from api.permissions import GRANTS, Open, Permission, Role
from api.routes import ROUTES, Route
from tests.http.conftest import SERVICE_KEY, TOKEN_KEY, Answer, World
from tests.http.credentials import ANNA, authorization, supabase_token

BODIES: dict[str, dict[str, Any]] = {
    "StartQrBody": {"tenant_id": "demo", "app_id": "main"},
    "StartLoginBody": {"tenant_id": "demo", "app_id": "main"},
    "StartCodeBody": {"tenant_id": "demo", "app_id": "main", "phone": "+15550001111"},
    "StartBotBody": {"tenant_id": "demo", "app_id": "main", "bot_token": "12345:AAAAAAAAAAAAAAAAAAAAAAAAAA"},
    "StepBody": {"txn_id": "txn-1", "type": "code", "code": "12345"},
    "PasswordBody": {"ticket": "x" * 43, "password": "x"},
    "CancelBody": {"ticket": "x" * 43},
    "CallbackBody": {"ticket": "x" * 43, "tg_user_id": ANNA, "two_fa_required": False},
    "IssueBody": {"tenant_id": "demo"},
    "AppBody": {"proxy": None},
    "NewWebhookBody": {"url": "https://hooks.example/x"},
    "RecoverBody": {"since": 0},
    "WebhookBody": {"url": "https://hooks.example/x", "enabled": True},
}
SOMEBODY = [None, *Role]
STRANGERS = {"unauthenticated", "session_expired", "init_data_expired"}
TAKEN = [(route, role) for route in ROUTES for role in SOMEBODY]


def _named(value: object) -> str:
    match value:
        case Route(name=name):
            return name
        case Role():
            return value.value
        case _:
            return "nobody"


async def _ask(world: World, route: Route, header: str) -> Answer:
    names = {"tenant_id": "demo", "app_id": "main", "ticket": "x" * 43, "name": "main.js"}
    path = route.path.format(**names, webhook_id="x" * 12, message_id="msg_demo_1")
    body = BODIES[route.body.__name__] if route.body else None
    headers = {"Authorization": header, "X-Ticket": "x" * 43}
    if route.reply == "text/event-stream":
        world.doors.polls.end()  # else it would go on
    return await world.call(route.method, path, body, headers=headers)


def _header(world: World, role: Role | None) -> str:
    now = world.doors.clock.now()
    return "" if role is None else authorization(role, world.api_keys, TOKEN_KEY, SERVICE_KEY, now)


def _code(answer: Answer) -> str | None:
    return answer.code if answer.status >= 400 else None


@pytest.mark.parametrize(("route", "role"), TAKEN, ids=_named)
async def test_every_role_gets_through_every_door_that_is_its_own_and_no_other(
    world: World, route: Route, role: Role | None
) -> None:
    code = _code(await _ask(world, route, _header(world, role)))

    match route.needs:
        case Open.ANYBODY:
            assert code is None
        case Open.SIGNATURE:
            assert code == "signature_invalid"  # no role is a signature
        case Permission() as needed if role is None:
            assert code == "unauthenticated", needed
        case Permission() as needed if needed in GRANTS[role or Role.HOLDER]:
            assert code not in {"forbidden", *STRANGERS}
        case _:
            assert code == "forbidden"


def test_the_matrix_holds_every_kind_of_door() -> None:
    assert {route.needs for route in ROUTES} >= {*Open, Permission.LOGINS, Permission.TREE_READ}
    assert set(GRANTS) == set(Role)
    assert GRANTS[Role.OPERATOR].isdisjoint({Permission.LOGINS, Permission.SESSIONS_OPERATE})


async def test_a_route_that_is_not_in_the_table_is_closed_to_everybody(world: World) -> None:
    async def forgotten() -> str:
        return "open"

    app: Quart = world.app
    app.add_url_rule("/api/v1/forgotten", view_func=forgotten)

    answer = await world.call("GET", "/api/v1/forgotten", credential=SERVICE_KEY)

    assert answer.code == "forbidden"


async def test_two_credentials_are_none(world: World) -> None:
    both = f"Bearer {SERVICE_KEY.reveal()}, tma x"

    assert (
        await world.call("GET", "/api/v1/tree", headers={"Authorization": both})
    ).code == "unauthenticated"


async def test_a_user_of_supabases_is_one_of_the_tenants(world: World) -> None:
    header = {"Authorization": f"Bearer {supabase_token(world.doors.clock.now())}"}

    assert (await world.call("GET", "/api/v1/sessions", headers=header)).status == 200
    assert (await world.call("GET", "/api/v1/tree", headers=header)).code == "forbidden"


async def test_no_short_session_is_good_for_another_one(world: World) -> None:
    for role in (Role.PAGE, Role.HOLDER):
        header = {"Authorization": _header(world, role)}
        assert (await world.call("POST", "/api/v1/session", {}, headers=header)).code == "forbidden"

"""Logins over /api/v1/login, as a caller makes them."""

from __future__ import annotations

from typing import Any

from tests.fakes import FakeAccount
from tests.http.conftest import Answer, World

PHONE = "+15550001111"
BOT_TOKEN = FakeAccount().bot_token


async def begin(world: World, flow: str, **body: Any) -> Answer:
    names = {"tenant_id": "demo", "app_id": "main"}
    return await world.call("POST", f"/api/v1/login/start/{flow}", names | body)


async def code_ticket(world: World, **account: Any) -> str:
    """The ticket of a login that waits for its code."""
    world.session.account = FakeAccount(**account)
    answer = await begin(world, "code", phone=PHONE)
    assert answer.json["step"]["step_id"] == "code", answer.json
    return str(answer.json["login"]["ticket"])


async def step(world: World, ticket: str, txn_id: str = "txn-1", **body: Any) -> Answer:
    return await world.call("POST", f"/api/v1/login/{ticket}/step", {"txn_id": txn_id} | body)


async def code(world: World, ticket: str, digits: str, txn_id: str = "txn-1") -> Answer:
    return await step(world, ticket, txn_id, type="code", code=digits)


async def password(world: World, ticket: str, text: str, txn_id: str = "txn-2") -> Answer:
    return await step(world, ticket, txn_id, type="password", password=text)


async def resend(world: World, ticket: str, txn_id: str = "txn-3") -> Answer:
    return await step(world, ticket, txn_id, type="action", action="resend")


async def read(world: World, ticket: str, query: str = "") -> Any:
    return (await world.call("GET", f"/api/v1/login/{ticket}{query}")).json

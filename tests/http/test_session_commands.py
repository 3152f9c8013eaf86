"""What a session can be told over HTTP, and that it is what its tenant wants from then on."""

from __future__ import annotations

from typing import Any

from actors.core.secret import Secret
from actors.guards import KeyRole
from tests.http.conftest import DEMO, Answer, World
from tests.http.credentials import give_key


async def tell(world: World, command: str) -> Answer:
    key = Secret(give_key(world.api_keys, KeyRole.TENANT, "demo"))
    return await world.call("POST", f"/api/v1/sessions/{command}", credential=key)


async def told(world: World, action: str) -> Any:
    reply = await tell(world, f"demo/main/{action}")
    assert reply.status == 200, reply.raw
    return reply.json


async def log_in(world: World) -> None:
    await world.ticket()
    world.session.accept()
    await world.settle()


async def test_a_stopped_session_is_disconnected_and_meant_to_stay_so(world: World) -> None:
    await log_in(world)

    stopped = await told(world, "stop")

    shown = (stopped["state"], stopped["substate"], stopped["desired_state"], stopped["user_action"])
    assert shown == ("AUTHORIZED", "stopped", "stopped", "none")
    assert world.session.connections == 0
    assert world.store.rows[DEMO].record.stopped


async def test_a_session_that_is_started_is_online_when_the_answer_comes(world: World) -> None:
    await log_in(world)
    await told(world, "stop")

    started = await told(world, "start")

    assert (started["substate"], started["desired_state"]) == ("online", "running")
    assert world.session.connections == 1


async def test_commands_may_be_sent_again(world: World) -> None:
    await log_in(world)

    for action in ("stop", "stop", "start", "start", "validate", "validate"):
        await told(world, action)

    assert world.session.most_connections == 1


async def test_a_restart_opens_a_new_connection(world: World) -> None:
    await log_in(world)
    world.session.calls.clear()

    assert (await told(world, "restart"))["substate"] == "online"

    assert world.session.calls == ["disconnect", "connect"]


async def test_a_revoked_session_is_logged_out_at_telegram(world: World) -> None:
    await log_in(world)

    revoked = await told(world, "revoke")

    assert (revoked["state"], revoked["reason"], revoked["user_action"]) == (
        "REVOKED",
        "requested",
        "relogin",
    )
    assert world.session.authorizations == 0


async def test_a_session_that_nobody_has_started_is_unknown(world: World) -> None:
    reply = await tell(world, "demo/main/start")

    assert (reply.status, reply.code) == (404, "session_unknown")


async def test_what_a_session_does_not_take_now_is_refused_and_changes_nothing(world: World) -> None:
    await world.ticket()

    reply = await tell(world, "demo/main/revoke")

    assert (reply.status, reply.code) == (409, "out_of_turn")
    assert (await world.call("GET", "/api/v1/sessions/demo/main")).json["state"] == "PENDING_QR"


async def test_another_tenant_s_session_cannot_be_told_anything(world: World) -> None:
    await log_in(world)

    reply = await tell(world, "other/main/stop")

    assert reply.code == "tenant_mismatch"
    assert world.session.connections == 1

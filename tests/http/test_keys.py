"""API keys as callers use them."""

from __future__ import annotations

import pytest

from actors.guards import KeyRole
from api.keys import LOOKUPS_AT_ONCE, REMEMBERED, RememberedKeys, new_key
from tests.fakes import FakeApiKeys
from tests.http.conftest import Answer, VirtualTime, World
from tests.http.credentials import give_key


async def _list(world: World, key: str) -> Answer:
    return await world.call("GET", "/api/v1/sessions", headers={"Authorization": f"Bearer {key}"})


async def test_a_tenant_s_key_is_good_for_that_tenant_only(world: World) -> None:
    key = give_key(world.api_keys, KeyRole.TENANT, "demo")

    async def start(tenant_id: str) -> Answer:
        body = {"tenant_id": tenant_id, "app_id": "main"}
        return await world.call("POST", "/api/qr/start", body, headers={"Authorization": f"Bearer {key}"})

    assert (await start("demo")).status == 200
    assert (await start("other")).code == "tenant_mismatch"


async def test_an_operator_sees_every_tenant_and_changes_nothing(world: World) -> None:
    await world.ticket()
    key = {"Authorization": f"Bearer {give_key(world.api_keys, KeyRole.OPERATOR)}"}

    sessions = (await world.call("GET", "/api/v1/sessions", headers=key)).json["sessions"]
    assert [session["tenant_id"] for session in sessions] == ["demo"]
    assert (await world.call("GET", "/api/v1/tree", headers=key)).status == 200
    body = {"tenant_id": "demo", "app_id": "main"}
    assert (await world.call("POST", "/api/qr/start", body, headers=key)).code == "forbidden"


async def test_a_revoked_an_expired_and_an_unknown_key_are_refused_alike(world: World) -> None:
    now = world.doors.clock.now()
    revoked = give_key(world.api_keys, KeyRole.ADMIN, revoked_at=now - 1)
    expired = give_key(world.api_keys, KeyRole.ADMIN, expires_at=now)
    unknown = new_key(KeyRole.ADMIN, None, "", now)[0].reveal()
    wrong = give_key(world.api_keys, KeyRole.ADMIN)[:-1] + "_"

    answers = [await _list(world, key) for key in (revoked, expired, unknown, wrong)]

    assert {answer.code for answer in answers} == {"unauthenticated"}
    assert len({answer.json["detail"] for answer in answers}) == 1


async def test_without_the_store_of_keys_a_key_is_an_outage_and_no_refusal(world: World) -> None:
    key = give_key(world.api_keys, KeyRole.ADMIN)
    world.api_keys.down = True

    assert (await _list(world, key)).code == "store_unavailable"
    assert (await world.call("GET", "/api/v1/sessions")).status == 200  # a short session needs no store


async def test_a_revoked_key_works_for_five_seconds_at_most(world: World, time: VirtualTime) -> None:
    kept = FakeApiKeys()
    world.change(api_keys=RememberedKeys(kept, world.doors.clock))
    key = give_key(kept, KeyRole.ADMIN)
    assert (await _list(world, key)).status == 200

    kept.kept.clear()
    await time.after(REMEMBERED - 0.1)
    assert (await _list(world, key)).status == 200
    await time.after(0.2)
    assert (await _list(world, key)).code == "unauthenticated"


async def test_strangers_who_make_up_keys_do_not_fill_the_memory(world: World) -> None:
    keys = RememberedKeys(FakeApiKeys(), world.doors.clock)
    for number in range(3000):
        assert await keys.find(f"{number:012}") is None

    assert len(keys._known) == 1024
    assert keys._lookups.total_tokens == LOOKUPS_AT_ONCE


@pytest.mark.parametrize("role", KeyRole)
def test_a_key_has_256_random_bits_and_is_kept_as_a_hash_only(role: KeyRole) -> None:
    tenant = "demo" if role is KeyRole.TENANT else None
    made = [new_key(role, tenant, "x", 0.0) for _ in range(200)]

    assert len({key.reveal() for key, _ in made}) == 200
    assert all(len(key.reveal()) == len("usm_") + 12 + 1 + 43 for key, _ in made)
    for key, kept in made:
        assert key.reveal().split("_", 2)[2] not in repr(kept)
        assert len(kept.key_hash) == 32

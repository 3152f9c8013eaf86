"""API keys as callers use them."""

from __future__ import annotations

import pytest
import trio

from actors.guards import ApiKey, KeyRole
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

    assert len(keys._made_up.answers) == 1024
    assert keys._made_up.lookups.total_tokens == LOOKUPS_AT_ONCE


class Asked(FakeApiKeys):
    """Counts, and lets others run meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    async def find(self, key_id: str) -> ApiKey | None:
        self.asked += 1
        await trio.lowlevel.checkpoint()
        return await super().find(key_id)


async def test_strangers_who_make_up_keys_displace_none_that_is_real(world: World) -> None:
    kept = Asked()
    give_key(kept, KeyRole.ADMIN)
    (real,) = kept.kept
    keys = RememberedKeys(kept, world.doors.clock)
    assert await keys.find(real) is not None
    async with trio.open_nursery() as nursery:
        for number in range(40):
            nursery.start_soon(keys.find, f"{number:012}")
    before = kept.asked

    assert await keys.find(real) is not None
    assert kept.asked == before


async def test_many_who_come_with_one_key_at_once_ask_the_database_few_times(world: World) -> None:
    kept = Asked()
    give_key(kept, KeyRole.ADMIN)
    (real,) = kept.kept
    keys = RememberedKeys(kept, world.doors.clock)

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(keys.find, real)

    assert kept.asked <= LOOKUPS_AT_ONCE


async def test_a_key_that_is_gone_is_remembered_as_gone(world: World, time: VirtualTime) -> None:
    kept = Asked()
    give_key(kept, KeyRole.ADMIN)
    (real,) = kept.kept
    keys = RememberedKeys(kept, world.doors.clock)
    assert await keys.find(real) is not None
    kept.kept.clear()
    await time.after(REMEMBERED + 0.1)
    assert await keys.find(real) is None
    before = kept.asked

    assert await keys.find(real) is None
    assert kept.asked == before


@pytest.mark.parametrize("role", KeyRole)
def test_a_key_has_256_random_bits_and_is_kept_as_a_hash_only(role: KeyRole) -> None:
    tenant = "demo" if role is KeyRole.TENANT else None
    made = [new_key(role, tenant, "x", 0.0) for _ in range(200)]

    assert len({key.reveal() for key, _ in made}) == 200
    assert all(len(key.reveal()) == len("usm_") + 12 + 1 + 43 for key, _ in made)
    for key, kept in made:
        assert key.reveal().split("_", 2)[2] not in repr(kept)
        assert len(kept.key_hash) == 32

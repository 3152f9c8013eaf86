"""Signed callbacks: who is believed, and that nothing comes of it but an answer."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.core.secret import Secret
from api.errors import Declined
from api.events import Callback, CallbackCompared, Webhook, WebhookCame
from api.signatures import Signed, prove, target
from tests.http.conftest import DEMO, PASSWORD, TOKEN_KEY, Answer, VirtualTime, World
from tests.http.credentials import ANNA, callback_body, callback_headers, callback_request, demos_key
from tests.http.mutations import mutated

NEXT_KEY = Secret("the-next-key-fedcba9876543210fedcba9876543210")


async def _linked(world: World) -> str:
    ticket = await world.ticket()
    world.session.accept()
    await world.settle()
    return ticket


async def _send(world: World, request: Signed, **headers: str) -> Answer:
    return await world.call(
        "POST", "/api/qr/callback", raw=request.body, headers=callback_headers(request) | headers
    )


async def _call(world: World, ticket: str, account_id: int = ANNA, **changes: Any) -> Answer:
    key = demos_key(world.doors.callback_keys)
    return await _send(
        world, callback_request(key, callback_body(ticket, account_id), world.doors.clock.now(), **changes)
    )


def _told(world: World) -> list[Webhook | Callback]:
    return [e.outcome for e in world.events if isinstance(e, WebhookCame | CallbackCompared)]


async def test_a_true_hint_is_confirmed_in_the_specification_s_words(world: World) -> None:
    answer = await _call(world, await _linked(world))

    assert (answer.status, answer.json) == (
        200,
        {"status": "success", "message": "Authorization completed successfully"},
    )
    assert _told(world) == [Webhook.ACCEPTED, Callback.CONFIRMED]


async def test_a_hint_brings_nothing_about(world: World) -> None:
    ticket = await world.ticket()
    before = await world.directory.look(next(iter(world.directory.running)))

    answer = await _call(world, ticket)

    assert answer.json["status"] == "pending"
    assert await world.directory.look(next(iter(world.directory.running))) == before
    assert world.session.calls == ["export_token"]


async def test_a_password_that_is_needed_is_told_whatever_the_hint_says(world: World) -> None:
    answer = await _call(world, await world.until_password())

    assert answer.json["status"] == "password_required"
    assert _told(world)[-1] is Callback.PASSWORD_REQUIRED


async def test_another_account_than_the_linked_one_is_a_conflict_that_does_not_name_it(world: World) -> None:
    answer = await _call(world, await _linked(world), account_id=77)

    assert (answer.status, answer.code) == (409, "account_differs")
    assert str(ANNA) not in answer.raw.decode()
    assert _told(world)[-1] is Callback.ACCOUNT_DIFFERS


async def test_an_ended_login_and_an_unknown_ticket_are_told(world: World) -> None:
    ticket = await world.ticket()
    await world.call("POST", "/api/qr/cancel", {"ticket": ticket})

    assert (await _call(world, ticket)).code == "login_ended"
    assert (await _call(world, "x" * 43)).code == "ticket_unknown"
    assert [told for told in _told(world) if isinstance(told, Callback)] == [
        Callback.ENDED,
        Callback.TICKET_UNKNOWN,
    ]


async def test_a_tenant_s_key_is_good_for_its_own_tickets_only(world: World) -> None:
    ticket = await _linked(world)
    key = demos_key(world.doors.callback_keys, "other")
    request = callback_request(key, callback_body(ticket), world.doors.clock.now())

    assert (await _send(world, request)).code == "ticket_unknown"
    forged = replace(request, key_id=demos_key(world.doors.callback_keys).key_id)
    assert (await _send(world, forged)).code == "signature_invalid"


async def test_the_same_callback_is_taken_once(world: World) -> None:
    ticket = await _linked(world)
    request = callback_request(
        demos_key(world.doors.callback_keys), callback_body(ticket), world.doors.clock.now()
    )

    assert [(await _send(world, request)).status for _ in range(3)] == [200, 409, 409]
    assert _told(world).count(Webhook.REPLAYED) == 2


async def test_where_the_request_ids_were_lost_a_second_time_tells_the_same_and_brings_nothing_about(
    world: World,
) -> None:
    """Hence the store of request ids need not be safer than Redis is: see ops/docs/callbacks.md."""
    body = callback_body(await _linked(world))
    request = callback_request(demos_key(world.doors.callback_keys), body, world.doors.clock.now())
    first = await _send(world, request)
    version = (await world.directory.look(DEMO)).version
    world.answers.kept.clear()
    again = await _send(world, request)

    assert first.status == 200
    assert (again.status, again.json) == (first.status, first.json)
    assert (await world.directory.look(DEMO)).version == version


async def test_under_another_key_the_same_callback_is_still_the_same(world: World) -> None:
    world.change(callback_keys=DerivedCallbackKeys(TOKEN_KEY, NEXT_KEY))
    body, now = callback_body(await _linked(world)), world.doors.clock.now()
    first, second = world.doors.callback_keys.of("demo")
    request = callback_request(first, body, now)
    again = callback_request(second, body, now, request_id=request.request_id)

    assert (await _send(world, request)).status == 200
    assert (await _send(world, again)).code == "replayed"


async def test_a_forged_callback_uses_up_no_request_id(world: World) -> None:
    ticket = await _linked(world)
    request = callback_request(
        demos_key(world.doors.callback_keys), callback_body(ticket), world.doors.clock.now()
    )

    await _send(world, replace(request, signature=f"v1={'0' * 64}"))
    assert world.answers.kept == {}
    assert (await _send(world, request)).status == 200


async def test_without_the_store_of_request_ids_nobody_is_let_in(world: World) -> None:
    ticket = await _linked(world)
    world.answers.down = True

    answer = await _call(world, ticket)

    assert (answer.status, answer.code) == (503, "store_unavailable")
    assert _told(world) == [Webhook.UNANSWERED]


@pytest.mark.parametrize(("age", "status"), [(-31, 401), (-30, 200), (0, 200), (300, 200), (302, 401)])
async def test_a_callback_is_taken_within_its_window_only(world: World, age: int, status: int) -> None:
    ticket = await _linked(world)
    at = str(int(world.doors.clock.now()) - age)

    answer = await _call(world, ticket, timestamp=at)

    assert answer.status == status, answer.raw


@pytest.mark.parametrize("tolerance", [30.0, 300.0])
async def test_a_request_id_is_remembered_to_the_end_of_its_window(
    world: World, time: VirtualTime, tolerance: float
) -> None:
    world.change(callback_tolerance=tolerance)
    ticket = await world.ticket()
    await time.after(1.1 - world.doors.clock.now() % 1)
    now = int(world.doors.clock.now())
    request = callback_request(
        demos_key(world.doors.callback_keys), callback_body(ticket, ANNA), now, timestamp=str(now + 30)
    )
    assert (await _send(world, request)).status == 200

    await time.after(tolerance + 30.8)
    assert int(world.doors.clock.now()) == now + 30 + tolerance
    assert (await _send(world, request)).code == "replayed"
    await time.after(0.2)
    assert (await _send(world, request)).code == "outside_window"


async def test_the_window_is_as_long_as_it_was_set(world: World) -> None:
    world.change(callback_tolerance=60.0)
    ticket, now = await _linked(world), int(world.doors.clock.now())

    assert (await _call(world, ticket, timestamp=str(now - 62))).code == "outside_window"
    assert (await _call(world, ticket, timestamp=str(now - 58))).status == 200


async def test_a_request_id_is_remembered_as_long_as_its_signature_is_good(
    world: World, time: VirtualTime
) -> None:
    ticket = await _linked(world)
    now = world.doors.clock.now()
    key = demos_key(world.doors.callback_keys)
    request = callback_request(key, callback_body(ticket), now, timestamp=str(int(now) + 29))
    await _send(world, request)

    await time.after(325)
    assert (await _send(world, request)).code == "replayed"
    await time.after(5)
    assert (await _send(world, request)).code == "outside_window"


async def test_while_a_secret_is_replaced_both_keys_count_and_afterwards_one(world: World) -> None:
    ticket, now = await _linked(world), world.doors.clock.now()
    old, new = (DerivedCallbackKeys(secret).of("demo")[0] for secret in (TOKEN_KEY, NEXT_KEY))

    async def statuses() -> list[int]:
        requests = [callback_request(key, callback_body(ticket), now) for key in (old, new)]
        return [(await _send(world, request)).status for request in requests]

    assert await statuses() == [200, 401]
    world.change(callback_keys=DerivedCallbackKeys(TOKEN_KEY, NEXT_KEY))
    assert await statuses() == [200, 200]
    world.change(callback_keys=DerivedCallbackKeys(NEXT_KEY))
    assert await statuses() == [401, 200]


async def test_several_signatures_are_taken_if_one_is_good(world: World) -> None:
    ticket = await _linked(world)
    request = callback_request(
        demos_key(world.doors.callback_keys), callback_body(ticket), world.doors.clock.now()
    )

    assert (
        await _send(world, request, **{"X-Miniapp-Signature": f"v1={'0' * 64},{request.signature}"})
    ).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Miniapp-Signature": ""},
        {"X-Miniapp-Signature": "v0={}"},
        {"X-Miniapp-Signature": "{}"},
        {"X-Miniapp-Signature": "v1={},"},
        {"X-Miniapp-Signature": "v1={}, v1={}"},
        {"X-Miniapp-Signature": ",".join(["v1={}"] * 5)},
        {"X-Timestamp": "0700000000"},
        {"X-Timestamp": "1.7e9"},
        {"X-Timestamp": "+170000000"},
        {"X-Timestamp": "17000000000"},
        {"X-Request-Id": "not-a-uuid"},
        {"X-Request-Id": "A0000000-0000-4000-8000-000000000000"},
        {"X-Key-Id": "demo"},
        {"X-Key-Id": "demo.ffffffff"},
        {"X-Key-Id": "../demo.00000000"},
    ],
    ids=str,
)
async def test_what_is_not_written_as_it_should_be_is_refused(world: World, headers: dict[str, str]) -> None:
    ticket = await _linked(world)
    request = callback_request(
        demos_key(world.doors.callback_keys), callback_body(ticket), world.doors.clock.now()
    )
    signature = request.signature.removeprefix("v1=")

    answer = await _send(
        world, request, **{name: value.replace("{}", signature) for name, value in headers.items()}
    )

    assert answer.status == 401
    assert answer.code in {"signature_invalid", "outside_window"}


async def test_the_body_is_read_after_the_signature_and_refused_like_every_other(world: World) -> None:
    key, now = demos_key(world.doors.callback_keys), world.doors.clock.now()

    for body, code in (
        (b"{", "bad_json"),
        (b'{"ticket": "a", "ticket": "b"}', "bad_json"),
        (b"{}", "invalid_request"),
        (json.dumps({"ticket": "x", "tg_user_id": -1, "two_fa_required": False}).encode(), "invalid_request"),
    ):
        assert (await _send(world, callback_request(key, body, now))).code == code
        assert (await _send(world, replace(callback_request(key, body, now), signature=""))).code == (
            "signature_invalid"
        )
    assert _told(world).count(Webhook.BODY_INVALID) == 4


async def test_no_outcome_is_outside_of_the_closed_set_and_none_holds_a_secret(world: World) -> None:
    ticket = await world.until_password()
    await _call(world, ticket)

    told = repr([event for event in world.events if isinstance(event, WebhookCame | CallbackCompared)])
    for secret in (ticket, PASSWORD, "demo"):
        assert secret not in told


async def test_switched_off_it_says_so(world: World) -> None:
    world.change(feature_enabled=False)

    assert (await _call(world, "x" * 43)).code == "feature_disabled"


def test_a_query_is_signed_in_the_order_of_its_parts() -> None:
    assert target("/a", "") == "/a"
    assert target("/a", "b=2&a=1&a=0") == target("/a", "a=1&a=0&b=2") == "/a?a=0&a=1&b=2"


@pytest.mark.parametrize("seed", range(10))
def test_a_thousand_changes_of_a_signed_callback_are_refused(seed: int) -> None:
    """With the other seeds and init data: twenty thousand. `ops/mutate` tries a million."""
    keys, chance, now = DerivedCallbackKeys(TOKEN_KEY, NEXT_KEY), Random(seed), 1_800_000_000.0
    accepted = []
    for _ in range(1000):
        good = callback_request(chance.choice(keys.of("demo")), callback_body("x" * 43), now)
        assert prove(good, keys, now, 300.0).tenant_id == "demo"
        changed = mutated(good, chance)
        try:
            prove(changed, keys, now, 300.0)
        except Declined:
            continue
        accepted.append((good, changed))

    assert accepted == []

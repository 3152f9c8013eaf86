"""Who is let in, and to what."""

from __future__ import annotations

import base64
import json
from typing import Any

import jwt
import pytest

from actors.core.names import SessionKey
from actors.core.secret import Secret
from api.tickets import derive_key, looks_like_a_ticket, ticket_for
from api.tokens import LONGEST_SESSION
from tests.http.conftest import SERVICE_KEY, TOKEN_KEY, Answer, VirtualTime, World

SIGNING_KEY = derive_key(TOKEN_KEY, "usm short session v1")


async def _with(world: World, authorization: str) -> Answer:
    return await world.call(
        "POST",
        "/api/qr/start",
        {"tenant_id": "demo", "app_id": "main"},
        headers={"Authorization": authorization},
    )


def _claims(world: World, **changes: Any) -> dict[str, Any]:
    now = int(world.doors.clock.now())
    claims = {"aud": "usm", "exp": now + 600, "app_metadata": {"tenant_id": "demo"}} | changes
    return {name: value for name, value in claims.items() if value is not None}


async def _signed(world: World, key: bytes = SIGNING_KEY, algorithm: str = "HS256", **changes: Any) -> Answer:
    return await _with(world, f"Bearer {jwt.encode(_claims(world, **changes), key, algorithm=algorithm)}")


async def test_a_token_of_ours_lets_its_tenant_in(world: World) -> None:
    assert (await _signed(world)).status == 200


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer a.b.c",
        "Basic ZGVtbzpkZW1v",
        "tma query_id=1",
        "Bearer é.é.é",
    ],
)
async def test_nothing_or_nonsense_is_asked_for_a_credential(world: World, authorization: str) -> None:
    answer = await _with(world, authorization)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == 'Bearer realm="usm"'


async def test_the_service_key_goes_by_its_scheme_in_any_case_and_is_compared_whole(world: World) -> None:
    key = SERVICE_KEY.reveal()

    assert (await _with(world, f"bearer {key}")).status == 200
    for wrong in (f"Bearer {key[:-1]}", f"Bearer {key}x", f"Basic {key}", key):
        assert (await _with(world, wrong)).code == "unauthenticated"


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "authenticated"},
        {"aud": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": True},
        {"app_metadata": None},
        {"app_metadata": {}},
        {"app_metadata": {"tenant_id": 7}},
        {"app_metadata": "demo"},
        {"key": b"another-key-of-32-bytes-and-more"},
        {"key": TOKEN_KEY.reveal().encode()},
        {"algorithm": "HS512", "key": SIGNING_KEY * 2},
    ],
    ids=repr,
)
async def test_a_token_that_is_not_quite_ours_is_refused(world: World, changes: dict[str, Any]) -> None:
    assert (await _signed(world, **changes)).code == "unauthenticated"


async def test_a_token_that_claims_to_need_no_signature_is_refused(world: World) -> None:
    header, payload = ({"alg": "none", "typ": "JWT"}, _claims(world))
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
        for part in (header, payload)
    ]

    assert (await _with(world, f"Bearer {'.'.join(parts)}.")).code == "unauthenticated"


async def test_a_token_ends_by_our_clock(world: World, time: VirtualTime) -> None:
    authorization = f"Bearer {world.token('demo', ttl=60).reveal()}"
    assert (await _with(world, authorization)).status == 200
    await time.after(61)

    answer = await _with(world, authorization)

    assert (answer.status, answer.code) == (401, "session_expired")
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_no_token_lives_longer_than_an_hour(world: World, time: VirtualTime) -> None:
    now = int(world.doors.clock.now())
    assert (await _signed(world, exp=now + LONGEST_SESSION + 60)).code == "unauthenticated"
    longest = f"Bearer {world.token('demo', ttl=1e9).reveal()}"
    assert (await _with(world, longest)).status == 200
    await time.after(LONGEST_SESSION + 1)

    assert (await _with(world, longest)).code == "session_expired"


async def test_a_tenant_cannot_name_another(world: World) -> None:
    answer = await world.start(tenant_id="other")

    assert (answer.status, answer.code) == (403, "tenant_mismatch")
    assert world.telegram[SessionKey("other", "main")].calls == []


@pytest.mark.parametrize(
    ("method", "path", "more"),
    [
        ("GET", "/api/qr/status", None),
        ("POST", "/api/qr/password", {"password": "x"}),
        ("POST", "/api/qr/cancel", {}),
    ],
)
async def test_a_foreign_ticket_is_answered_exactly_like_one_that_never_was(
    world: World, method: str, path: str, more: dict[str, str] | None
) -> None:
    real, invented = await world.ticket(), "A" * 43
    other = world.token("other")

    async def knock(ticket: str) -> tuple[int, dict[str, Any], set[str]]:
        body = None if more is None else {"ticket": ticket} | more
        headers = {"X-Ticket": ticket} if more is None else {}
        answer = await world.call(method, path, body, headers=headers, credential=other)
        return answer.status, {**answer.json, "request_id": ""}, set(answer.headers)

    foreign = await knock(real)

    assert foreign[0] == 404
    assert foreign == await knock(invented) == await knock("nonsense") == await knock("é" * 43)
    assert (await world.status(real)).json["state"] == "PENDING_QR"


def test_a_ticket_is_256_bits_and_belongs_to_its_login_and_key() -> None:
    tickets = {
        ticket_for(Secret(key), login).reveal() for key in ("key one", "key two") for login in ("a", "b")
    }

    assert len(tickets) == 4
    assert all(looks_like_a_ticket(ticket) for ticket in tickets)
    assert all(len(base64.urlsafe_b64decode(ticket + "=")) == 32 for ticket in tickets)
    assert ticket_for(Secret("key one"), "a").reveal() in tickets

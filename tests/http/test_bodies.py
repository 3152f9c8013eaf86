"""Requests that are not what they should be."""

from __future__ import annotations

import pytest

from actors.bridge import in_asyncio
from actors.core.secret import Secret
from api.bodies import PasswordBody
from tests.http.conftest import SERVICE_KEY, World

START = "/api/qr/start"
CANARY = "canary-7f3a"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"tenant_id": "demo"}, "app_id"),
        ({"tenant_id": "demo", "app_id": 7}, "app_id"),
        ({"tenant_id": None, "app_id": "main"}, "tenant_id"),
        ({"tenant_id": "demo", "app_id": "main", CANARY: 1}, ""),
    ],
)
async def test_a_wrong_field_is_named_but_never_quoted(
    world: World, body: dict[str, object], field: str
) -> None:
    answer = await world.call("POST", "/api/qr/start", body)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]
    assert CANARY.encode() not in answer.raw


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b'{"tenant_id": "demo", "app_id": "main", "app_id": "main"}',
        b'{"tenant_id": "demo", "app_id": NaN}',
        b'{"tenant_id": "demo", "app_id": "\\ud800"}',
        b'{"tenant_id": "demo", "app_id": "\xff"}',
        b'{"tenant_id": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda raw: repr(raw[:24]),
)
async def test_what_is_not_one_plain_json_object_is_refused(world: World, raw: bytes) -> None:
    answer = await world.call("POST", START, raw=raw)

    assert (answer.status, answer.code) == (400, "bad_json")


async def test_an_object_in_an_object_in_an_object_without_end_is_refused(world: World) -> None:
    answer = await world.call("POST", START, raw=b'{"a":' * 2000 + b"1" + b"}" * 2000)

    assert answer.status == 400
    assert answer.code in {"bad_json", "invalid_request"}  # newer Pythons can read that deep


@pytest.mark.parametrize(
    "name", ["../etc", "..", "a/b", "", "a" * 65, "-a", "a\u2024b", "a\x00", "a%2e", "\uff41"]
)
@pytest.mark.parametrize("field", ["tenant_id", "app_id"])
async def test_a_name_that_could_climb_a_path_is_refused(world: World, field: str, name: str) -> None:
    answer = await world.start(**{field: name})

    assert (answer.status, answer.code, answer.json["field"]) == (400, "invalid_name", field)
    assert name.encode() not in answer.raw or not name


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("?wait=26", "wait"),
        ("?wait=-1", "wait"),
        ("?wait=x", "wait"),
        ("?since=-1", "since"),
        ("?wait=1&wait=2", "wait"),
        ("?weight=1", ""),
    ],
)
async def test_a_wrong_parameter_is_named(world: World, query: str, field: str) -> None:
    answer = await world.status(await world.ticket(), query)

    assert (answer.status, answer.code) == (400, "invalid_request")
    assert [fault["field"] for fault in answer.json["errors"]] == [field]


async def test_a_status_without_a_ticket_asks_for_one(world: World) -> None:
    answer = await world.call("GET", "/api/qr/status")

    assert (answer.status, answer.json["errors"][0]["field"]) == (400, "ticket")


async def test_a_body_of_unknown_length_is_cut_off_too(world: World) -> None:
    async def send() -> int:
        bearer = {"Authorization": f"Bearer {world.credential.reveal()}", "Content-Type": "application/json"}
        async with world.client.request("/api/qr/start", method="POST", headers=bearer) as connection:
            for _ in range(5):
                await connection.send(b" " * 4096)
        return (await connection.as_response()).status_code

    assert await in_asyncio(send) == 413


def test_a_secret_of_a_body_cannot_be_printed() -> None:
    body = PasswordBody.model_validate({"ticket": CANARY, "password": CANARY})

    assert isinstance(body.password, Secret)
    assert CANARY not in f"{body!r} {body}"


@pytest.mark.parametrize(
    ("number", "status"), [("5", 200), ("5.0", 200), ("5e0", 200), ("5.5", 400), ("1e300", 400)]
)
async def test_a_whole_number_is_one_however_json_writes_it(world: World, number: str, status: int) -> None:
    raw = f'{{"tenant_id": "demo", "app_id": "main", "expected_telegram_user_id": {number}}}'.encode()

    assert (await world.call("POST", "/api/v1/login/start/qr", raw=raw)).status == status


async def test_an_empty_tenant_is_no_tenant_at_all(world: World) -> None:
    answer = await world.call("POST", "/api/v1/session", {"tenant_id": ""}, credential=SERVICE_KEY)

    assert answer.code == "invalid_name"

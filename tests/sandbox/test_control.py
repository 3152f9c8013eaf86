import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from telethon import errors

from ops.sandbox import Sandbox, phone
from tests.sandbox.clients import ANNA, CLARA, connected, log_in_by_qr, started, unconnected


@asynccontextmanager
async def controlled() -> AsyncIterator[tuple[Sandbox, httpx.AsyncClient]]:
    async with started() as sandbox:
        headers = {"Authorization": f"Bearer {sandbox.description.control_key}"}
        async with httpx.AsyncClient(base_url=sandbox.description.control_url, headers=headers) as http:
            yield sandbox, http


def test_a_login_can_be_driven_over_http() -> None:
    async def story() -> None:
        async with (
            controlled() as (sandbox, http),
            connected(sandbox.description, device_model="Desk") as client,
        ):
            made = await http.post("/accounts", json={"first_name": "Dora", "dc_id": 1})
            assert made.status_code == 201
            number = made.json()["phone"]

            async def scan(url: str) -> None:
                assert (await http.post("/accept", json={"url": url, "phone": number})).status_code == 200

            assert (await log_in_by_qr(client, scan)).phone == number
            accounts = (await http.get("/accounts")).json()
            assert [account["first_name"] for account in accounts] == ["Anna", "Boris", "Clara", "Dora"]
            (line,) = (await http.get("/connections")).json()
            assert (line["phone"], line["dc_id"], line["device_model"]) == (number, 1, "Desk")
            words = (await http.get("/first_words")).json()
            assert {(said["dc_id"], said["delay"]) for said in words} == {(2, None), (1, None)}
            assert (await http.post("/revoke", json={"phone": number})).json() == {"revoked": 1}
            assert await client.get_me() is None

    asyncio.run(story())


def test_a_provisioned_session_and_its_misuse_can_be_seen_over_http() -> None:
    async def story() -> None:
        async with controlled() as (sandbox, http):
            session = (await http.post("/provision", json={"phone": CLARA})).json()["session"]
            async with connected(sandbox.description, session) as client:
                assert (await client.get_me()).phone == CLARA
                second = unconnected(sandbox.description, session)
                with pytest.raises(errors.AuthKeyDuplicatedError):
                    await second.connect()
                await second.disconnect()
            (use,) = (await http.get("/duplicates")).json()
            assert (use["user_id"], use["dc_id"]) == (sandbox.accounts[CLARA].user_id, 1)
            assert (await http.post("/forget", json={"session": session})).status_code == 200

    asyncio.run(story())


def test_faults_can_be_made_and_cleared_over_http() -> None:
    async def story() -> None:
        async with controlled() as (_, http):
            one = (await http.post("/faults", json={"method": "auth.*", "error": "FLOOD_WAIT_9"})).json()
            two = (
                await http.post("/faults", json={"method": "*", "error": "X", "count": 2, "phone": ANNA})
            ).json()
            assert one["fault"] == {"code": 420, "name": "FLOOD_WAIT_9"}
            assert (two["phone"], two["count"]) == (ANNA, 2)

            await http.delete(f"/faults/{one['id']}")
            assert (await http.get("/faults")).json() == [two]
            await http.delete("/faults")
            assert (await http.get("/faults")).json() == []

    asyncio.run(story())


@pytest.mark.parametrize("key", [None, "Bearer wrong", "Basic c2FuZGJveA=="])
def test_without_the_key_nothing_is_answered(key: str | None) -> None:
    async def story() -> None:
        async with started() as sandbox, httpx.AsyncClient(base_url=sandbox.description.control_url) as http:
            headers = {} if key is None else {"Authorization": key}
            for method, path in (("GET", "/accounts"), ("POST", "/provision"), ("GET", "/nothing")):
                assert (await http.request(method, path, headers=headers)).status_code == 401

    asyncio.run(story())


def test_a_mistake_is_answered_with_what_is_wrong_and_without_what_was_sent() -> None:
    async def story() -> None:
        async with controlled() as (_, http):
            unknown = await http.post("/provision", json={"phone": "9996620000"})
            assert (unknown.status_code, unknown.json()["error"]) == (
                404,
                "the sandbox has no account with phone 9996620000",
            )
            malformed = await http.post("/accept", json={"url": ["a-secret"], "phone": ANNA})
            assert malformed.status_code == 400
            assert "a-secret" not in malformed.text
            no_token = await http.post("/accept", json={"url": "tg://login?token=AAAA", "phone": ANNA})
            assert (no_token.status_code, no_token.json()) == (400, {"error": "AUTH_TOKEN_INVALID"})

    asyncio.run(story())


def test_a_phone_without_an_account_cannot_scan() -> None:
    async def story() -> None:
        async with started() as sandbox:
            with pytest.raises(LookupError, match="no account"):
                await phone.scan(sandbox.description, "9996620000", "tg://login?token=AAAA")
            with pytest.raises(ValueError, match="a login url begins with"):
                await phone.scan(sandbox.description, ANNA, "https://example.com")

    asyncio.run(story())

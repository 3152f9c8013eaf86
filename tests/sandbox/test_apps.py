"""Apps that tests make up: the sandbox takes them, shows them to the account's owner, and refuses them by a rule."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from telethon import TelegramClient, errors, functions
from telethon.sessions import StringSession

from ops.sandbox import SandboxDescription
from ops.sandbox.client import home
from ops.sandbox.description import MADE_UP, made_up_hash
from ops.sandbox.faults import AT_OPENING, AT_REQUEST, Faults, Occasion, Refusal, Slow
from tests.sandbox.clients import ANNA, log_in_by_qr
from tests.sandbox.test_control import controlled

STATE = functions.updates.GetStateRequest


@asynccontextmanager
async def client_of(
    description: SandboxDescription, api_id: int, api_hash: str | None = None
) -> AsyncIterator[TelegramClient]:
    """A connected client of another app than the sandbox's own."""
    client = TelegramClient(
        home(StringSession(), description),
        api_id,
        made_up_hash(api_id) if api_hash is None else api_hash,
        device_model="Acme",
        connection_retries=2,
        retry_delay=0,
        request_retries=1,
    )
    try:
        await client.connect()
        yield client
    finally:
        await client.disconnect()
        await asyncio.gather(client.disconnected, return_exceptions=True)


def test_a_made_up_app_logs_in_and_is_shown_under_devices() -> None:
    async def story() -> None:
        async with controlled() as (sandbox, http), client_of(sandbox.description, MADE_UP + 1) as client:
            await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))
            (device,) = (await http.get("/devices")).json()
            mine = (await client(functions.account.GetAuthorizationsRequest())).authorizations[0]

        assert (device["phone"], device["api_id"], device["device_model"]) == (ANNA, MADE_UP + 1, "Acme")
        assert (mine.api_id, mine.device_model) == (MADE_UP + 1, "Acme")

    asyncio.run(story())


def test_a_made_up_app_has_one_hash_only() -> None:
    async def story() -> None:
        async with (
            controlled() as (sandbox, _),
            client_of(sandbox.description, MADE_UP + 1, made_up_hash(MADE_UP + 2)) as client,
        ):
            with pytest.raises(errors.ApiIdInvalidError):
                await client.qr_login()

    asyncio.run(story())


def test_one_app_is_refused_by_a_rule_and_no_other() -> None:
    async def story() -> None:
        async with (
            controlled() as (sandbox, http),
            client_of(sandbox.description, MADE_UP + 1) as refused,
            client_of(sandbox.description, MADE_UP + 2) as other,
        ):
            for client in (refused, other):
                await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))
            rule = {"method": "*", "error": "CONNECTION_API_ID_INVALID", "api_id": MADE_UP + 1}
            assert (await http.post("/faults", json=rule)).json()["api_id"] == MADE_UP + 1

            with pytest.raises(errors.ConnectionApiIdInvalidError):
                await refused(STATE())
            assert (await other(STATE())).pts == 1

    asyncio.run(story())


def test_a_rule_about_an_app_strikes_no_connection_of_which_none_is_known() -> None:
    faults = Faults()
    faults.fail("*", "API_ID_INVALID", api_id=7)
    assert faults.strike(Occasion(2, None, ("users.getUsers",)), AT_REQUEST) is None
    assert faults.strike(Occasion(2, None, ("users.getUsers",), 8), AT_REQUEST) is None
    assert faults.strike(Occasion(2, None, ("users.getUsers",), 7), AT_REQUEST) is not None
    assert faults.strike(Occasion(2), AT_OPENING) is None


@pytest.mark.parametrize("fault", [Refusal(), Slow(1)], ids=repr)
def test_an_app_cannot_be_named_where_none_is_known(fault: Refusal | Slow) -> None:
    with pytest.raises(ValueError, match="only a request says which app it is"):
        Faults().add(fault, api_id=7)

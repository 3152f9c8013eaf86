import asyncio
from base64 import urlsafe_b64encode

import pytest
from telethon import errors, functions, types

from ops.sandbox import RpcError, Sandbox, phone
from ops.sandbox.description import token_of
from tests.sandbox.clients import ANNA, BORIS, BORIS_PASSWORD, CLARA, connected, log_in_by_qr, started


def test_a_new_client_logs_in_by_qr_on_its_own_dc() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            user = await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))

            assert (user.first_name, user.last_name, user.phone) == ("Anna", "Sandbox", ANNA)
            assert client.session.dc_id == 2
            assert (await client.get_me()).id == user.id

    asyncio.run(story())


def test_an_account_of_the_other_dc_makes_the_client_migrate() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            user = await log_in_by_qr(client, lambda url: sandbox.accept(url, CLARA))

            assert (user.phone, client.session.dc_id) == (CLARA, 1)
            assert (await client.get_me()).phone == CLARA

    asyncio.run(story())


@pytest.mark.parametrize("dc_id", [1, 2])
def test_a_password_is_asked_for_and_only_the_right_one_lets_in(dc_id: int) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            account = sandbox.accounts.add("Dora", dc_id=dc_id, password=BORIS_PASSWORD, hint="as Boris")
            with pytest.raises(errors.SessionPasswordNeededError):
                await log_in_by_qr(client, lambda url: sandbox.accept(url, account.phone))
            assert (await client(functions.account.GetPasswordRequest())).hint == "as Boris"
            with pytest.raises(errors.PasswordHashInvalidError):
                await client.sign_in(password="sandbox-2FA")
            assert await client.get_me() is None

            assert (await client.sign_in(password=BORIS_PASSWORD)).phone == account.phone
            assert client.session.dc_id == dc_id

    asyncio.run(story())


def test_a_password_question_takes_one_answer_only() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            with pytest.raises(errors.SessionPasswordNeededError):
                await log_in_by_qr(client, lambda url: sandbox.accept(url, BORIS))
            question = await client(functions.account.GetPasswordRequest())
            wrong = types.InputCheckPasswordSRP(question.srp_id, question.srp_B, bytes(32))
            with pytest.raises(errors.PasswordHashInvalidError):
                await client(functions.auth.CheckPasswordRequest(wrong))
            with pytest.raises(errors.SrpIdInvalidError):
                await client(functions.auth.CheckPasswordRequest(wrong))

    asyncio.run(story())


def test_the_same_token_is_shown_until_it_runs_out() -> None:
    async def story() -> None:
        async with started(Sandbox(token_life=0.1)) as sandbox, connected(sandbox.description) as client:
            code = await client.qr_login()
            first = code.token
            await code.recreate()
            assert code.token == first

            with pytest.raises(TimeoutError):
                await code.wait()
            await code.recreate()
            assert code.token != first
            with pytest.raises(RpcError, match="400 AUTH_TOKEN_EXPIRED"):
                sandbox.accept(_url(first), ANNA)
            sandbox.accept(code.url, ANNA)

    asyncio.run(story())


def test_a_client_that_did_not_wait_learns_of_its_login_by_asking_again() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            code = await client.qr_login()
            sandbox.accept(code.url, ANNA)

            request = functions.auth.ExportLoginTokenRequest(client.api_id, client.api_hash, [])
            success = await client(request)
            assert success.authorization.user.phone == ANNA
            assert (await client(request)).authorization.user.phone == ANNA

    asyncio.run(story())


def test_the_phone_scans_the_code_over_mtproto_and_leaves_no_login_behind() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, device_model="Desk") as client:
            user = await log_in_by_qr(client, lambda url: phone.scan(sandbox.description, ANNA, url))

            assert user.phone == ANNA
            listed = await client(functions.account.GetAuthorizationsRequest())
            assert [line.device_model for line in listed.authorizations] == ["Desk"]

    asyncio.run(story())


def test_the_phone_is_told_whom_it_let_in() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, device_model="Desk") as client:
            code = await client.qr_login()
            async with connected(sandbox.description, sandbox.provision(ANNA)) as other:
                line = await other(functions.auth.AcceptLoginTokenRequest(token_of(code.url)))

            assert (line.device_model, line.platform) == ("Desk", "SANDBOX")

    asyncio.run(story())


def test_a_token_lets_one_account_in_and_not_the_excepted_one() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            code = await client.qr_login([sandbox.accounts[CLARA].user_id])
            with pytest.raises(RpcError, match="400 AUTH_TOKEN_EXCEPTION"):
                sandbox.accept(code.url, CLARA)
            sandbox.accept(code.url, ANNA)
            with pytest.raises(RpcError, match="400 AUTH_TOKEN_ALREADY_ACCEPTED"):
                sandbox.accept(code.url, BORIS)
            with pytest.raises(RpcError, match="400 AUTH_TOKEN_INVALID"):
                sandbox.accept(_url(bytes(32)), ANNA)

    asyncio.run(story())


def test_a_client_without_updates_is_told_nothing() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, receive_updates=False) as client:
            code = await client.qr_login()
            waiting = asyncio.create_task(code.wait(timeout=0.2))
            await asyncio.sleep(0)
            sandbox.accept(code.url, ANNA)
            with pytest.raises(TimeoutError):
                await waiting

    asyncio.run(story())


def _url(token: bytes) -> str:
    return f"tg://login?token={urlsafe_b64encode(token).decode().rstrip('=')}"

import asyncio

import pytest
from telethon import errors, functions, types

from ops.sandbox.codes import PhoneCodes
from ops.sandbox.errors import RpcError
from tests.sandbox.clients import ANNA, BORIS, BORIS_PASSWORD, CLARA, connected, started


def test_the_right_code_logs_in() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sent = await client.send_code_request(f"+{ANNA}")
            assert (sent.type, type(sent.next_type)) == (
                types.auth.SentCodeTypeApp(5),
                types.auth.CodeTypeSms,
            )

            user = await client.sign_in(f"+{ANNA}", "22222")
            assert user.phone == ANNA

    asyncio.run(story())


def test_a_wrong_code_does_not() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            await client.send_code_request(ANNA)
            with pytest.raises(errors.PhoneCodeInvalidError):
                await client.sign_in(ANNA, "12345")
            assert await client.get_me() is None

            assert (await client.sign_in(ANNA, "22222")).phone == ANNA

    asyncio.run(story())


def test_a_number_of_the_other_dc_makes_the_client_migrate() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, request_retries=2) as client:
            await client.send_code_request(CLARA)
            user = await client.sign_in(CLARA, "11111")

            assert (user.phone, client.session.dc_id) == (CLARA, 1)

    asyncio.run(story())


def test_a_password_is_asked_for_after_the_code() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            await client.send_code_request(BORIS)
            with pytest.raises(errors.SessionPasswordNeededError):
                await client.sign_in(BORIS, "22222")
            with pytest.raises(errors.SessionPasswordNeededError):
                await client(functions.updates.GetStateRequest())

            assert (await client.sign_in(password=BORIS_PASSWORD)).phone == BORIS

    asyncio.run(story())


def test_a_code_can_be_sent_again_once_and_cancelled() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sent = await client.send_code_request(ANNA)
            again = await client(functions.auth.ResendCodeRequest(ANNA, sent.phone_code_hash))
            assert again.type == types.auth.SentCodeTypeSms(5)
            with pytest.raises(errors.SendCodeUnavailableError):
                await client(functions.auth.ResendCodeRequest(ANNA, sent.phone_code_hash))

            assert await client(functions.auth.CancelCodeRequest(ANNA, sent.phone_code_hash)) is True
            with pytest.raises(errors.PhoneCodeExpiredError):
                await client.sign_in(ANNA, "22222", phone_code_hash=sent.phone_code_hash)

    asyncio.run(story())


def test_a_test_number_without_an_account_would_have_to_sign_up() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            await client.send_code_request("9996627777")
            with pytest.raises(errors.PhoneNumberUnoccupiedError):
                await client.sign_in("9996627777", "22222")

    asyncio.run(story())


@pytest.mark.parametrize("phone", ["+49 151 23456789", "9996631234"])
def test_a_number_that_could_be_real_or_has_no_dc_here_is_refused(phone: str) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            with pytest.raises(errors.PhoneNumberInvalidError):
                await client.send_code_request(phone)
            with pytest.raises(ValueError, match="no test number"):
                sandbox.accounts.add("Real", phone="+49 151 23456789")

            with pytest.raises(ValueError, match="no test number"):
                sandbox.accounts.add("Nowhere", dc_id=3)
            with pytest.raises(ValueError, match="already"):
                sandbox.accounts.add("Twin", phone=ANNA)

    asyncio.run(story())


def test_a_real_application_is_refused() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            real_looking = functions.auth.SendCodeRequest(ANNA, client.api_id, "0" * 32, types.CodeSettings())
            with pytest.raises(errors.ApiIdInvalidError):
                await client(real_looking)
            client._init_request.api_id = 12345
            client._init_request.query = functions.help.GetConfigRequest()
            with pytest.raises(errors.ConnectionApiIdInvalidError):
                await client(functions.InvokeWithLayerRequest(229, client._init_request))

    asyncio.run(story())


def test_a_bot_logs_in_by_its_token() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, request_retries=2) as client:
            bot = sandbox.accounts.add("Robot", dc_id=1, is_bot=True)
            with pytest.raises(errors.AccessTokenInvalidError):
                await client.sign_in(bot_token=f"{bot.user_id}:wrong")
            user = await client.sign_in(bot_token=bot.bot_token)

            assert (user.bot, user.first_name, client.session.dc_id) == (True, "Robot", 1)

    asyncio.run(story())


def test_a_code_dies_of_age_and_of_five_wrong_guesses() -> None:
    now = 0.0
    codes = PhoneCodes(lambda: now)
    sent = codes.send(ANNA)
    for _ in range(5):
        with pytest.raises(RpcError, match="PHONE_CODE_INVALID"):
            codes.check(ANNA, sent.hash, "00000")
    with pytest.raises(RpcError, match="PHONE_CODE_EXPIRED"):
        codes.check(ANNA, sent.hash, "22222")

    sent = codes.send(ANNA)
    now = 300.0
    with pytest.raises(RpcError, match="PHONE_CODE_EXPIRED"):
        codes.check(ANNA, sent.hash, "22222")

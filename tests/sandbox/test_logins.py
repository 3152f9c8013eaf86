import asyncio

import pytest
from telethon import errors, functions
from telethon.errors import AuthKeyNotFound

from tests.sandbox.clients import ANNA, BORIS, CLARA, connected, log_in_by_qr, soon, started, unconnected


def test_a_provisioned_session_is_logged_in_and_stays_so_over_reconnects() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(CLARA)
            for _ in range(3):
                async with connected(sandbox.description, session) as client:
                    assert (await client.get_me()).phone == CLARA
                    full = await client(functions.users.GetFullUserRequest("me"))
                    assert full.full_user.about == "SANDBOX: nobody real"
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_a_login_survives_the_loss_of_its_connection() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as client:
                ((_, line),) = sandbox.world.live
                line.close_after(0)
                await soon(lambda: not line.is_open)

                assert (await client.get_me()).phone == ANNA
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_a_login_by_qr_is_listed_with_what_its_client_said_of_itself() -> None:
    async def story() -> None:
        async with started() as sandbox:
            options = {"device_model": "Desk", "system_version": "S 1", "app_version": "A 2"}
            async with connected(sandbox.description, **options) as client:
                await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))
                sandbox.provision(ANNA)
                listed = (await client(functions.account.GetAuthorizationsRequest())).authorizations

            mine = next(line for line in listed if line.current)
            assert (mine.hash, mine.device_model, mine.system_version) == (0, "Desk", "S 1")
            assert (mine.app_version, mine.api_id, mine.country) == ("A 2", 1, "SANDBOX")
            other = next(line for line in listed if not line.current)
            assert other.hash > 0
            assert other.device_model == "SANDBOX provisioned"

    asyncio.run(story())


def test_logging_out_ends_one_login_only() -> None:
    async def story() -> None:
        async with started() as sandbox:
            leaving, staying = sandbox.provision(ANNA), sandbox.provision(ANNA)
            async with connected(sandbox.description, leaving) as client:
                assert await client.log_out()
            async with connected(sandbox.description, leaving) as client:
                assert not await client.is_user_authorized()
                with pytest.raises(errors.AuthKeyUnregisteredError):
                    await client(functions.updates.GetStateRequest())
            async with connected(sandbox.description, staying) as client:
                assert await client.is_user_authorized()

    asyncio.run(story())


def test_a_connected_client_notices_that_its_login_was_ended() -> None:
    async def story() -> None:
        async with started() as sandbox:
            ended, ending = sandbox.provision(ANNA), sandbox.provision(ANNA)
            async with (
                connected(sandbox.description, ended) as victim,
                connected(sandbox.description, ending) as me,
            ):
                listed = (await me(functions.account.GetAuthorizationsRequest())).authorizations
                (other,) = [line for line in listed if not line.current]
                assert await me(functions.account.ResetAuthorizationRequest(other.hash))

                with pytest.raises(errors.SessionRevokedError):
                    await asyncio.wait_for(victim.run_until_disconnected(), 5)
                with pytest.raises(errors.HashInvalidError):
                    await me(functions.account.ResetAuthorizationRequest(other.hash))
            async with connected(sandbox.description, ended) as victim:
                with pytest.raises(errors.AuthKeyUnregisteredError):
                    await victim(functions.updates.GetStateRequest())

    asyncio.run(story())


def test_all_other_logins_can_be_ended_at_once() -> None:
    async def story() -> None:
        async with started() as sandbox:
            for _ in range(3):
                sandbox.provision(ANNA)
            sandbox.provision(BORIS)
            async with connected(sandbox.description, sandbox.provision(ANNA)) as me:
                assert await me(functions.auth.ResetAuthorizationsRequest())
                assert len((await me(functions.account.GetAuthorizationsRequest())).authorizations) == 1
            assert sandbox.revoke(ANNA) == 1
            assert sandbox.revoke(BORIS) == 1

    asyncio.run(story())


def test_one_key_on_two_live_connections_is_counted_and_burnt() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as first:
                second = unconnected(sandbox.description, session)
                with pytest.raises(errors.AuthKeyDuplicatedError):
                    await second.connect()
                await second.disconnect()

                (use,) = sandbox.duplicates
                assert (use.user_id, use.dc_id) == (sandbox.accounts[ANNA].user_id, 2)
                assert use.first_peer != use.second_peer
                with pytest.raises(errors.AuthKeyDuplicatedError):
                    await first(functions.updates.GetStateRequest())
            with pytest.raises(errors.AuthKeyDuplicatedError):
                async with connected(sandbox.description, session):
                    pass
            assert sandbox.revoke(ANNA) == 0

    asyncio.run(story())


def test_a_key_without_a_login_may_be_used_twice() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as first:
            async with connected(sandbox.description, first.session.save()) as second:
                assert not await second.is_user_authorized()
            await log_in_by_qr(first, lambda url: sandbox.accept(url, ANNA))
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_an_unknown_key_meets_transport_error_404() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as client:
                sandbox.forget(session)
                with pytest.raises(AuthKeyNotFound):
                    await asyncio.wait_for(client.disconnected, 5)
            with pytest.raises(AuthKeyNotFound):
                async with connected(sandbox.description, session):
                    pass
            with pytest.raises(LookupError):
                sandbox.forget(session)

    asyncio.run(story())

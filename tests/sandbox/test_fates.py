import asyncio
import time
from typing import Any

import pytest
from telethon import errors, events, functions, types
from telethon.errors import AuthKeyNotFound

from tests.sandbox.clients import ANNA, BORIS, CLARA, connected, log_in_by_qr, soon, started

STATE = functions.updates.GetStateRequest


def test_a_banned_account_notices_and_is_well_again_once_cleared() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as client:
                sandbox.ban(ANNA)
                with pytest.raises(errors.UserDeactivatedBanError):
                    await asyncio.wait_for(client.run_until_disconnected(), 5)
            sandbox.faults.clear()
            async with connected(sandbox.description, session) as client:
                assert (await client.get_me()).phone == ANNA

    asyncio.run(story())


def test_a_frozen_account_can_only_read() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            sandbox.faults.freeze(ANNA)
            assert (await client.get_me()).phone == ANNA
            assert (await client(STATE())).pts == 1
            await client(functions.updates.GetDifferenceRequest(1, None, 0))
            await client(functions.help.GetNearestDcRequest())
            for request in (
                functions.account.UpdateStatusRequest(offline=True),
                functions.account.GetAuthorizationsRequest(),
                functions.messages.GetDialogFiltersRequest(),
            ):
                with pytest.raises(errors.FrozenMethodInvalidError):
                    await client(request)

            sandbox.faults.clear()
            assert await client(functions.account.UpdateStatusRequest(offline=True))

    asyncio.run(story())


def test_a_burnt_login_meets_auth_key_duplicated_but_is_no_proof_against_anybody() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as client:
                assert sandbox.burn(ANNA) == 1
                with pytest.raises(errors.AuthKeyDuplicatedError):
                    await asyncio.wait_for(client.run_until_disconnected(), 5)
            with pytest.raises(errors.AuthKeyDuplicatedError):
                async with connected(sandbox.description, session):
                    pass
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_living_tokens_expire_when_told_and_a_new_one_works() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            shown = await client.qr_login()
            assert sandbox.expire_tokens() == 1
            with pytest.raises(Exception, match="AUTH_TOKEN_EXPIRED"):
                sandbox.accept(shown.url, ANNA)
            assert (await log_in_by_qr(client, lambda url: sandbox.accept(url, ANNA))).phone == ANNA

    asyncio.run(story())


def test_an_account_that_moved_sends_its_clients_to_its_new_dc() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as old:
            sandbox.migrate(ANNA, 1)
            # Telethon follows USER_MIGRATE to the other DC, where it has no login yet.
            old._request_retries = 2
            with pytest.raises(errors.AuthKeyUnregisteredError):
                await old(STATE())
            assert old.session.dc_id == 1
            async with connected(sandbox.description) as new:
                assert (await log_in_by_qr(new, lambda url: sandbox.accept(url, ANNA))).phone == ANNA
                assert new.session.dc_id == 1
            with pytest.raises(ValueError, match="the sandbox has no DC 7"):
                sandbox.migrate(ANNA, 7)

    asyncio.run(story())


def test_after_a_rotation_of_salts_clients_go_on_with_the_new_one() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            old = client._sender._state.salt
            sandbox.rotate_salts()
            assert (await client(STATE())).pts == 1
            assert client._sender._state.salt != old
            assert sandbox.counts.connections_of == {ANNA: 1}

    asyncio.run(story())


@pytest.mark.parametrize("seconds", [-1000, 1000])
def test_clients_follow_a_server_whose_clock_is_wrong(seconds: int) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            for skew in (seconds, 0):
                sandbox.skew(skew)
                sequence = client._sender._state._sequence
                for _ in range(2):
                    assert (await asyncio.wait_for(client(STATE()), 5)).pts == 1
                assert abs(client._sender._state.time_offset - skew) <= 1
                # The clock was corrected, and nothing else had to be.
                assert sequence < client._sender._state._sequence < sequence + 10
            sandbox.skew(seconds)
            async with connected(sandbox.description) as stranger:
                code = await stranger.qr_login()
                assert abs(code.expires.timestamp() - time.time() - seconds - 30) <= 2

    asyncio.run(story())


def test_a_message_comes_to_every_connected_client_of_its_account() -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA)) as one,
            connected(sandbox.description, sandbox.provision(ANNA)) as two,
            connected(sandbox.description, sandbox.provision(CLARA)) as other,
        ):
            heard = [_listen(client) for client in (one, two, other)]
            assert sandbox.message(ANNA, "hello", BORIS) == 2
            assert sandbox.message(ANNA, "again") == 3
            await soon(lambda: [len(texts) for texts in heard] == [2, 2, 0])
            assert heard[0] == heard[1] == [("hello", "Boris"), ("again", "Boris")]
            assert (await one(STATE())).pts == 3

    asyncio.run(story())


def test_what_was_missed_in_a_gap_is_caught_up_with_in_order() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            heard = _listen(client)
            sandbox.message(ANNA, "before")
            await soon(lambda: len(heard) == 1)
            sandbox.faults.refuse(phone=ANNA, count=1)
            sandbox.drop(phone=ANNA)
            texts = [f"missed {number}" for number in range(120)]
            for text in texts:
                sandbox.message(ANNA, text)
            await client(STATE())
            await client.catch_up()
            await soon(lambda: len(heard) == 121)
            assert [text for text, _ in heard[1:]] == texts
            assert sandbox.counts.calls["updates.getDifference"] >= 2

    asyncio.run(story())


def test_the_difference_is_what_came_after_the_client_s_pts() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            for text in ("one", "two", "three"):
                sandbox.message(ANNA, text)
            difference = await client(functions.updates.GetDifferenceRequest(2, None, 0))
            assert [message.message for message in difference.new_messages] == ["two", "three"]
            assert difference.state.pts == 4
            nothing = await client(functions.updates.GetDifferenceRequest(4, None, 0))
            assert type(nothing) is types.updates.DifferenceEmpty

    asyncio.run(story())


def test_everything_is_counted_from_the_start() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            await client(functions.help.GetNearestDcRequest())
            async with connected(sandbox.description, sandbox.provision(CLARA)):
                pass
            counts = sandbox.counts
            assert counts.connections == {2: 1, 1: 1}
            assert counts.key_exchanges == {2: 1}
            assert counts.connections_of == {CLARA: 1}
            assert counts.calls["help.getNearestDc"] == 1
            assert counts.calls["help.getConfig"] == 2

    asyncio.run(story())


def test_what_came_while_nobody_was_connected_is_caught_up_with_at_the_next_start() -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA), catch_up=True) as client,
        ):
            heard = _listen(client)
            sandbox.message(ANNA, "before")
            await soon(lambda: len(heard) == 1)
            await client.disconnect()
            sandbox.message(ANNA, "meanwhile", CLARA)
            await client.connect()
            await soon(lambda: len(heard) == 2)
            assert heard == [("before", "Boris"), ("meanwhile", "Clara")]

    asyncio.run(story())


def _listen(client: Any) -> list[tuple[str, str]]:
    heard: list[tuple[str, str]] = []

    async def hear(event: Any) -> None:
        heard.append((event.message.message, (await event.get_sender()).first_name))

    client.add_event_handler(hear, events.NewMessage(incoming=True))
    return heard


def test_a_login_that_was_ended_silently_is_found_out_by_asking_only() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            assert sandbox.revoke(ANNA, silent=True) == 1
            await client._sender.send(functions.PingRequest(1))
            assert client.is_connected()
            with pytest.raises(errors.SessionRevokedError):
                await client(STATE())

    asyncio.run(story())


def test_a_key_that_is_denied_once_is_good_on_the_next_connection() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(sandbox.description, session) as client:
                assert sandbox.deny(ANNA) == 1
                with pytest.raises(AuthKeyNotFound):
                    await asyncio.wait_for(client.run_until_disconnected(), 5)
            async with connected(sandbox.description, session) as client:
                assert (await client.get_me()).phone == ANNA

    asyncio.run(story())


def test_all_keys_of_an_account_can_be_forgotten() -> None:
    async def story() -> None:
        async with started() as sandbox:
            sessions = [sandbox.provision(ANNA), sandbox.provision(ANNA)]
            assert sandbox.forget_keys_of(ANNA) == 2
            for session in sessions:
                with pytest.raises(AuthKeyNotFound):
                    async with connected(sandbox.description, session):
                        pass

    asyncio.run(story())


def test_an_answer_can_be_nonsense() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            sandbox.faults.nonsense("users.getUsers", count=1)
            assert await client(functions.users.GetUsersRequest([types.InputUserSelf()])) == []
            assert (await client.get_me()).phone == ANNA

    asyncio.run(story())

import asyncio
import time
from typing import Any

import pytest
from telethon import errors, functions, types
from telethon.errors import BadMessageError
from telethon.network.mtprotostate import MTProtoState
from telethon.network.requeststate import RequestState
from telethon.tl import TLRequest

from tests.sandbox.clients import ANNA, connected, soon, started, unconnected


def test_the_config_says_that_this_is_the_sandbox_and_where_its_dcs_are() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            config = await client(functions.help.GetConfigRequest())
            assert (config.test_mode, config.dc_txt_domain_name) == (True, "SANDBOX.invalid")
            assert [(dc.id, dc.ip_address, dc.port) for dc in config.dc_options] == list(
                sandbox.description.dcs
            )
            assert (await client(functions.help.GetNearestDcRequest())).country == "SANDBOX"

    asyncio.run(story())


def test_a_clock_that_is_wrong_is_corrected() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            for offset in (-1000, 1000):
                client._sender._state.time_offset = offset
                client._sender._state._last_msg_id = 0
                assert (await client.get_me()).phone == ANNA
                assert abs(client._sender._state.time_offset) <= 1

    asyncio.run(story())


def test_a_wrong_salt_is_corrected() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            right = client._sender._state.salt
            client._sender._state.salt = right ^ 1
            assert (await client.get_me()).phone == ANNA
            assert client._sender._state.salt == right

    asyncio.run(story())


def test_salts_are_known_ahead() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            answer = await client(functions.GetFutureSaltsRequest(3))
            first, second, _ = answer.salts
            assert first.salt == client._sender._state.salt
            assert first.valid_since.timestamp() <= answer.now < second.valid_since.timestamp()
            assert second.valid_since < first.valid_until

    asyncio.run(story())


def test_a_sequence_number_that_falls_back_is_corrected() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            client._sender._state._sequence = 0
            assert (await client.get_me()).phone == ANNA
            assert client._sender._state._sequence > 64

    asyncio.run(story())


@pytest.mark.parametrize(
    ("spoiled", "code"),
    [("_get_seq_no", 35), ("_get_new_msg_id", 18)],
)
def test_a_message_out_of_order_is_refused(spoiled: str, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            right = getattr(MTProtoState, spoiled)
            monkeypatch.setattr(MTProtoState, spoiled, lambda *arguments: right(*arguments) + 1)
            with pytest.raises(BadMessageError) as refusal:
                await client(functions.updates.GetStateRequest())
            assert refusal.value.code == code
            monkeypatch.undo()

    asyncio.run(story())


def test_many_requests_at_once_travel_in_containers_and_zipped() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            long = functions.users.GetUsersRequest([types.InputUserSelf()] * 50)
            answers = await asyncio.gather(*(client(long) for _ in range(5)), client.get_me())

            assert [len(users) for users in answers[:5]] == [50] * 5
            assert answers[5].phone == ANNA
            assert await client([functions.updates.GetStateRequest(), long], ordered=True)

    asyncio.run(story())


def test_a_message_that_comes_twice_is_acknowledged_and_done_once() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sent = await client.send_code_request(ANNA)
            state = client._sender._state
            resend = functions.auth.ResendCodeRequest(ANNA, sent.phone_code_hash)
            message_id = state._get_new_msg_id()
            twice = RequestState(resend)
            client._sender._pending_state[message_id] = twice
            seq_no = state._get_seq_no(content_related=True)
            body = bytes(resend)
            head = (
                message_id.to_bytes(8, "little")
                + seq_no.to_bytes(4, "little")
                + len(body).to_bytes(4, "little")
            )
            for _ in range(2):
                await client._sender._connection.send(state.encrypt_message_data(head + body))

            assert (await twice.future).type == types.auth.SentCodeTypeSms(5)
            known = await _states_of(client, [message_id, message_id + 4])
            assert known == bytes((4, 1))

    asyncio.run(story())


def test_a_ping_with_a_delay_closes_the_connection_when_the_delay_runs_out() -> None:
    async def story() -> None:
        session_options = {"auto_reconnect": False}
        async with started() as sandbox:
            async with connected(sandbox.description, sandbox.provision(ANNA), **session_options) as client:
                began = time.monotonic()
                for _ in range(2):
                    await client(functions.PingDelayDisconnectRequest(7, 1))
                    await asyncio.sleep(0.2)
                with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
                    await asyncio.wait_for(client.disconnected, 5)
                assert 1.2 <= time.monotonic() - began < 3
            await soon(lambda: list(sandbox.world.live) == [])

    asyncio.run(story())


def test_what_is_said_first_over_each_connection_is_noted_until_it_is_accepted() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            sandbox.rotate_salts()
            async with connected(sandbox.description, session):
                pass
            refused, accepted = sandbox.first_words
            assert (refused.accepted, accepted.accepted) == (False, True)
            assert refused.methods == accepted.methods == ("invokeWithLayer",)
            assert (accepted.phone, accepted.delay) == (ANNA, None)

            client = unconnected(sandbox.description, sandbox.provision(ANNA))
            ping = RequestState(functions.PingDelayDisconnectRequest(7, 15))
            client._sender._send_queue.append(ping)
            await client.connect()
            await client.disconnect()
            assert sandbox.first_words[-1].methods == ("pingDelayDisconnect", "invokeWithLayer")
            assert [words.delay for words in sandbox.first_words[2:]] == [15]

    asyncio.run(story())


def test_pings_are_answered_outside_of_results() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            assert (await client(functions.PingRequest(42))).ping_id == 42
            assert type(await client(functions.DestroySessionRequest(5))) is types.DestroySessionNone
            assert type(await client(functions.RpcDropAnswerRequest(5))) is types.RpcAnswerUnknown

    asyncio.run(story())


def test_a_method_that_the_sandbox_does_not_have_is_refused() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            with pytest.raises(errors.MethodInvalidError):
                await client(functions.messages.GetDialogFiltersRequest())
            with pytest.raises(errors.RPCError, match="INPUT_METHOD_INVALID_3735928559_"):
                await client(Nonsense())
            assert (await client.get_me()).phone == ANNA

    asyncio.run(story())


def test_before_login_a_member_s_method_is_refused() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            for request in (functions.updates.GetStateRequest(), functions.account.GetPasswordRequest()):
                with pytest.raises(errors.AuthKeyUnregisteredError):
                    await client(request)

    asyncio.run(story())


def test_a_mistake_of_the_sandbox_is_an_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            monkeypatch.setattr(sandbox.accounts[ANNA], "inbox", None)
            with pytest.raises(errors.ServerError, match="SANDBOX_INTERNAL"):
                await client._sender.send(functions.updates.GetStateRequest())

    asyncio.run(story())


class Nonsense(TLRequest):  # type: ignore[misc] # as above
    CONSTRUCTOR_ID = 0xDEADBEEF

    def _bytes(self) -> bytes:
        return self.CONSTRUCTOR_ID.to_bytes(4, "little")


async def _states_of(client: Any, message_ids: list[int]) -> bytes:
    """Ask with `msgs_state_req`, which Telethon answers but never asks."""
    answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def take(message: Any) -> None:
        answer.set_result(message.obj.info)

    client._sender._handlers[types.MsgsStateInfo.CONSTRUCTOR_ID] = take
    client._sender._send_queue.append(RequestState(types.MsgsStateReq(message_ids)))
    states: str = await asyncio.wait_for(answer, 5)
    return states.encode()

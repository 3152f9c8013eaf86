import asyncio
import time

import pytest
from telethon import errors, functions

from tests.sandbox.clients import ANNA, BORIS, CLARA, connected, soon, started, unconnected

STATE = functions.updates.GetStateRequest


@pytest.mark.parametrize("way", ["drop", "reset"])
def test_an_account_s_connection_ends_and_it_comes_back(way: str) -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA)) as anna,
            connected(sandbox.description, sandbox.provision(BORIS)) as boris,
        ):
            assert getattr(sandbox, way)(phone=ANNA) == 1
            assert (await anna(STATE())).pts == 1
            assert (await boris(STATE())).pts == 1
            assert sandbox.counts.connections_of == {ANNA: 2, BORIS: 1}
            assert sandbox.duplicates == []

    asyncio.run(story())


@pytest.mark.parametrize(
    ("way", "error"), [("drop", asyncio.IncompleteReadError), ("reset", ConnectionResetError)]
)
def test_a_client_sees_whether_it_was_closed_or_reset(way: str, error: type[Exception]) -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA), auto_reconnect=False) as client,
        ):
            assert getattr(sandbox, way)(dc_id=1) == 0
            assert getattr(sandbox, way)(dc_id=2) == 1
            with pytest.raises(error):
                await asyncio.wait_for(client.disconnected, 5)

    asyncio.run(story())


@pytest.mark.parametrize("way", ["drop", "reset"])
def test_a_connection_ends_when_a_method_is_called(way: str) -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            getattr(sandbox.faults, way)("updates.getState", phone=ANNA, count=1)
            assert (await client.get_me()).phone == ANNA
            assert sandbox.counts.connections_of[ANNA] == 1

            # Telethon asks once more over the next connection.
            assert (await client(STATE())).pts == 1
            assert sandbox.counts.connections_of[ANNA] == 2

    asyncio.run(story())


def test_a_stalled_account_hears_nothing_until_the_rule_is_cleared() -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA)) as anna,
            connected(sandbox.description, sandbox.provision(BORIS)) as boris,
        ):
            sandbox.faults.stall(phone=ANNA)
            waiting = asyncio.create_task(anna(STATE()))
            assert (await boris(STATE())).pts == 1
            _, pending = await asyncio.wait([waiting], timeout=0.1)
            assert pending

            sandbox.faults.clear()
            assert (await asyncio.wait_for(waiting, 5)).pts == 1
            assert sandbox.counts.connections_of[ANNA] == 1

    asyncio.run(story())


def test_a_new_connection_to_a_stalled_dc_is_accepted_and_never_answered() -> None:
    async def story() -> None:
        async with started() as sandbox:
            sandbox.faults.stall(dc_id=2)
            for session in (None, sandbox.provision(ANNA)):
                client = unconnected(sandbox.description, session)
                with pytest.raises(TimeoutError):
                    await asyncio.wait_for(client.connect(), 0.1)
                await client.disconnect()
            async with connected(sandbox.description, sandbox.provision(CLARA)) as client:
                assert (await client.get_me()).phone == CLARA
            await soon(lambda: not sandbox.world.live.lines())

            sandbox.faults.clear()
            assert sandbox.counts.connections == {2: 2, 1: 1}
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_one_method_can_stall_while_others_are_answered() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sandbox.faults.stall(method="auth.sendCode", phone=ANNA)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(client.send_code_request(ANNA), 0.1)
            await client.send_code_request(BORIS)

    asyncio.run(story())


def test_a_slow_answer_comes_late_as_often_as_told() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            sandbox.faults.slow(0.2, phone=ANNA)
            sandbox.faults.slow(0.1, method="updates.*", count=1)
            for request, expected in ((STATE(), 0.3), (functions.help.GetNearestDcRequest(), 0.2)):
                began = time.monotonic()
                await client(request)
                assert time.monotonic() - began >= expected
            assert len(sandbox.faults) == 1

    asyncio.run(story())


def test_a_refused_dc_closes_new_connections_and_keeps_the_old() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as anna:
            sandbox.faults.refuse(dc_id=2, count=1)
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await unconnected(sandbox.description).connect()
            assert (await anna(STATE())).pts == 1
            async with connected(sandbox.description):
                assert len(sandbox.faults) == 0

    asyncio.run(story())


def test_a_refused_account_cannot_come_back_while_others_can() -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(
                sandbox.description, sandbox.provision(ANNA), auto_reconnect=True, connection_retries=1
            ) as anna,
        ):
            sandbox.faults.refuse(phone=ANNA)
            assert (await asyncio.wait_for(anna(STATE()), 5)).pts == 1
            sandbox.drop(phone=ANNA)
            async with connected(sandbox.description, sandbox.provision(BORIS)) as boris:
                assert (await boris(STATE())).pts == 1
            await soon(lambda: sandbox.counts.connections[2] > 2)
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anna(STATE()), 0.2)
            assert sandbox.counts.connections_of[ANNA] == 1

            sandbox.faults.clear()
            assert (await asyncio.wait_for(anna(STATE()), 5)).pts == 1

    asyncio.run(story())


def test_a_restart_ends_every_connection_and_comes_back_on_the_same_ports() -> None:
    async def story() -> None:
        async with started() as sandbox:
            session = sandbox.provision(ANNA)
            async with connected(
                sandbox.description, session, connection_retries=50, retry_delay=0.05
            ) as client:
                away = asyncio.create_task(sandbox.restart(0.5))
                await soon(lambda: not sandbox.world.live.lines())
                with pytest.raises(ValueError, match="wait until they are back"):
                    await sandbox.restart()
                with pytest.raises(ConnectionRefusedError):
                    await asyncio.open_connection(*sandbox.description.dc(1)[1:])
                await away
                assert (await asyncio.wait_for(client.get_me(), 5)).phone == ANNA
            assert sandbox.duplicates == []

    asyncio.run(story())


def test_a_sandbox_can_stop_while_it_is_away() -> None:
    async def story() -> None:
        async with started() as sandbox:
            away = asyncio.create_task(sandbox.restart(60))
            await asyncio.sleep(0.05)
        with pytest.raises(asyncio.CancelledError):
            await away

    asyncio.run(story())


def test_a_login_fails_with_the_error_that_was_asked_for_on_the_dc_that_was_asked_for() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sandbox.faults.fail("auth.sendCode", "PHONE_NUMBER_FLOOD", dc_id=1)
            await client.send_code_request(ANNA)
            with pytest.raises(errors.PhoneNumberFloodError):
                await client.send_code_request(CLARA)

    asyncio.run(story())

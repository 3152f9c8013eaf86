import asyncio
from collections.abc import Callable

import pytest
from telethon import errors, functions

from ops.sandbox.errors import usual_code
from ops.sandbox.faults import (
    AT_REQUEST,
    Fault,
    Faults,
    HangUp,
    Occasion,
    Refusal,
    RpcFailure,
    Rule,
    Stall,
)
from tests.sandbox.clients import ANNA, BORIS, connected, started


def test_a_method_fails_as_often_as_it_was_told_to() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description, sandbox.provision(ANNA)) as client:
            sandbox.faults.fail("updates.get*", "FLOOD_WAIT_7", count=1)
            with pytest.raises(errors.FloodWaitError) as failure:
                await client(functions.updates.GetStateRequest())
            assert failure.value.seconds == 7
            # Telethon itself keeps off a method in flood wait; this is not about Telethon.
            client._flood_waited_requests.clear()

            assert (await client(functions.updates.GetStateRequest())).pts == 1
            assert len(sandbox.faults) == 0

    asyncio.run(story())


def test_one_account_suffers_until_the_rule_is_cleared() -> None:
    async def story() -> None:
        async with (
            started() as sandbox,
            connected(sandbox.description, sandbox.provision(ANNA)) as anna,
            connected(sandbox.description, sandbox.provision(BORIS)) as boris,
        ):
            sandbox.faults.fail("*", "USER_DEACTIVATED_BAN", phone=ANNA)
            for _ in range(2):
                with pytest.raises(errors.UserDeactivatedBanError):
                    await anna(functions.updates.GetStateRequest())
            assert (await boris(functions.updates.GetStateRequest())).pts == 1

            sandbox.faults.clear()
            assert (await anna(functions.updates.GetStateRequest())).pts == 1

    asyncio.run(story())


def test_a_login_can_be_struck_by_the_number_it_is_about() -> None:
    async def story() -> None:
        async with started() as sandbox, connected(sandbox.description) as client:
            sandbox.faults.fail("auth.sendCode", "PHONE_NUMBER_BANNED", phone=ANNA)
            with pytest.raises(errors.PhoneNumberBannedError):
                await client.send_code_request(ANNA)
            await client.send_code_request(BORIS)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("FLOOD_WAIT_30", 420),
        ("FROZEN_METHOD_INVALID", 420),
        ("PHONE_MIGRATE_1", 303),
        ("SESSION_REVOKED", 401),
        ("AUTH_KEY_DUPLICATED", 406),
        ("AUTH_RESTART", 500),
        ("PHONE_CODE_INVALID", 400),
        ("NEVER_HEARD_OF", 400),
    ],
)
def test_an_error_comes_with_the_code_that_telegram_sends(name: str, code: int) -> None:
    assert usual_code(name) == code


def test_the_first_rule_that_fits_strikes_and_rules_go_one_by_one() -> None:
    faults = Faults()
    first = faults.fail("auth.*", "ONE", code=500, count=2)
    second = faults.fail("*", "TWO")

    assert struck(faults, "auth.sendCode") == RpcFailure(500, "ONE")
    assert struck(faults, "help.getConfig") == RpcFailure(400, "TWO")
    assert [(rule.id, rule.count) for rule in faults] == [(first.id, 1), (second.id, None)]
    faults.clear(first.id)
    assert struck(faults, "auth.sendCode") == RpcFailure(400, "TWO")
    with pytest.raises(ValueError, match="a count of 1 or more"):
        faults.fail("*", "NEVER", count=0)


@pytest.mark.parametrize(
    ("rule", "complaint"),
    [
        (lambda faults: faults.slow(0), "give more than 0 seconds"),
        (lambda faults: faults.add(Stall(), count=1), "until it is cleared"),
        (lambda faults: faults.add(HangUp()), "say at which methods"),
        (lambda faults: faults.add(Refusal(), method="*"), "give no method"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(rule: Callable[[Faults], Rule], complaint: str) -> None:
    faults = Faults()
    with pytest.raises(ValueError, match=complaint):
        rule(faults)
    assert len(faults) == 0


def test_a_rule_can_be_for_one_data_centre_and_pass_over_some_methods() -> None:
    faults = Faults()
    faults.fail("*", "ONE", dc_id=1, spares=("help.*",))

    assert struck(faults, "auth.sendCode", dc_id=1) == RpcFailure(400, "ONE")
    assert struck(faults, "auth.sendCode", dc_id=2) is None
    assert struck(faults, "help.getConfig", dc_id=1) is None


def struck(faults: Faults, method: str, dc_id: int = 2) -> Fault | None:
    rule = faults.strike(Occasion(dc_id, None, (method,)), AT_REQUEST)
    return rule.fault if rule else None

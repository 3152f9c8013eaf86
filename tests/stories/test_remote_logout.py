"""A person ends the session in Telegram's list of devices: told by a push, by a closed connection, or by nobody."""

from __future__ import annotations

import trio

from actors.core.states import State
from supervisor.settings import Settings
from tests.stories.conftest import RunningSandbox
from tests.stories.stage import Person, Stage, is_online, standing

AT_MOST = 60.0
"""Seconds from the end until everybody who asks the service knows of it."""


def is_over(state: State) -> bool:
    return state.name == "REVOKED"


async def test_an_end_that_telegram_tells_of_is_known_at_once(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.control("POST", "/revoke", {"phone": person.phone})
        with trio.fail_after(AT_MOST):
            await stage.until(person, is_over)

        await must_log_in_again(stage, person)


async def test_an_end_that_comes_with_a_closed_connection_is_known_at_once(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.control("POST", "/revoke", {"phone": person.phone, "silent": True})
        assert await stage.control("POST", "/drop", {}) == {"ended": 1}
        with trio.fail_after(AT_MOST):
            await stage.until(person, is_over)

        await must_log_in_again(stage, person)


async def test_an_end_that_nobody_tells_of_is_found_out_by_the_next_call(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.control("POST", "/revoke", {"phone": person.phone, "silent": True})
        await trio.sleep(0.2)
        assert is_online((await stage.process.sessions.look(person.key)).state)

        assert await stage.validate(person) is None

        await must_log_in_again(stage, person)


async def must_log_in_again(stage: Stage, person: Person) -> None:
    seen = await stage.session(person)
    assert (seen["state"], seen["reason"], seen["user_action"]) == (
        "REVOKED",
        "session_revoked",
        "relogin",
    ) or (seen["reason"] == "auth_key_unregistered")
    assert await stage.connections(person) == 0

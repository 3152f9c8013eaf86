"""Every error of the table, met by a real Telethon at a real data centre, and what people are told of it.

The rows of a table are played side by side, one session and one account each: Telethon waits two seconds by itself
after some of Telegram's errors.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from typing import Any

import httpx
import pytest
import trio

from actors.core.transitions import MustWait
from actors.errors import Crashed
from supervisor.settings import Settings
from tests.stories import error_table as table
from tests.stories.conftest import RunningSandbox
from tests.stories.error_table import Fate, Retry, Step
from tests.stories.stage import TENANT, WHOLE, Person, Stage, has_failed_to_reconnect, is_online, standing

CODE = "22222"
SIDE_BY_SIDE = 12
"""Rows at a time: as many as wait inside Telethon, and no more than a busy machine bears."""

Differences = dict[str, Any]
"""What was seen and what was expected, by name; empty if all is as it should be."""

Play = Callable[["Stage", str, Any], Coroutine[Any, Any, Differences]]


async def all_at_once(rows: Iterable[str], play: Callable[[str], Awaitable[Differences]]) -> dict[str, Any]:
    """What is wrong with each row; a row that is right is left out."""
    wrong: dict[str, Any] = {}
    side_by_side = trio.CapacityLimiter(SIDE_BY_SIDE)

    async def one(row: str) -> None:
        async with side_by_side:
            if found := await play(row):
                wrong[row] = found

    with trio.fail_after(WHOLE):
        async with trio.open_nursery() as nursery:
            for row in rows:
                nursery.start_soon(one, row)
    return wrong


def differences(seen: dict[str, Any], expected: dict[str, Any]) -> Differences:
    return {name: (seen[name], "not", value) for name, value in expected.items() if seen[name] != value}


async def test_every_error_means_what_the_tables_say(settings: Settings, sandbox: RunningSandbox) -> None:
    async with standing(settings, sandbox) as stage:
        rows = {
            f"{play.__name__}: {error}": (play, error, expected)
            for play, rows_of_it in PLAYS.items()
            for error, expected in rows_of_it.items()
        }

        async def row(name: str) -> Differences:
            play, error, expected = rows[name]
            return await play(stage, error, expected)

        assert await all_at_once(rows, row) == {}
        # Not one of them is a verdict about the data centre, our app, or the database.
        assert breakers(stage) == {"closed"}


# -- a session that is logged in


async def asked_whether_it_is_one(stage: Stage, error: str, fate: Fate) -> Differences:
    return await meets(stage, await stage.linked(), error, fate)


async def meets(stage: Stage, person: Person, error: str, fate: Fate) -> Differences:
    """What is different from the row once this session has met the error, and once the trouble is over."""
    rule = await stage.fail(error, person, "users.getUsers")
    due = await stage.validate(person)
    seen = await stage.fate(person)
    wrong = differences(
        seen,
        {
            "state": fate.state,
            "substate": fate.substate,
            "reason": fate.reason,
            "user_action": fate.user_action,
            "telegram_user_id": person.user_id,
            "restarts": 0,
        },
    )
    if not is_within(due, fate.retry):
        wrong["next try"] = (due, "not", fate.retry)
    await stage.clear(rule)
    return wrong | await afterwards(fate)(stage, person)


def afterwards(fate: Fate) -> Callable[[Stage, Person], Awaitable[Differences]]:
    """What the row promises of the time after."""
    if fate.substate == "flood_wait":
        return waits
    return is_kept if fate.is_kept else is_dropped


def is_within(due: float | None, bounds: Retry) -> bool:
    if due is None or bounds is None:
        return due is None and bounds is None
    return bounds[0] <= due <= bounds[1]


async def is_kept(stage: Stage, person: Person) -> Differences:
    """The same key is online again, without a new login, once it is asked on a fresh connection."""
    await stage.control("POST", "/drop", {"phone": person.phone})
    # Not the old connection, on which Telethon remembers what it was told to wait for.
    await stage.validate(person)
    while not is_online((await stage.process.sessions.look(person.key)).state):
        await trio.sleep(0.1)
        await stage.validate(person)
    return {}


async def waits(stage: Stage, person: Person) -> Differences:
    """Nobody makes it longer by asking, and the connection stays."""
    with pytest.raises(MustWait):
        await stage.validate(person)
    return differences({"connections": await stage.connections(person)}, {"connections": 1})


async def is_dropped(stage: Stage, person: Person) -> Differences:
    """The key is used no more: its connection is closed, and being asked does not bring it back."""
    before = await stage.logins(person)
    reply = await stage.service.http.post(
        "/api/qr/start", json={"tenant_id": TENANT, "app_id": person.key.app_id}
    )
    wrong = {} if reply.status_code == 200 else {"start": reply.text}
    while await stage.connections(person):
        await trio.sleep(0.1)
    return wrong | differences({"used": await stage.logins(person)}, {"used": before})


def breakers(stage: Stage) -> set[str]:
    return {str(breaker["state"]) for breaker in stage.process.view.tree()["breakers"].values()}


async def test_a_wait_that_is_over_is_followed_by_a_try_with_the_same_key(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.fail("FLOOD_WAIT_1", person, "users.getUsers", count=1)
        due = await stage.validate(person)
        assert is_within(due, (0, 1))

        with trio.fail_after(WHOLE):
            await stage.until_online(person)


@pytest.mark.parametrize("error", table.APP)
async def test_a_refusal_of_the_app_costs_no_session_anything(
    settings: Settings, sandbox: RunningSandbox, error: str
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        neighbour = await stage.linked()
        await stage.fail(error, person, "users.getUsers")
        await stage.control("POST", "/drop", {"phone": person.phone})
        with trio.fail_after(WHOLE):
            await stage.until(person, has_failed_to_reconnect)

        seen = await stage.fate(person)
        assert (seen["state"], seen["substate"], seen["user_action"]) == (
            "AUTHORIZED",
            "reconnecting",
            "wait",
        )
        assert stage.process.view.gate.breakers.apps.worst.name == "OPEN"
        assert (await stage.session(neighbour))["substate"] == "online"


async def test_a_refusal_of_the_app_ends_a_login(settings: Settings, sandbox: RunningSandbox) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.person()
        await stage.fail("API_ID_INVALID", person, "auth.sendCode")
        reply = await begin(stage, person, "code")

        assert reply.json()["step"]["reason"] == "app_refused"
        assert stage.process.view.gate.breakers.apps.worst.name == "OPEN"


@pytest.mark.parametrize("kind", ["drop", "reset"])
async def test_a_connection_that_fails_is_won_back(
    settings: Settings, sandbox: RunningSandbox, kind: str
) -> None:
    """The OSError of the table, and the EOFError that Telethon makes of an orderly close."""
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        rule = await stage.control(
            "POST", "/faults", {"kind": kind, "method": "users.getUsers", "phone": person.phone}
        )
        await stage.control("POST", "/drop", {"phone": person.phone})
        with trio.fail_after(WHOLE):
            await stage.until(person, has_failed_to_reconnect)
        seen = await stage.fate(person)
        assert (seen["state"], seen["reason"], seen["user_action"]) == ("AUTHORIZED", None, "wait")

        await stage.clear(rule["id"])
        with trio.fail_after(WHOLE):
            await is_kept(stage, person)
        assert await stage.control("GET", "/duplicates") == []


async def test_a_forgotten_key_is_the_end_of_a_session(settings: Settings, sandbox: RunningSandbox) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.control("POST", "/forget", {"phone": person.phone})
        with trio.fail_after(WHOLE):
            await stage.until(person, lambda state: state.name == "REVOKED")

        seen = await stage.fate(person)
        assert (seen["reason"], seen["user_action"]) == ("auth_key_unregistered", "relogin")
        assert seen["next_retry"] is None


async def test_a_key_that_is_denied_once_and_wrongly_is_kept(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        await stage.control("POST", "/deny", {"phone": person.phone})
        with trio.fail_after(WHOLE):
            await stage.until(person, lambda state: not is_online(state))
            await is_kept(stage, person)
        assert (await stage.fate(person))["state"] == "AUTHORIZED"


async def test_what_no_table_knows_crashes_one_life_and_costs_nothing(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.linked()
        rule = await stage.control(
            "POST", "/faults", {"kind": "nonsense", "method": "users.getUsers", "phone": person.phone}
        )
        with pytest.raises(Crashed):
            await stage.validate(person)
        with trio.fail_after(WHOLE):
            while (seen := await stage.fate(person))["restarts"] == 0:  # it is still on its way out
                await trio.sleep(0.1)
        assert (seen["state"], seen["restarts"]) == ("AUTHORIZED", 1)

        await stage.clear(rule["id"])
        with trio.fail_after(WHOLE):
            await stage.until_online(person)
        assert breakers(stage) == {"closed"}


# -- a login


async def asked_for_a_code(stage: Stage, error: str, expected: Step) -> Differences:
    person = await stage.person()
    await stage.fail(error, person, "auth.sendCode")
    return await told(stage, person, await begin(stage, person, "code"), expected)


async def told_the_code(stage: Stage, error: str, expected: Step) -> Differences:
    person = await stage.person(password="sesame")
    asked = await begin(stage, person, "code")
    if error != "SESSION_PASSWORD_NEEDED":  # which is what the right code of such an account is answered with
        await stage.fail(error, person, "auth.signIn")
    return await told(stage, person, await hand_in(stage, asked, type="code", code=CODE), expected)


async def told_the_password(stage: Stage, error: str, expected: Step) -> Differences:
    person, asked = await asked_for_password(stage)
    await stage.fail(error, person, "auth.checkPassword")
    reply = await hand_in(stage, asked, type="password", password="sesame")
    return await told(stage, person, reply, expected)


PLAYS: Mapping[Play, Mapping[str, Any]] = {
    asked_whether_it_is_one: table.SESSION,
    asked_for_a_code: table.CODE_SENDING,
    told_the_code: table.CODE_TYPING,
    told_the_password: table.PASSWORD_TYPING,
}
"""How a row of each table is played."""


async def test_a_challenge_that_has_changed_is_fetched_again_unnoticed(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:

        async def row(error: str) -> dict[str, Any]:
            person, asked = await asked_for_password(stage)
            await stage.fail(error, person, "auth.checkPassword", count=1)
            reply = await hand_in(stage, asked, type="password", password="sesame")
            return await told(stage, person, reply, Step("AUTHORIZED", "complete"))

        assert await all_at_once(table.ONCE_AND_THEN_WELL, row) == {}


async def test_a_token_that_telegram_refuses_is_replaced_under_the_same_ticket(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        for error in table.TOKEN:
            await stage.fail(error, None, "auth.exportLoginToken", count=1)

        async def row(_: str) -> dict[str, Any]:
            person = await stage.person()
            reply = await begin(stage, person, "qr")
            shown = {"qr": bool(reply.json()["step"]["qr"]["png_base64"])}
            return differences(shown, {"qr": True}) | await told(
                stage, person, reply, Step("PENDING_QR", "qr")
            )

        assert await all_at_once(table.TOKEN, row) == {}
        assert await stage.control("GET", "/faults") == []


async def test_a_wait_for_the_first_qr_is_told_at_once(settings: Settings, sandbox: RunningSandbox) -> None:
    async with standing(settings, sandbox) as stage:
        await stage.fail("FLOOD_WAIT_77", None, "auth.exportLoginToken", count=1)
        reply = await begin(stage, await stage.person(), "qr")

        assert reply.json()["step"]["error"]["code"] == "flood_wait"
        assert 70 < reply.json()["step"]["error"]["retry_after"] <= 77


async def test_a_code_login_follows_its_account_to_another_data_centre(
    settings: Settings, sandbox: RunningSandbox
) -> None:
    async with standing(settings, sandbox) as stage:
        person = await stage.person(dc_id=1, phone="9996614001")
        asked = await begin(stage, person, "code")
        reply = await hand_in(stage, asked, type="code", code="11111")

        assert await told(stage, person, reply, Step("AUTHORIZED", "complete")) == {}


async def begin(stage: Stage, person: Person, flow: str) -> httpx.Response:
    phone = {"phone": f"+{person.phone}"} if flow == "code" else {}
    names = {"tenant_id": TENANT, "app_id": person.key.app_id}
    path = f"/api/v1/login/start/{flow}"
    reply = await stage.service.http.post(path, json=names | phone)
    assert reply.status_code == 200, reply.text
    return reply


async def hand_in(stage: Stage, asked: httpx.Response, **typed: str) -> httpx.Response:
    ticket = asked.json()["login"]["ticket"]
    body = {"txn_id": asked.json()["step"]["txn_id"]} | typed
    return await stage.service.http.post(
        "/api/v1/login/current/step", json=body, headers={"X-Ticket": ticket}
    )


async def asked_for_password(stage: Stage) -> tuple[Person, httpx.Response]:
    person = await stage.person(password="sesame")
    reply = await hand_in(stage, await begin(stage, person, "code"), type="code", code=CODE)
    assert reply.json()["step"]["step_id"] == "password", reply.text
    return person, reply


async def told(stage: Stage, person: Person, reply: httpx.Response, expected: Step) -> dict[str, Any]:
    """What is different from the row in the answer, and in the session's state."""
    step = reply.json()["step"]
    error = step["error"] and step["error"]["code"]
    seen = {"status": reply.status_code, "step": step["step_id"], "reason": step["reason"], "error": error}
    seen["state"] = (await stage.session(person))["state"]
    return differences(
        seen,
        {
            "status": 200,
            "step": expected.step,
            "reason": expected.reason,
            "error": expected.error,
            "state": expected.state,
        },
    )

"""Account holders in a Mini App: what Telegram has signed for them, and what that lets them do."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from random import Random
from urllib.parse import quote

import pytest

from actors.bridge import in_asyncio
from actors.core.secret import Secret
from actors.core.states import PendingQr
from api.caller import Caller, Credential
from api.errors import Declined
from api.mini_apps import holder
from api.permissions import Role
from api.trust import MiniApps
from tests.http.conftest import DEMO, SERVICE_KEY, Answer, VirtualTime, World
from tests.http.credentials import ANNA, OWN_BOT, THEIR_BOT, init_data, third_party
from tests.http.mutations import mutated_init_data

OTHER = 77

# Real, of bot 7342037359: the example in init-data-py and the Telegram Mini Apps documentation.
REAL = (
    "user=%7B%22id%22%3A279058397%2C%22first_name%22%3A%22Vladislav%20%2B%20-%20%3F%20%5C%2F%22%2C%22last_name%22%3A"
    "%22Kibenko%22%2C%22username%22%3A%22vdkfrost%22%2C%22language_code%22%3A%22ru%22%2C%22is_premium%22%3Atrue%2C"
    "%22allows_write_to_pm%22%3Atrue%2C%22photo_url%22%3A%22https%3A%5C%2F%5C%2Ft.me%5C%2Fi%5C%2Fuserpic%5C%2F320"
    "%5C%2F4FPEE4tmP3ATHa57u6MqTDih13LTOiMoKoLDRG4PnSA.svg%22%7D&chat_instance=8134722200314281151&chat_type=private"
    "&auth_date=1733584787&hash=2174df5b000556d044f3f020384e879c8efcab55ddea2ced4eb752e93e7080d6"
    "&signature=zL-ucjNyREiHDE8aihFwpfR9aggP2xiAo3NSpfe-p7IbCisNlDKlo7Kb6G4D0Ao2mBrSgEk4maLSdv6MLIlADQ"
)
REAL_BOT, REAL_TIME = 7342037359, 1_733_584_787.0


def _tma(text: str) -> dict[str, str]:
    return {"Authorization": f"tma {text}"}


async def _recognise(world: World, text: str) -> Caller | None:
    return await in_asyncio(holder, Credential("tma", Secret(text)), world.doors)


async def _flows(world: World, text: str) -> Answer:
    return await world.call("GET", "/api/v1/login/flows", headers=_tma(text))


async def _start(world: World, text: str, app_id: str = "main", **body: int) -> Answer:
    names = {"tenant_id": "demo", "app_id": app_id}
    return await world.call("POST", "/api/v1/login/start/qr", names | body, headers=_tma(text))


class FixedClock:
    """A wall clock that stands still."""

    def __init__(self, now: float) -> None:
        self._now = now

    def now(self) -> float:
        return self._now


async def test_what_telegram_really_signed_is_taken_for_its_bot_and_for_no_other(world: World) -> None:
    real = replace(
        world.doors,
        mini_apps=MiniApps({REAL_BOT: "acme"}),
        clock=FixedClock(REAL_TIME + 5),  # type: ignore[arg-type] # all that is asked of it
    )
    caller = await in_asyncio(holder, Credential("tma", Secret(REAL)), real)
    assert caller is not None
    assert (caller.tenant_id, caller.account_id, caller.role) == ("acme", 279058397, Role.MINI_APP)

    for wrong in (
        replace(real, mini_apps=MiniApps({REAL_BOT + 1: "acme"})),
        replace(real, mini_apps=replace(real.mini_apps, public_key=world.doors.mini_apps.public_key)),
    ):
        with pytest.raises(Declined):
            await in_asyncio(holder, Credential("tma", Secret(REAL)), wrong)


async def test_every_character_of_what_telegram_really_signed_counts(world: World) -> None:
    real = replace(
        world.doors,
        mini_apps=MiniApps({REAL_BOT: "acme"}),
        clock=FixedClock(REAL_TIME + 5),  # type: ignore[arg-type] # all that is asked of it
    )
    unsigned = range(REAL.index("&hash="), REAL.index("&signature="))
    for at, character in enumerate(REAL):
        if at in unsigned:
            continue  # Ed25519 does not cover it
        changed = REAL[:at] + ("x" if character != "x" else "y") + REAL[at + 1 :]
        with pytest.raises(Declined):
            await in_asyncio(holder, Credential("tma", Secret(changed)), real)


async def test_both_ways_to_prove_it_lead_to_the_bots_tenant(world: World) -> None:
    now = world.doors.clock.now()
    world.change(mini_apps=replace(world.doors.mini_apps, tenants={OWN_BOT: "demo", THEIR_BOT: "other"}))

    for text, tenant in ((init_data(now), "demo"), (third_party(now), "other")):
        caller = await _recognise(world, text)
        assert caller is not None
        assert (caller.tenant_id, caller.account_id) == (tenant, ANNA)


async def test_a_bot_that_is_not_named_lets_nobody_in(world: World) -> None:
    now = world.doors.clock.now()
    world.change(mini_apps=MiniApps({THEIR_BOT: "demo"}, world.doors.mini_apps.own_token, "00" * 32))

    assert (await _flows(world, init_data(now))).code == "unauthenticated"
    assert (await _flows(world, third_party(now))).code == "unauthenticated"


async def test_it_is_good_for_an_hour_and_begins_something_for_five_minutes(
    world: World, time: VirtualTime
) -> None:
    text = init_data(world.doors.clock.now())
    assert (await _start(world, text)).status == 200
    await time.after(299)
    assert (await _start(world, text)).status == 200
    await time.after(3)
    assert (await _start(world, text)).code == "init_data_expired"
    assert (await world.call("POST", "/api/v1/session", {}, headers=_tma(text))).code == "init_data_expired"
    assert (await _flows(world, text)).status == 200
    await time.after(3299)
    assert (await _flows(world, text)).code == "init_data_expired"


async def test_what_is_dated_ahead_is_refused(world: World) -> None:
    now = world.doors.clock.now()

    assert (await _flows(world, init_data(now + 29))).status == 200
    assert (await _flows(world, init_data(now + 32))).code == "unauthenticated"


async def test_what_could_be_read_two_ways_is_refused(world: World) -> None:
    good = init_data(world.doors.clock.now())
    signed = third_party(world.doors.clock.now())
    digest = good.rpartition("hash=")[2]
    signature = signed.rpartition("signature=")[2]
    loose = urlsafe_b64encode(urlsafe_b64decode(signature + "==")).decode()
    last = signature[:-1] + chr(ord(signature[-1]) + 1)  # the same bytes, if the loose bits are not looked at

    for text in (
        f"{good}&user=%7B%22id%22%3A1%7D",
        f"user=%7B%22id%22%3A1%7D&{good}",
        good.replace(digest, digest.upper()),
        good + "&x",
        signed.replace(signature, loose),
        signed.replace(signature, last),
        good.replace("query_id", "quеry_id"),  # noqa: RUF001 - the e is Cyrillic
        good + "&padding=" + "x" * 4096,
        quote(good),
        "",
        "hash=",
    ):
        answer = await _flows(world, text.encode("ascii", "backslashreplace").decode())
        assert answer.code == "unauthenticated", text


async def test_a_mini_app_without_a_user_lets_nobody_in(world: World) -> None:
    now = world.doors.clock.now()

    for user in (
        '{"id": -5, "first_name": "x"}',
        '{"id": 5, "first_name": "x", "is_bot": true}',
        "{}",
        "null",
    ):
        assert (await _flows(world, init_data(now, user=user))).code == "unauthenticated", user


async def test_a_holder_s_login_is_bound_to_their_account(world: World) -> None:
    answer = await _start(world, init_data(world.doors.clock.now()))

    state = (await world.directory.look(DEMO)).state
    assert isinstance(state, PendingQr)
    assert state.login.expected_account_id == ANNA
    assert answer.status == 200


async def test_a_holder_cannot_log_in_somebody_else(world: World) -> None:
    text = init_data(world.doors.clock.now())

    answer = await _start(world, text, expected_telegram_user_id=OTHER)

    assert (answer.status, answer.code) == (403, "account_mismatch")


async def test_another_s_live_login_and_account_are_shown_to_no_holder(world: World) -> None:
    now = world.doors.clock.now()
    mine = await _start(world, init_data(now))
    theirs = await _start(world, init_data(now, OTHER))
    assert (theirs.status, theirs.code) == (409, "session_taken")
    assert "ticket" not in theirs.json

    world.session.accept()
    await world.settle()
    taken = await _start(world, init_data(now, OTHER))
    assert (taken.code, str(ANNA) in taken.raw.decode()) == ("session_taken", False)
    assert (await _start(world, init_data(now))).code == "already_authorized"
    assert mine.status == 200


async def test_a_ticket_opens_for_its_own_holder_for_their_backend_and_for_nobody_else(world: World) -> None:
    now = world.doors.clock.now()
    ticket = (await _start(world, init_data(now))).json["login"]["ticket"]

    async def read(headers: dict[str, str]) -> int:
        answer = await world.call("GET", "/api/v1/login/current", headers=headers | {"X-Ticket": ticket})
        return answer.status

    assert await read(_tma(init_data(now))) == 200
    assert await read({"Authorization": f"Bearer {SERVICE_KEY.reveal()}"}) == 200
    assert await read(_tma(init_data(now, OTHER))) == 404
    assert (
        await world.call(
            "DELETE", "/api/v1/login/current", headers={**_tma(init_data(now, OTHER)), "X-Ticket": ticket}
        )
    ).code == "ticket_unknown"


async def test_a_login_that_is_bound_to_nobody_is_no_holder_s(world: World) -> None:
    ticket = await world.ticket()

    answer = await world.call(
        "GET", "/api/qr/status", headers={**_tma(init_data(world.doors.clock.now())), "X-Ticket": ticket}
    )

    assert answer.code == "ticket_unknown"


async def test_init_data_is_exchanged_for_a_short_session_of_the_same_holder(
    world: World, time: VirtualTime
) -> None:
    text = init_data(world.doors.clock.now())
    issued = (await world.call("POST", "/api/v1/session", {}, headers=_tma(text))).json
    assert (issued["tenant_id"], issued["telegram_user_id"]) == ("demo", ANNA)

    token = Secret(issued["token"])
    started = await world.call(
        "POST", "/api/v1/login/start/qr", {"tenant_id": "demo", "app_id": "main"}, credential=token
    )
    assert started.status == 200
    for refused in (
        await world.call("POST", "/api/qr/start", {"tenant_id": "other", "app_id": "main"}, credential=token),
        await world.call("GET", "/api/v1/sessions", credential=token),
    ):
        assert refused.status == 403
    await time.after(3601)
    assert (await world.call("GET", "/api/v1/login/flows", credential=token)).code == "session_expired"


async def test_a_backend_gets_a_session_for_one_of_its_account_holders(world: World) -> None:
    async def issue(**body: object) -> Answer:
        return await world.call("POST", "/api/v1/session", body, credential=SERVICE_KEY)

    assert (await issue()).code == "invalid_request"
    assert (await issue(tenant_id="../x")).code == "invalid_name"
    issued = (await issue(tenant_id="demo", telegram_user_id=5, ttl=60)).json
    assert issued["expires_at"] - issued["server_time"] == 60
    answer = await world.call("GET", "/api/v1/login/flows", credential=Secret(issued["token"]))
    assert answer.status == 200


@pytest.mark.parametrize("seed", range(10))
async def test_a_thousand_changes_of_init_data_are_refused(world: World, seed: int) -> None:
    """With the other seeds and callbacks: twenty thousand. `ops/mutate` tries a million."""
    chance, now = Random(seed), world.doors.clock.now()
    own, theirs = init_data(now, start_param="a"), third_party(now)
    accepted = []

    async def try_all() -> None:
        for _ in range(1000):
            text, unsigned = chance.choice(((own, frozenset[str]()), (theirs, frozenset({"hash"}))))
            changed = mutated_init_data(text, chance, unsigned=unsigned)
            try:
                await holder(Credential("tma", Secret(changed)), world.doors)
            except Declined:
                continue
            accepted.append(changed)

    assert await _recognise(world, own)
    assert await _recognise(world, theirs)
    await in_asyncio(try_all)
    assert accepted == []

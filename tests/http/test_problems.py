"""Every no: that each row of the table can be met over HTTP, and what none of them ever holds."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import pytest
import trio
from quart.testing import QuartClient
from werkzeug import exceptions as w

from actors import errors as a
from actors.bridge import in_asyncio
from actors.core import app as c
from actors.core import messages as m
from actors.core.names import InvalidName
from actors.core.states import Reason
from actors.core.transitions import AnotherLogin, MustWait, Refused
from actors.core.webhook import InvalidWebhookUrl
from actors.webhooks import DeliveryStatus
from api import errors as e
from api.app import BODY_TIMEOUT
from api.doors import Readiness
from api.events import Limited
from api.limits import RULES
from api.problems import PROBLEMS, problem_for
from api.streams import Streams
from tests.http.conftest import PASSWORD, SERVICE_KEY, Answer, VirtualTime, World
from tests.http.credentials import (
    callback_body,
    callback_headers,
    callback_request,
    demos_key,
    init_data,
)

CANARY = "canary-7f3a"


async def _body(world: World, raw: bytes, **headers: str) -> Answer:
    return await world.call("POST", "/api/qr/start", raw=raw, headers=headers)


def _failing(failure: Exception) -> Callable[[World, VirtualTime], Awaitable[Answer]]:
    async def scenario(world: World, _: VirtualTime) -> Answer:
        ticket = await world.ticket()
        world.directory.failure = failure
        return await world.status(ticket)

    return scenario


async def broken_json(world: World, _: VirtualTime) -> Answer:
    return await _body(world, b'{"tenant_id": "canary-7f3a", ')


async def wrong_type(world: World, _: VirtualTime) -> Answer:
    return await world.start(tenant_id=[CANARY])


async def climbing_name(world: World, _: VirtualTime) -> Answer:
    return await world.start(app_id="../canary-7f3a")


async def unknown_route(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", "/api/canary-7f3a")


async def wrong_method(world: World, _: VirtualTime) -> Answer:
    return await world.call("DELETE", "/api/qr/start")


async def stalled_body(world: World, time: VirtualTime) -> Answer:
    answers: list[Answer] = []

    async def request() -> None:
        bearer = {"Authorization": f"Bearer {world.credential.reveal()}", "Content-Type": "application/json"}
        path = "/api/qr/start"
        async with QuartClient(world.app).request(path, method="POST", headers=bearer) as connection:
            await connection.send(b'{"tenant_id": "canary-7f3a"')
        response = await connection.as_response()
        lower = {name.lower(): value for name, value in response.headers.items()}
        answers.append(Answer(response.status_code, lower, await response.get_data(as_text=False)))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, request)
        await time.after(BODY_TIMEOUT)
    return answers[0]


async def huge_body(world: World, _: VirtualTime) -> Answer:
    return await _body(world, b'{"tenant_id": "' + b"canary-7f3a" * 2000 + b'"}')


async def form_body(world: World, _: VirtualTime) -> Answer:
    return await _body(
        world, b"tenant_id=canary-7f3a", **{"Content-Type": "application/x-www-form-urlencoded"}
    )


async def no_credential(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", "/api/qr/status", headers={"Authorization": ""})


async def expired_credential(world: World, time: VirtualTime) -> Answer:
    await time.after(601)
    return await world.start()


async def another_tenant(world: World, _: VirtualTime) -> Answer:
    return await world.start(tenant_id="canary-7f3a")


async def unknown_ticket(world: World, _: VirtualTime) -> Answer:
    return await world.status(f"{CANARY:_<43}")


async def linked_already(world: World, _: VirtualTime) -> Answer:
    await world.ticket()
    world.session.accept()
    await world.settle()
    return await world.start()


async def superseded(world: World, _: VirtualTime) -> Answer:
    old = await world.until_password()
    await world.ticket()
    world.session.accept()
    await world.settle()
    return await world.password(old, CANARY)


async def out_of_turn(world: World, _: VirtualTime) -> Answer:
    return await world.password(await world.ticket(), CANARY)


async def wrong_password(world: World, _: VirtualTime) -> Answer:
    return await world.password(await world.until_password(), CANARY)


async def refused_login(world: World, _: VirtualTime) -> Answer:
    world.session.answer(m.LoginFailed(Reason.LOGIN_REFUSED), to="export_token")
    return await world.start()


async def delayed_password(world: World, _: VirtualTime) -> Answer:
    ticket = await world.until_password()
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 40.0), to="check_password")
    return await world.password(ticket, CANARY)


async def password_too_early(world: World, time: VirtualTime) -> Answer:
    ticket = await world.until_password()
    world.session.answer(m.FloodWaited(world.doors.clock.now() + 40.0), to="check_password")
    await world.password(ticket, CANARY)
    await time.after(1)
    return await world.password(ticket, CANARY)


async def silent_telegram(world: World, _: VirtualTime) -> Answer:
    ticket = await world.until_password()
    world.session.answer(m.Unreachable(world.doors.clock.now()), to="check_password")
    return await world.password(ticket, CANARY)


async def switched_off(world: World, _: VirtualTime) -> Answer:
    world.change(feature_enabled=False)
    return await world.start()


async def draining(world: World, _: VirtualTime) -> Answer:
    world.change(ready=lambda: Readiness(ready=False, text="draining"))
    return await world.call("GET", "/readyz")


async def tenant_at_the_tree(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", "/api/v1/tree")


async def stale_init_data(world: World, time: VirtualTime) -> Answer:
    header = {"Authorization": f"tma {init_data(world.doors.clock.now())}"}
    await time.after(3601)
    return await world.call("GET", "/api/v1/login/flows", headers=header)


async def another_account(world: World, _: VirtualTime) -> Answer:
    header = {"Authorization": f"tma {init_data(world.doors.clock.now())}"}
    return await world.call("POST", "/api/v1/session", {"telegram_user_id": 1}, headers=header)


async def session_of_another(world: World, _: VirtualTime) -> Answer:
    await world.ticket()
    header = {"Authorization": f"tma {init_data(world.doors.clock.now(), account_id=77)}"}
    return await world.call("POST", "/api/qr/start", {"tenant_id": "demo", "app_id": "main"}, headers=header)


async def _callback(world: World, account_id: int = 4242, **changes: str) -> list[Answer]:
    """The same callback twice."""
    body = callback_body(await world.ticket(), account_id)
    world.session.accept()
    await world.settle()
    key = demos_key(world.doors.callback_keys)
    request = callback_request(key, body, world.doors.clock.now(), **changes)
    headers = callback_headers(request)
    return [await world.call("POST", "/api/qr/callback", raw=body, headers=headers) for _ in range(2)]


async def unsigned_callback(world: World, _: VirtualTime) -> Answer:
    return await world.call("POST", "/api/qr/callback", {"ticket": CANARY})


async def old_callback(world: World, _: VirtualTime) -> Answer:
    return (await _callback(world, timestamp=str(int(world.doors.clock.now()) - 302)))[0]


async def callback_twice(world: World, _: VirtualTime) -> Answer:
    return (await _callback(world))[1]


async def callback_of_another(world: World, _: VirtualTime) -> Answer:
    return (await _callback(world, account_id=77))[0]


async def too_many_passwords(world: World, _: VirtualTime) -> Answer:
    ticket = await world.until_password()
    for _again in range(RULES[Limited.PASSWORD].per_session):
        await world.password(ticket, CANARY)
    return await world.password(ticket, CANARY)


async def too_many_streams(world: World, _: VirtualTime) -> Answer:
    world.change(streams=Streams(per_caller=0))
    return await world.call("GET", "/api/v1/login/current/events", headers={"X-Ticket": await world.ticket()})


async def session_of_nobody(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", f"/api/v1/sessions/demo/{CANARY}")


async def _step(world: World, ticket: str, password: str) -> Answer:
    body = {"txn_id": "txn-1", "type": "password", "password": password}
    return await world.call("POST", "/api/v1/login/current/step", body, headers={"X-Ticket": ticket})


async def transaction_twice(world: World, _: VirtualTime) -> Answer:
    ticket = await world.until_password()
    await _step(world, ticket, "wrong horse")
    return await _step(world, ticket, CANARY)


async def transaction_in_work(world: World, _: VirtualTime) -> Answer:
    ticket = await world.until_password()
    world.answers.lose_next_answer = True
    await _step(world, ticket, CANARY)
    return await _step(world, ticket, CANARY)


async def _give_app(world: World, **app: Any) -> Answer:
    body = {"proxy": None} | app
    return await world.call("PUT", "/api/v1/tenants/acme/app", body, credential=SERVICE_KEY)


async def no_app(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", f"/api/v1/tenants/{CANARY}/app", credential=SERVICE_KEY)


HOOKS = "/api/v1/tenants/demo/webhooks"


async def no_webhook(world: World, _: VirtualTime) -> Answer:
    return await world.call("GET", f"{HOOKS}/{CANARY}", credential=SERVICE_KEY)


async def _resent(world: World, message_id: str) -> Answer:
    body = {"url": "https://hooks.example/"}
    made = (await world.call("POST", HOOKS, body, credential=SERVICE_KEY)).json["webhook_id"]
    world.webhooks.put("demo", made, f"due_{CANARY}", DeliveryStatus.DUE)
    path = f"{HOOKS}/{made}/deliveries/{message_id}/resend"
    return await world.call("POST", path, credential=SERVICE_KEY)


async def no_delivery(world: World, _: VirtualTime) -> Answer:
    return await _resent(world, CANARY)


async def delivery_that_is_due(world: World, _: VirtualTime) -> Answer:
    return await _resent(world, f"due_{CANARY}")


async def too_many_webhooks(world: World, _: VirtualTime) -> Answer:
    for _number in range(11):
        body = {"url": f"https://hooks.example/{CANARY}"}
        answer = await world.call("POST", HOOKS, body, credential=SERVICE_KEY)
    return answer


async def webhook_to_ourselves(world: World, _: VirtualTime) -> Answer:
    return await world.call("POST", HOOKS, {"url": f"https://127.0.0.1/{CANARY}"}, credential=SERVICE_KEY)


async def half_an_app(world: World, _: VirtualTime) -> Answer:
    return await _give_app(world, api_hash=CANARY)


async def dishonest_device(world: World, _: VirtualTime) -> Answer:
    return await _give_app(world, device_model=f"Telegram Desktop {CANARY}")


async def broken_proxy(world: World, _: VirtualTime) -> Answer:
    return await _give_app(world, proxy=f"ftp://{CANARY}:{CANARY}@{CANARY}:1")


async def sealed_app(world: World, _: VirtualTime) -> Answer:
    await _give_app(world, proxy=f"socks5://{CANARY}:{CANARY}@proxy:1080")
    world.apps.has_key = False
    return await world.call("GET", "/api/v1/tenants/acme/app", credential=SERVICE_KEY)


SCENARIOS: Mapping[type[Exception], Callable[[World, VirtualTime], Awaitable[Answer]]] = {
    e.BadJson: broken_json,
    e.InvalidRequest: wrong_type,
    InvalidName: climbing_name,
    w.NotFound: unknown_route,
    w.MethodNotAllowed: wrong_method,
    w.RequestTimeout: stalled_body,
    w.RequestEntityTooLarge: huge_body,
    w.UnsupportedMediaType: form_body,
    e.Unauthenticated: no_credential,
    e.SessionExpired: expired_credential,
    e.TenantMismatch: another_tenant,
    e.TicketUnknown: unknown_ticket,
    e.InitDataExpired: stale_init_data,
    e.Forbidden: tenant_at_the_tree,
    e.AccountMismatch: another_account,
    e.SessionTaken: session_of_another,
    e.SignatureInvalid: unsigned_callback,
    e.OutsideWindow: old_callback,
    e.Replayed: callback_twice,
    e.AccountDiffers: callback_of_another,
    e.LimitReached: too_many_passwords,
    e.TooManyStreams: too_many_streams,
    e.SessionUnknown: session_of_nobody,
    e.AppUnknown: no_app,
    c.InvalidApp: half_an_app,
    c.DishonestDevice: dishonest_device,
    c.InvalidProxy: broken_proxy,
    a.AppSealed: sealed_app,
    e.WebhookUnknown: no_webhook,
    e.DeliveryUnknown: no_delivery,
    e.DeliveryDue: delivery_that_is_due,
    e.TooManyWebhooks: too_many_webhooks,
    InvalidWebhookUrl: webhook_to_ourselves,
    e.TransactionReused: transaction_twice,
    e.TransactionInWork: transaction_in_work,
    e.AlreadyAuthorized: linked_already,
    AnotherLogin: superseded,
    Refused: out_of_turn,
    e.PasswordInvalid: wrong_password,
    e.LoginEnded: refused_login,
    MustWait: password_too_early,
    e.FloodWait: delayed_password,
    e.UpstreamUnavailable: silent_telegram,
    a.MailboxFull: _failing(a.MailboxFull(CANARY, retry_after=1.0)),
    a.NoAnswer: _failing(a.NoAnswer(CANARY)),
    a.Stopping: _failing(a.Stopping(CANARY, retry_after=4.2)),
    a.Crashed: _failing(a.Crashed(CANARY)),
    a.Parked: _failing(a.Parked(CANARY, retry_after=120.0)),
    a.NotOwner: _failing(a.NotOwner(CANARY, retry_after=1.0)),
    a.NotUnderstood: _failing(a.NotUnderstood(CANARY, retry_after=5.0)),
    a.StoreUnavailable: _failing(a.StoreUnavailable(CANARY)),
    a.Unanswered: _failing(a.Unanswered(CANARY)),
    e.FeatureDisabled: switched_off,
    e.NotReady: draining,
    Exception: _failing(RuntimeError(CANARY)),
}


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
async def test_every_row_of_the_table_can_be_met(
    world: World, time: VirtualTime, kind: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    row = PROBLEMS[kind]

    answer = await SCENARIOS[kind](world, time)

    assert (answer.status, answer.code) == (row.status, row.code)
    body = answer.json
    assert body["type"] == f"/docs/problems#{row.code}"
    assert body["title"] == row.title
    assert body["detail"]
    assert body["request_id"] == answer.headers["x-request-id"]
    assert str(body.get("retry_after")) == answer.headers.get("retry-after", "None")
    assert ("www-authenticate" in answer.headers) == (answer.status == 401)
    assert CANARY.encode() not in answer.raw
    assert CANARY not in caplog.text
    for secret in (world.credential.reveal(), PASSWORD, "Traceback", "<html", "tg://"):
        assert secret.encode() not in answer.raw
    assert row.code in [getattr(event, "code", None) for event in world.events]


def test_no_row_is_left_without_its_scenario() -> None:
    assert set(SCENARIOS) == set(PROBLEMS)


def test_an_error_without_a_row_of_its_own_takes_its_nearest_ancestors() -> None:
    class Fuller(a.MailboxFull):
        pass

    assert problem_for(Fuller("")).code == "too_busy"
    assert problem_for(ZeroDivisionError()).code == "internal_error"


def test_a_code_means_one_thing() -> None:
    assert len({(row.code, row) for row in PROBLEMS.values()}) == len({row.code for row in PROBLEMS.values()})


async def test_a_failure_of_ours_is_logged_by_class_and_place_with_the_request_id(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    ticket = await world.ticket()
    world.directory.failure = RuntimeError(CANARY)

    with caplog.at_level(logging.ERROR, logger="api.problems"):
        answer = await world.status(ticket)

    assert answer.json["request_id"] in caplog.text
    assert "RuntimeError at " in caplog.text
    assert "fakes.py:" in caplog.text


async def test_an_outage_of_the_ticket_store_is_said_and_passes(world: World) -> None:
    ticket = await world.ticket()
    world.tickets.down = True
    assert (await world.status(ticket)).code == (await world.start()).code == "store_unavailable"
    world.tickets.down = False

    assert (await world.status(ticket)).status == 200


async def test_the_method_that_is_allowed_is_named(world: World, time: VirtualTime) -> None:
    assert (await wrong_method(world, time)).headers["allow"] == "OPTIONS, POST"


async def test_a_double_slash_is_an_unknown_address_and_no_redirect(world: World) -> None:
    assert (await world.call("POST", "/api//qr/start", {})).code == "not_found"


async def test_unknown_methods_and_paths_make_no_new_labels(world: World) -> None:
    await world.call("CANARY", "/canary")

    labels = {(event.method, event.route) for event in world.events if hasattr(event, "route")}  # type: ignore[union-attr] # told apart by it
    assert labels == {("other", "unknown")}


async def test_a_wrong_password_is_challenged_as_telegrams_and_not_as_ours(world: World) -> None:
    wrong = await world.password(await world.until_password(), CANARY)

    assert wrong.headers["www-authenticate"].startswith("TelegramPassword")

"""What schemathesis cannot know: names that are ours, tickets that are real, callbacks that are signed.

Loaded by schemathesis in its own process. Of each kind of value some are left as they were made up.
"""

from __future__ import annotations

import json
import os
import time
import urllib.request
from random import Random
from typing import Any

import schemathesis
from schemathesis import GenerationMode

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.core.secret import Secret
from ops.sign_callback import signed_headers

URL = os.environ["FUZZ_URL"]
CREDENTIAL = os.environ["FUZZ_CREDENTIAL"]
KEY = DerivedCallbackKeys(Secret(os.environ["FUZZ_HMAC_SECRET"])).of("demo")[0]
APPS = ("main", "other", "third")
SEED = os.environ.get("FUZZ_SEED", "0")
CHANCE = Random(int(SEED))
ENDED_APP = f"ended{SEED}"

WEBHOOKS = "/api/v1/tenants/demo/webhooks"
MADE_UP = "x" * 43
FRESH = 30.0
"""Seconds for which a login that was given up is still told of: half of what its ticket lives here."""

_tickets: list[str] = []
_ended: list[tuple[float, str]] = []
_webhooks: list[tuple[str, str]] = []


def ticket() -> str:
    """The ticket of a login that is under way, or was; once in a while a new one."""
    if not _tickets or CHANCE.random() < 0.02:
        started = _started(CHANCE.choice(APPS))
        if started is None:
            return MADE_UP
        _tickets.append(started)
    return CHANCE.choice(_tickets[-5:])


def ended_ticket() -> str:
    """The ticket of a login that was given up: whoever follows that one is told so, and let go."""
    if not _ended or time.monotonic() - _ended[-1][0] > FRESH:
        started = _started(ENDED_APP)
        if started is None:
            return MADE_UP
        _ask("DELETE", "/api/v1/login/current", {"X-Ticket": started})
        _ended.append((time.monotonic(), started))
    return _ended[-1][1]


def webhook() -> tuple[str, str]:
    """A webhook that there is, unless it has been deleted since, and the id of something that it was to be told."""
    if not _webhooks or CHANCE.random() < 0.02:
        try:
            made = _ask("POST", WEBHOOKS, {}, {"url": "https://hooks.example/fuzz"})
            sent = _ask("POST", f"{WEBHOOKS}/{made['webhook_id']}/ping", {})
        except OSError:  # a tenant has ten at most
            return "abcdefghijkl", MADE_UP
        _webhooks.append((made["webhook_id"], sent["message_id"]))
    return CHANCE.choice(_webhooks[-5:])


def _started(app: str) -> str | None:
    """A new ticket; None while there is none to be had: a limit, or the session is linked."""
    try:
        begun = _ask("POST", "/api/v1/login/start/qr", {}, {"tenant_id": "demo", "app_id": app})
    except OSError:
        return None
    return str(begun["login"]["ticket"])


def _ask(method: str, path: str, headers: dict[str, str], body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": CREDENTIAL, "Content-Type": "application/json", **headers}
    request = urllib.request.Request(f"{URL}{path}", data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - as schemathesis calls it
    """Make of half of the lawful cases something that gets further."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.query is not None and "wait" in case.query:
        case.query["wait"] = 0  # for half a minute each we have no time
    if case.path == "/api/qr/status" and "X-Ticket" not in case.headers and "ticket" not in case.query:
        case.headers["X-Ticket"] = ticket()  # one of both must be there, which OpenAPI cannot say
    if case.path.startswith("/api/v1/login/") and case.path.endswith("/events"):
        _follow_what_ends(case)
    elif CHANCE.random() < 0.5:
        _get_further(case)


def _get_further(case: Any) -> None:
    """Put names that are ours, real tickets and webhooks, and a signature in the place of what was made up."""
    body = case.body if isinstance(case.body, dict) else {}
    for name, real in (("tenant_id", "demo"), ("app_id", CHANCE.choice(APPS))):
        if name in body:
            body[name] = real
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = real
    if "webhook_id" in (case.path_parameters or {}):
        webhook_id, message_id = webhook()
        case.path_parameters["webhook_id"] = webhook_id
        if "message_id" in case.path_parameters:
            case.path_parameters["message_id"] = message_id
    if "ticket" in body:
        body["ticket"] = ticket()
    if "ticket" in (case.path_parameters or {}):
        case.path_parameters["ticket"] = ticket()
    if case.headers is not None and "X-Ticket" in case.headers:
        case.headers["X-Ticket"] = ticket()
    if case.path.endswith("/callback"):
        case.headers.update(signed_headers(KEY, json.dumps(body).encode(), time.time()))


def _follow_what_ends(case: Any) -> None:
    """A stream of a login that is under way ends with it, and schemathesis tries tickets again that it was given."""
    chosen = CHANCE.choice((MADE_UP, ended_ticket()))
    if "ticket" in (case.path_parameters or {}):
        case.path_parameters["ticket"] = chosen
    if "X-Ticket" in case.headers:
        case.headers["X-Ticket"] = chosen

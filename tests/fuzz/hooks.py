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
CHANCE = Random(int(os.environ.get("FUZZ_SEED", "0")))

_tickets: list[str] = []


def ticket() -> str:
    """The ticket of a login that is under way, or was; once in a while a new one."""
    if not _tickets or CHANCE.random() < 0.02:
        body = json.dumps({"tenant_id": "demo", "app_id": CHANCE.choice(APPS)}).encode()
        headers = {"Authorization": CREDENTIAL, "Content-Type": "application/json"}
        request = urllib.request.Request(f"{URL}/api/v1/login/start/qr", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                _tickets.append(json.load(answer)["login"]["ticket"])
        except OSError:
            return "x" * 43  # a limit, or linked: another time
    return CHANCE.choice(_tickets[-5:])


@schemathesis.hook
def before_call(context: Any, case: Any, kwargs: Any) -> None:  # noqa: ARG001 - as schemathesis calls it
    """Make of half of the lawful cases something that gets further."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return
    if case.path == "/api/qr/status" and "X-Ticket" not in case.headers and "ticket" not in case.query:
        case.headers["X-Ticket"] = ticket()  # one of both must be there, which OpenAPI cannot say
    if CHANCE.random() < 0.5:
        return
    body = case.body if isinstance(case.body, dict) else {}
    for name, real in (("tenant_id", "demo"), ("app_id", CHANCE.choice(APPS))):
        if name in body:
            body[name] = real
        if name in (case.path_parameters or {}):
            case.path_parameters[name] = real
    if "ticket" in body:
        body["ticket"] = ticket()
    if "ticket" in (case.path_parameters or {}):
        case.path_parameters["ticket"] = ticket()
    if case.headers is not None and "X-Ticket" in case.headers:
        case.headers["X-Ticket"] = ticket()
    if case.query is not None and "wait" in case.query:
        case.query["wait"] = 0  # for half a minute each we have no time
    if case.path.endswith("/callback"):
        case.headers.update(signed_headers(KEY, json.dumps(body).encode(), time.time()))

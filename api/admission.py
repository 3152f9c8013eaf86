"""The front door: nobody gets past it whom the table of routes does not let in."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping

from quart import g, request

from actors.core.secret import Secret
from api import keys, mini_apps, supabase, tokens
from api.caller import Caller, Credential
from api.doors import Doors, doors
from api.errors import Forbidden, InitDataExpired, Unauthenticated
from api.permissions import Open
from api.routes import ROUTES, Route

Recogniser = Callable[[Credential, Doors], Awaitable[Caller | None]]
"""Answers None to a credential of another kind; raises Unauthenticated or its like for a bad one."""

RECOGNISERS: tuple[Recogniser, ...] = (
    tokens.service,
    keys.api_key,
    mini_apps.holder,
    tokens.session,
    supabase.user,
)

FRESH = 300.0
"""Seconds after which what Telegram signed for a Mini App begins nothing any more."""

_ROUTES: Mapping[tuple[str, str], Route] = {(route.method, route.path): route for route in ROUTES}


async def admit() -> None:
    """Let the present request in or not. Raises Unauthenticated and its like, and Forbidden.

    A route that is not in the table is refused to everybody.
    """
    if request.url_rule is None or request.method == "OPTIONS":
        return  # answered by the framework, which knows nothing of ours
    route = _ROUTES.get((_method(), _path(request.url_rule.rule)))
    if route is None:
        raise Forbidden
    if isinstance(route.needs, Open):
        return
    caller = await identify(request.headers.getlist("Authorization"), doors())
    caller.require(route.needs)
    if route.begins and _is_old(caller, doors()):
        raise InitDataExpired
    g.caller = caller


async def identify(authorization: list[str], here: Doors) -> Caller:
    """The caller behind the one Authorization header there must be. Raises Unauthenticated and its like."""
    if len(authorization) != 1:
        raise Unauthenticated
    scheme, _, value = authorization[0].partition(" ")
    credential = Credential(scheme.lower(), Secret(value.strip()))
    if credential.value.reveal():
        for recognise in RECOGNISERS:
            caller = await recognise(credential, here)
            if caller is not None:
                return caller
    raise Unauthenticated


def _is_old(caller: Caller, here: Doors) -> bool:
    return caller.proved_at is not None and caller.proved_at < here.clock.now() - FRESH


def _method() -> str:
    return "GET" if request.method == "HEAD" else request.method


def _path(rule: str) -> str:
    return re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)

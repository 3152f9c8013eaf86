"""The Quart app: its blueprints, its limits, and what every answer carries."""

from __future__ import annotations

import asyncio
from time import perf_counter
from uuid import uuid4

from quart import Quart, Response, g, request
from quart.json.provider import DefaultJSONProvider
from werkzeug.exceptions import HTTPException

from api import problems
from api.admission import admit
from api.bodies import LONGEST_BODY
from api.callback import callback
from api.doors import Doors, doors
from api.events import RequestAnswered
from api.login import login
from api.operators import operators
from api.pages import MINI_APP_POLICY, pages
from api.qr import qr
from api.session_commands import session_commands
from api.session_events import session_events
from api.session_tokens import session_tokens
from api.tenants import tenants
from api.webhooks import webhooks

BODY_TIMEOUT = 10.0
REST_OF_BODY = 0.5
"""Seconds that the rest of a body gets which was refused unread, so that its connection can be used again."""

CUT_OFF = frozenset({408, 413})
"""Statuses of requests whose body did not come to its end."""

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class _InOrder(DefaultJSONProvider):
    """Keeps the specification's order of members."""

    sort_keys = False


def create_app(given: Doors) -> Quart:
    """The app that serves these doors. It is asyncio code, to be served inside the bridge's loop."""
    app = Quart(__name__, static_folder=None, template_folder="templates")
    app.json = _InOrder(app)
    app.config.update(MAX_CONTENT_LENGTH=LONGEST_BODY, BODY_TIMEOUT=BODY_TIMEOUT)
    app.extensions["doors"] = given
    app.url_map.merge_slashes = False  # else the framework answers //path with a redirect of its own, in HTML
    app.register_blueprint(qr)
    app.register_blueprint(callback)
    app.register_blueprint(login)
    app.register_blueprint(session_tokens)
    app.register_blueprint(operators)
    app.register_blueprint(session_commands)
    app.register_blueprint(session_events)
    app.register_blueprint(tenants)
    app.register_blueprint(webhooks)
    app.register_blueprint(pages)
    app.register_error_handler(Exception, problems.answer)
    app.before_request(_begin)
    app.before_request(admit)
    app.after_request(_finish)
    return app


async def _begin() -> None:
    g.request_id = uuid4().hex
    g.begun = perf_counter()


async def _finish(response: Response) -> Response:
    headers = response.headers
    headers.setdefault("Content-Security-Policy", MINI_APP_POLICY)
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Request-Id"] = g.request_id
    # Static files say "no-cache" themselves; everything else may hold a ticket or a QR.
    headers.setdefault("Cache-Control", "no-store")
    if not request.http_version.startswith("2") and not await _is_all_here(response.status_code):
        headers["Connection"] = (
            "close"  # the server closes it in any case: without the word clients would reuse it
        )
    _tell(response.status_code)
    return response


async def _is_all_here(status: int) -> bool:
    """Whether the request has come to its end. Strangers are refused before their body is read."""
    if status in CUT_OFF or {"Content-Length", "Transfer-Encoding"} <= set(request.headers.keys()):
        return False  # where both are given, somebody on the way may have read another end (RFC 9112, 6.1)
    try:
        async with asyncio.timeout(REST_OF_BODY):
            await request.body
    except (TimeoutError, HTTPException):
        return False
    return True


def _tell(status: int) -> None:
    route = request.url_rule.rule if request.url_rule is not None else "unknown"
    method = request.method if request.method in _METHODS else "other"
    seconds = perf_counter() - g.begun
    doors().tell(RequestAnswered(method, route, status, g.get("problem_code"), seconds))

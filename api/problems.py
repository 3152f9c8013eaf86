"""Every "no" in one table: from the type of an error to an RFC 9457 problem, the framework's errors included."""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from quart import Response, g
from werkzeug import exceptions as w

from actors import errors as a
from actors.core import app as c
from actors.core.names import InvalidName
from actors.core.transitions import AnotherLogin, MustWait, Refused
from actors.core.webhook import InvalidWebhookUrl
from api import errors as e
from api.doors import doors
from api.replies import seconds

CONTENT_TYPE = "application/problem+json"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Problem:
    """One kind of no. `code` never changes; `detail` is for people and says what to do."""

    status: HTTPStatus
    code: str
    title: str
    detail: str


def _no(status: HTTPStatus, code: str, title: str, detail: str) -> Problem:
    return Problem(status, code, title, detail)


_S = HTTPStatus
PROBLEMS: Mapping[type[Exception], Problem] = {
    # the request
    e.BadJson: _no(_S.BAD_REQUEST, "bad_json", "Broken JSON", "Send one JSON object in UTF-8."),
    e.InvalidRequest: _no(
        _S.BAD_REQUEST, "invalid_request", "Invalid request", "See errors for the fields that are wrong."
    ),
    InvalidName: _no(
        _S.BAD_REQUEST,
        "invalid_name",
        "Invalid name",
        "Names are 1 to 64 letters, digits, '_' and '-', first a letter or digit.",
    ),
    w.NotFound: _no(
        _S.NOT_FOUND, "not_found", "Not found", "There is no such address; /docs lists them all."
    ),
    w.MethodNotAllowed: _no(
        _S.METHOD_NOT_ALLOWED, "method_not_allowed", "Method not allowed", "The Allow header lists what is."
    ),
    w.RequestTimeout: _no(
        _S.REQUEST_TIMEOUT,
        "request_timeout",
        "Request timeout",
        "The body did not arrive in time. Send it again.",
    ),
    w.RequestEntityTooLarge: _no(
        _S.REQUEST_ENTITY_TOO_LARGE, "too_large", "Body too large", "A body is at most 16 kB."
    ),
    w.UnsupportedMediaType: _no(
        _S.UNSUPPORTED_MEDIA_TYPE,
        "unsupported_media_type",
        "Unsupported media type",
        "Send application/json.",
    ),
    # the caller
    e.Unauthenticated: _no(
        _S.UNAUTHORIZED,
        "unauthenticated",
        "Not authenticated",
        "Send one Authorization header: Bearer with a key or token, or tma with a Mini App's init data.",
    ),
    e.InitDataExpired: _no(
        _S.UNAUTHORIZED,
        "init_data_expired",
        "Init data expired",
        "Telegram signed this too long ago. Close the Mini App and open it again.",
    ),
    e.Forbidden: _no(
        _S.FORBIDDEN,
        "forbidden",
        "Not for this role",
        "Your credential is good, but its role does not allow this.",
    ),
    e.AccountMismatch: _no(
        _S.FORBIDDEN,
        "account_mismatch",
        "Another account",
        "The Telegram user that you name is not the one of your credential.",
    ),
    e.SessionTaken: _no(
        _S.CONFLICT,
        "session_taken",
        "Taken",
        "This session is another account's. Take another app_id.",
    ),
    e.SignatureInvalid: _no(
        _S.UNAUTHORIZED,
        "signature_invalid",
        "Signature invalid",
        "Sign again; the docs on callbacks have an example in your language, and python -m ops.sign_callback signs.",
    ),
    e.OutsideWindow: _no(
        _S.UNAUTHORIZED,
        "outside_window",
        "Too old or dated ahead",
        "Sign with the present time; check that your clock is right.",
    ),
    e.Replayed: _no(
        _S.CONFLICT, "replayed", "Came before", "This X-Request-Id was used. Sign anew, with a new one."
    ),
    e.AccountDiffers: _no(
        _S.CONFLICT,
        "account_differs",
        "Another account",
        "The account that was linked is not the one that the callback names.",
    ),
    e.LimitReached: _no(
        _S.TOO_MANY_REQUESTS,
        "limit_reached",
        "Too many tries",
        "This was done too often. Try again after retry_after seconds.",
    ),
    e.TooManyStreams: _no(
        _S.TOO_MANY_REQUESTS,
        "too_many_streams",
        "Too many streams",
        "Close some of your event streams first, or use the long poll.",
    ),
    e.SessionExpired: _no(
        _S.UNAUTHORIZED,
        "session_expired",
        "Session expired",
        "Open the page again to get a new session token.",
    ),
    e.TenantMismatch: _no(
        _S.FORBIDDEN, "tenant_mismatch", "Another tenant", "tenant_id is not the tenant of your credential."
    ),
    e.TicketUnknown: _no(
        _S.NOT_FOUND,
        "ticket_unknown",
        "Unknown ticket",
        "There is no such ticket, or it is too old. Start again.",
    ),
    e.SessionUnknown: _no(
        _S.NOT_FOUND, "session_unknown", "Unknown session", "Nobody has ever logged this session in."
    ),
    e.AppUnknown: _no(
        _S.NOT_FOUND,
        "app_unknown",
        "No app of its own",
        "This tenant has nothing of its own at Telegram: it uses the service's app.",
    ),
    c.InvalidApp: _no(
        _S.UNPROCESSABLE_ENTITY,
        "app_invalid",
        "Invalid app",
        "Give api_id and api_hash as Telegram shows them.",
    ),
    c.DishonestDevice: _no(
        _S.UNPROCESSABLE_ENTITY,
        "device_dishonest",
        "Passes for another",
        "Give your product's name, not that of Telegram's clients, of phones or of their systems.",
    ),
    c.InvalidProxy: _no(
        _S.UNPROCESSABLE_ENTITY, "proxy_invalid", "Invalid proxy", "Give socks5:// or http://, host and port."
    ),
    a.AppSealed: _no(
        _S.SERVICE_UNAVAILABLE,
        "app_sealed",
        "Cannot be opened",
        "The tenant's secrets cannot be opened with this keyring. Put the key back, or write the app anew.",
    ),
    e.WebhookUnknown: _no(
        _S.NOT_FOUND, "webhook_unknown", "Unknown webhook", "The tenant has no such webhook."
    ),
    e.DeliveryUnknown: _no(
        _S.NOT_FOUND,
        "delivery_unknown",
        "Unknown delivery",
        "The webhook has no such delivery. Settled ones are kept for a week.",
    ),
    e.DeliveryDue: _no(
        _S.CONFLICT, "delivery_due", "Delivery is due", "It is tried again without that. See its next_at."
    ),
    e.TooManyWebhooks: _no(
        _S.CONFLICT, "too_many_webhooks", "Too many webhooks", "A tenant has ten at most. Delete one first."
    ),
    InvalidWebhookUrl: _no(
        _S.UNPROCESSABLE_ENTITY,
        "webhook_url_invalid",
        "No URL for webhooks",
        "Give an https:// URL with a public address.",
    ),
    e.TransactionReused: _no(
        _S.UNPROCESSABLE_ENTITY,
        "txn_reused",
        "Transaction used before",
        "This txn_id or Idempotency-Key came with another body. Send a new one.",
    ),
    e.TransactionInWork: _no(
        _S.CONFLICT,
        "txn_in_work",
        "In work already",
        "This very request is being worked on, or got no answer. Ask again soon, or read where the login stands.",
    ),
    # the login
    e.AlreadyAuthorized: _no(
        _S.CONFLICT,
        "already_authorized",
        "Already linked",
        "The account is linked. Revoke it to link another.",
    ),
    AnotherLogin: _no(
        _S.CONFLICT, "ticket_superseded", "Superseded", "A newer login took this one's place. Use its ticket."
    ),
    Refused: _no(
        _S.CONFLICT,
        "out_of_turn",
        "Out of turn",
        "The session does not take this now. Read its status first.",
    ),
    e.PasswordInvalid: _no(
        _S.UNAUTHORIZED,
        "password_invalid",
        "Wrong password",
        "Telegram refused the cloud password. The login keeps its place; try again.",
    ),
    e.LoginEnded: _no(
        _S.GONE, "login_ended", "Login ended", "The login is over; reason says why. Start again."
    ),
    MustWait: _no(
        _S.TOO_MANY_REQUESTS, "flood_wait", "Telegram asks to wait", "Try again after retry_after seconds."
    ),
    e.FloodWait: _no(
        _S.TOO_MANY_REQUESTS, "flood_wait", "Telegram asks to wait", "Try again after retry_after seconds."
    ),
    e.UpstreamUnavailable: _no(
        _S.SERVICE_UNAVAILABLE,
        "upstream_unavailable",
        "Telegram does not answer",
        "The login goes on. Ask again after retry_after seconds.",
    ),
    # the session and the service
    a.MailboxFull: _no(
        _S.TOO_MANY_REQUESTS,
        "too_busy",
        "Too busy",
        "Too many requests wait for this session. Ask again soon.",
    ),
    a.NoAnswer: _no(
        _S.GATEWAY_TIMEOUT,
        "no_answer",
        "No answer in time",
        "The session may still carry the command out. Read its status before you repeat it.",
    ),
    a.Stopping: _no(_S.SERVICE_UNAVAILABLE, "stopping", "Stopping", "The service restarts. Ask again soon."),
    a.Crashed: _no(
        _S.SERVICE_UNAVAILABLE,
        "session_crashed",
        "The session failed",
        "It is being started again. Ask again soon.",
    ),
    a.Parked: _no(
        _S.SERVICE_UNAVAILABLE,
        "session_parked",
        "The session rests",
        "It failed too often, and is tried again after retry_after seconds.",
    ),
    a.NotOwner: _no(
        _S.SERVICE_UNAVAILABLE,
        "session_moving",
        "The session moves",
        "It goes from one node to another. Nothing was begun; ask again soon.",
    ),
    a.NotUnderstood: _no(
        _S.SERVICE_UNAVAILABLE,
        "nodes_differ",
        "The nodes differ",
        "The node that asked and the one that owns the session differ in release or keyring. Ask again later.",
    ),
    a.StoreUnavailable: _no(
        _S.SERVICE_UNAVAILABLE,
        "store_unavailable",
        "Store unavailable",
        "Nothing can be saved now. Ask again soon.",
    ),
    a.Unanswered: _no(_S.SERVICE_UNAVAILABLE, "unavailable", "No answer", "The session cannot answer now."),
    e.FeatureDisabled: _no(
        _S.SERVICE_UNAVAILABLE,
        "feature_disabled",
        "Switched off",
        "The operator switched this off: FEATURE_UNIFIED_SESSION_MANAGER.",
    ),
    e.NotReady: _no(_S.SERVICE_UNAVAILABLE, "not_ready", "Not ready", "The service does not take work now."),
    Exception: _no(
        _S.INTERNAL_SERVER_ERROR,
        "internal_error",
        "Internal error",
        "This is our fault. The request_id finds it in our log.",
    ),
}

CHALLENGES: Mapping[type[Exception], str] = {
    e.Unauthenticated: 'Bearer realm="usm"',
    e.SessionExpired: 'Bearer realm="usm", error="invalid_token"',
    e.InitDataExpired: 'tma realm="usm", error="expired"',
    e.SignatureInvalid: 'MiniappSignature realm="callback"',
    e.OutsideWindow: 'MiniappSignature realm="callback"',
    # the credential that is wrong here is the account holder's at Telegram, not the caller's
    e.PasswordInvalid: 'TelegramPassword realm="2fa"',
}
"""RFC 9110, 15.5.2: a 401 says which credential would do."""


async def answer(error: Exception) -> Response:
    """The problem that this error is, and a line in the log if nobody expected it."""
    problem = problem_for(error)
    if problem.status is HTTPStatus.INTERNAL_SERVER_ERROR:
        _log.error("request %s failed: %s at %s", _request_id(), type(error).__name__, _place(error))
    g.problem_code = problem.code
    wait = _retry_after(error)
    body = {
        "type": f"/docs/problems#{problem.code}",
        "title": problem.title,
        "status": problem.status.value,
        "code": problem.code,
        "detail": _detail(error, problem),
        "request_id": _request_id(),
        **({} if wait is None else {"retry_after": wait}),
        **_extensions(error),
    }
    return Response(
        json.dumps(body),
        status=problem.status.value,
        headers=_headers(error, wait),
        content_type=CONTENT_TYPE,
    )


def problem_for(error: Exception) -> Problem:
    """The row of the nearest class that has one."""
    return next(PROBLEMS[kind] for kind in type(error).__mro__ if kind in PROBLEMS)


def _request_id() -> str:
    request_id: str = g.get("request_id", "none")
    return request_id


def _place(error: Exception) -> str:
    """Where it was raised. The error's text and the traceback's values may be secret, so they are not logged."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"


def _detail(error: Exception, problem: Problem) -> str:
    match error:
        case InvalidName() | c.InvalidApp() | a.AppSealed() | InvalidWebhookUrl():
            return str(error)
        case e.Declined(detail=str(detail)):
            return detail
        case _:
            return problem.detail


def _retry_after(error: Exception) -> int | None:
    match error:
        case e.Declined() | a.Unanswered():
            return None if error.retry_after is None else seconds(error.retry_after)
        case MustWait():
            return seconds(error.retry_at - doors().clock.now())
        case _:
            return None


def _extensions(error: Exception) -> Mapping[str, Any]:
    match error:
        case e.Declined(extensions=extensions):
            return extensions
        case InvalidName(field=field) | c.InvalidApp(field=field):
            return {"field": field}
        case _:
            return {}


def _headers(error: Exception, wait: int | None) -> dict[str, str]:
    headers = {} if wait is None else {"Retry-After": str(wait)}
    if isinstance(error, w.MethodNotAllowed):
        headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
    challenge = CHALLENGES.get(type(error))
    if challenge is not None:
        headers["WWW-Authenticate"] = challenge
    return headers

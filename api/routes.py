"""The table of routes: what each takes, answers and refuses. The OpenAPI document is made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import BaseModel

from api import (
    bodies,
    event_replies,
    login_replies,
    queries,
    replies,
    session_replies,
    tenant_replies,
    webhook_replies,
)
from api.permissions import Access, Open, Permission

ADMITTED = ("unauthenticated", "session_expired", "init_data_expired", "forbidden", "store_unavailable")
"""What anybody may hear who has to show a credential."""

ROUTED = ("session_moving", "nodes_differ", "unavailable")
ASKED = (
    *ADMITTED,
    "feature_disabled",
    "stopping",
    *ROUTED,
)
READ = ("bad_json", "invalid_request", "too_large", "unsupported_media_type", "request_timeout")
WORKED = ("too_busy", "session_crashed", "session_parked", "no_answer", "upstream_unavailable", "flood_wait")
OPENED = ("ticket_unknown", "out_of_turn", "ticket_superseded")


@dataclass(frozen=True, slots=True)
class Header:
    """A header that a route reads, beside Authorization."""

    name: str
    description: str
    required: bool = False
    pattern: str | None = None


X_TICKET = Header(
    "X-Ticket", "The ticket, without a trace of it in the URL.", pattern="^[A-Za-z0-9_-]{1,128}$"
)
CURRENT = replace(X_TICKET, required=True)
IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    "The same key with the same body begins nothing twice; it is remembered for a day.",
    pattern="^[!#-\\[\\]-~]{1,128}$",
)
SIGNED = (
    Header("X-Miniapp-Signature", "v1=<hex>[,v1=<hex>]: HMAC-SHA256 of what is signed.", required=True),
    Header("X-Timestamp", "When it was signed, in seconds since the epoch.", required=True),
    Header("X-Request-Id", "A new UUID for each callback.", required=True),
    Header(
        "X-Key-Id", "Which key it is signed with, as python -m ops.sign_callback names it.", required=True
    ),
)
LAST_EVENT_ID = Header("Last-Event-ID", "The id of the event that the client has seen last.")
IF_NONE_MATCH = Header("If-None-Match", "The ETag of the answer that the client has.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. `reply` is a model, or the media type of an answer that is not JSON.

    `needs` says whom it lets in. What `begins` something wants init data that was signed a moment ago.
    """

    method: str
    path: str
    needs: Access
    name: str
    summary: str
    reply: type[BaseModel] | str | None
    body: type[bodies.Body] | None = None
    query: type[queries.Query] | None = None
    headers: tuple[Header, ...] = ()
    status: int = 200
    problems: tuple[str, ...] = ()
    begins: bool = False


STARTED = (
    *ASKED,
    *READ,
    *WORKED,
    "invalid_name",
    "tenant_mismatch",
    "account_mismatch",
    "session_taken",
    "already_authorized",
    "limit_reached",
    "txn_reused",
    "txn_in_work",
)


def _twins(route: Route) -> tuple[Route, Route]:
    """A route with a ticket in its path, and the same with the ticket in a header."""
    current = replace(
        route,
        path=route.path.replace("{ticket}", "current"),
        name=f"{route.name}Current",
        headers=(CURRENT, *route.headers),
        problems=(*route.problems, *(() if "invalid_request" in route.problems else ("invalid_request",))),
    )
    return route, current


LOGIN = (
    Route(
        method="GET",
        path="/api/v1/login/flows",
        needs=Permission.LOGINS,
        name="listFlows",
        summary="The ways to log in.",
        reply=login_replies.FlowsReply,
        problems=(*ADMITTED, "feature_disabled"),
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/qr",
        needs=Permission.LOGINS,
        name="startQrLogin",
        summary="Begin a login by QR, or show the live one again.",
        body=bodies.StartLoginBody,
        headers=(IDEMPOTENCY_KEY,),
        reply=login_replies.LoginReply,
        problems=STARTED,
        begins=True,
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/code",
        needs=Permission.LOGINS,
        name="startCodeLogin",
        summary="Begin a login by phone number and code, or change the number.",
        body=bodies.StartCodeBody,
        headers=(IDEMPOTENCY_KEY,),
        reply=login_replies.LoginReply,
        problems=STARTED,
        begins=True,
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/bot",
        needs=Permission.LOGINS,
        name="startBotLogin",
        summary="Log a bot in by its token.",
        body=bodies.StartBotBody,
        headers=(IDEMPOTENCY_KEY,),
        reply=login_replies.LoginReply,
        problems=STARTED,
        begins=True,
    ),
    *_twins(
        Route(
            method="GET",
            path="/api/v1/login/{ticket}",
            needs=Permission.LOGINS,
            name="readLogin",
            summary="Where a login stands; with wait, once that has changed.",
            query=queries.FollowQuery,
            reply=login_replies.LoginReply,
            problems=(*ASKED, "invalid_request", "ticket_unknown"),
        )
    ),
    *_twins(
        Route(
            method="POST",
            path="/api/v1/login/{ticket}/step",
            needs=Permission.LOGINS,
            name="submitStep",
            summary="Hand in what a person typed, or have the code sent again.",
            body=bodies.StepBody,
            reply=login_replies.LoginReply,
            problems=(
                *ASKED,
                *READ,
                *OPENED,
                "too_busy",
                "session_crashed",
                "session_parked",
                "no_answer",
                "txn_reused",
                "txn_in_work",
                "limit_reached",
            ),
        )
    ),
    *_twins(
        Route(
            method="DELETE",
            path="/api/v1/login/{ticket}",
            needs=Permission.LOGINS,
            name="deleteLogin",
            summary="Give a login up.",
            reply=login_replies.LoginReply,
            problems=(*ASKED, *OPENED, "too_busy", "session_crashed", "session_parked", "no_answer"),
        )
    ),
    *_twins(
        Route(
            method="GET",
            path="/api/v1/login/{ticket}/events",
            needs=Permission.LOGINS,
            name="followLogin",
            summary="Where a login stands, as server-sent events: step and, at the end, bye.",
            headers=(LAST_EVENT_ID,),
            reply="text/event-stream",
            problems=(*ASKED, "ticket_unknown", "too_many_streams"),
        )
    ),
)

TOKENS = (
    Route(
        method="POST",
        path="/api/v1/session",
        needs=Permission.TOKENS_ISSUE,
        name="issueToken",
        summary="A short session token for a page, in exchange for a credential that should not be on one.",
        body=bodies.IssueBody,
        reply=replies.TokenReply,
        problems=(*ADMITTED, *READ, "invalid_name", "tenant_mismatch", "account_mismatch"),
        begins=True,
    ),
)


def _commands(**summaries: str) -> tuple[Route, ...]:
    """A route for each command to a session, by its name."""
    return tuple(
        Route(
            method="POST",
            path=f"/api/v1/sessions/{{tenant_id}}/{{app_id}}/{name.removesuffix('Session')}",
            needs=Permission.SESSIONS_OPERATE,
            name=name,
            summary=summary,
            reply=session_replies.SessionReply,
            problems=(
                *ADMITTED,
                "invalid_name",
                "tenant_mismatch",
                "session_unknown",
                "out_of_turn",
                "too_busy",
                "session_crashed",
                "session_parked",
                "no_answer",
                "flood_wait",
                "stopping",
                *ROUTED,
            ),
        )
        for name, summary in summaries.items()
    )


SESSIONS = (
    Route(
        method="GET",
        path="/api/v1/sessions",
        needs=Permission.SESSIONS_READ,
        name="listSessions",
        summary="All sessions, in the order of their names.",
        query=queries.SessionsQuery,
        headers=(IF_NONE_MATCH,),
        reply=session_replies.SessionsReply,
        problems=(*ADMITTED, "invalid_request", "stopping", "unavailable"),
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{tenant_id}/{app_id}",
        needs=Permission.SESSIONS_READ,
        name="readSession",
        summary="How a session is.",
        headers=(IF_NONE_MATCH,),
        reply=session_replies.SessionReply,
        problems=(
            *ADMITTED,
            "invalid_name",
            "tenant_mismatch",
            "session_unknown",
            "stopping",
            *ROUTED,
        ),
    ),
    *_commands(
        startSession="Let a session run: a stopped one again, a sleeping one wakes, one in trouble tries at once.",
        stopSession="Disconnect a session and let it stay so, over restarts too, until it is started.",
        restartSession="Stop and start a session.",
        validateSession="Ask Telegram, over the session's own connection, whether it still knows the session.",
        revokeSession="Log a session out at Telegram, for good.",
    ),
)

EVENTS = (
    Route(
        method="GET",
        path="/api/v1/sessions/{tenant_id}/{app_id}/events",
        needs=Permission.EVENTS_READ,
        name="listEvents",
        summary="What happened to a session, newest first.",
        query=queries.HistoryQuery,
        reply=event_replies.EventsReply,
        problems=(
            *ADMITTED,
            "invalid_name",
            "invalid_request",
            "tenant_mismatch",
            "session_unknown",
            "unavailable",
        ),
    ),
    Route(
        method="GET",
        path="/api/v1/events",
        needs=Permission.EVENTS_READ,
        name="followEvents",
        summary="What happens to a tenant's sessions, as server-sent events: hello, session and, at the end, bye.",
        query=queries.EventsQuery,
        headers=(LAST_EVENT_ID,),
        reply="text/event-stream",
        problems=(
            *ADMITTED,
            "invalid_name",
            "invalid_request",
            "tenant_mismatch",
            "too_many_streams",
            "unavailable",
        ),
    ),
)

TREE = (
    Route(
        method="GET",
        path="/api/v1/tree",
        needs=Permission.TREE_READ,
        name="readTree",
        summary="What runs in this process, for operators.",
        reply="application/json",
        problems=ADMITTED,
    ),
)

MANAGED = (*ADMITTED, "invalid_name", "unavailable")

TENANTS = (
    Route(
        method="GET",
        path="/api/v1/tenants/{tenant_id}/app",
        needs=Permission.TENANTS_ADMIN,
        name="readApp",
        summary="What a tenant has of its own at Telegram, without its secrets.",
        reply=tenant_replies.AppReply,
        problems=(*MANAGED, "app_unknown", "app_sealed"),
    ),
    Route(
        method="PUT",
        path="/api/v1/tenants/{tenant_id}/app",
        needs=Permission.TENANTS_ADMIN,
        name="writeApp",
        summary="Give a tenant an app, a device name and a proxy of its own, for connections from now on.",
        body=bodies.AppBody,
        reply=tenant_replies.AppReply,
        problems=(*MANAGED, *READ, "app_invalid", "device_dishonest", "proxy_invalid"),
    ),
    Route(
        method="DELETE",
        path="/api/v1/tenants/{tenant_id}/app",
        needs=Permission.TENANTS_ADMIN,
        name="deleteApp",
        summary="Let a tenant use the service's app, for connections from now on.",
        status=204,
        reply=None,
        problems=(*MANAGED, "app_unknown"),
    ),
)

HOOKED = (*ADMITTED, "invalid_name", "tenant_mismatch", "unavailable")
_WEBHOOKS = "/api/v1/tenants/{tenant_id}/webhooks"
_WEBHOOK = f"{_WEBHOOKS}/{{webhook_id}}"

WEBHOOKS = (
    Route(
        method="GET",
        path=_WEBHOOKS,
        needs=Permission.WEBHOOKS,
        name="listWebhooks",
        summary="Where a tenant is told what happens to its sessions.",
        reply=webhook_replies.WebhooksReply,
        problems=HOOKED,
    ),
    Route(
        method="POST",
        path=_WEBHOOKS,
        needs=Permission.WEBHOOKS,
        name="addWebhook",
        summary="Be told what happens from now on; the answer has the secret, once.",
        body=bodies.NewWebhookBody,
        status=201,
        reply=webhook_replies.NewWebhookReply,
        problems=(*HOOKED, *READ, "webhook_url_invalid", "too_many_webhooks"),
    ),
    Route(
        method="GET",
        path=_WEBHOOK,
        needs=Permission.WEBHOOKS,
        name="readWebhook",
        summary="How a webhook is.",
        reply=webhook_replies.WebhookReply,
        problems=(*HOOKED, "webhook_unknown"),
    ),
    Route(
        method="PUT",
        path=_WEBHOOK,
        needs=Permission.WEBHOOKS,
        name="changeWebhook",
        summary="Change a webhook's URL or choice, disable it, or enable it again: it goes on where it had stopped.",
        body=bodies.WebhookBody,
        reply=webhook_replies.WebhookReply,
        problems=(*HOOKED, *READ, "webhook_unknown", "webhook_url_invalid"),
    ),
    Route(
        method="DELETE",
        path=_WEBHOOK,
        needs=Permission.WEBHOOKS,
        name="deleteWebhook",
        summary="Forget a webhook, and what it was yet to be told.",
        status=204,
        reply=None,
        problems=(*HOOKED, "webhook_unknown"),
    ),
    Route(
        method="POST",
        path=f"{_WEBHOOK}/rotate",
        needs=Permission.WEBHOOKS,
        name="rotateWebhook",
        summary="Get another secret; for a day the one before it signs too.",
        reply=webhook_replies.NewWebhookReply,
        problems=(*HOOKED, "webhook_unknown"),
    ),
    Route(
        method="POST",
        path=f"{_WEBHOOK}/ping",
        needs=Permission.WEBHOOKS,
        name="pingWebhook",
        summary="Have a test sent; its delivery shows how it went.",
        status=202,
        reply=webhook_replies.PingReply,
        problems=(*HOOKED, "webhook_unknown"),
    ),
    Route(
        method="GET",
        path=f"{_WEBHOOK}/deliveries",
        needs=Permission.WEBHOOKS,
        name="listDeliveries",
        summary="What a webhook was told, and is yet to be told.",
        query=queries.DeliveriesQuery,
        reply=webhook_replies.DeliveriesReply,
        problems=(*HOOKED, "invalid_request", "webhook_unknown"),
    ),
    Route(
        method="POST",
        path=f"{_WEBHOOK}/deliveries/{{message_id}}/resend",
        needs=Permission.WEBHOOKS,
        name="resendDelivery",
        summary="Have a delivery that is dead, or arrived, sent anew at once, under the same webhook-id.",
        status=202,
        reply=webhook_replies.ResendReply,
        problems=(*HOOKED, "webhook_unknown", "delivery_unknown", "delivery_due"),
    ),
    Route(
        method="POST",
        path=f"{_WEBHOOK}/recover",
        needs=Permission.WEBHOOKS,
        name="recoverWebhook",
        summary="Have everything that was given up since a moment sent anew, a thousand at a time.",
        body=bodies.RecoverBody,
        status=202,
        reply=webhook_replies.RecoverReply,
        problems=(*HOOKED, *READ, "webhook_unknown"),
    ),
)

QR = (
    Route(
        method="POST",
        path="/api/qr/start",
        needs=Permission.LOGINS,
        name="startQr",
        summary="Begin a login by QR, or show the live one again.",
        body=bodies.StartQrBody,
        headers=(IDEMPOTENCY_KEY,),
        reply=replies.StartQrReply,
        problems=(*STARTED, "login_ended"),
        begins=True,
    ),
    Route(
        method="POST",
        path="/api/qr/callback",
        needs=Open.SIGNATURE,
        name="confirmQr",
        summary="What a tenant's backend believes of a login, signed; the answer is what we know ourselves.",
        body=bodies.CallbackBody,
        headers=SIGNED,
        reply=replies.CallbackReply,
        problems=(
            *READ,
            "signature_invalid",
            "outside_window",
            "replayed",
            "ticket_unknown",
            "account_differs",
            "login_ended",
            "feature_disabled",
            "store_unavailable",
            "stopping",
            *ROUTED,
        ),
    ),
    Route(
        method="GET",
        path="/api/qr/status",
        needs=Permission.LOGINS,
        name="readQrStatus",
        summary="Where a login stands; with wait, once that has changed.",
        query=queries.StatusQuery,
        headers=(X_TICKET,),
        reply=replies.StatusReply,
        problems=(*ASKED, "invalid_request", "ticket_unknown"),
    ),
    Route(
        method="POST",
        path="/api/qr/password",
        needs=Permission.LOGINS,
        name="submitPassword",
        summary="Hand in the 2FA password.",
        body=bodies.PasswordBody,
        reply=replies.DoneReply,
        problems=(*ASKED, *READ, *WORKED, *OPENED, "password_invalid", "login_ended", "limit_reached"),
    ),
    Route(
        method="POST",
        path="/api/qr/cancel",
        needs=Permission.LOGINS,
        name="cancelLogin",
        summary="Give a login up.",
        body=bodies.CancelBody,
        reply=replies.DoneReply,
        problems=(*ASKED, *READ, *OPENED, "too_busy", "session_crashed", "session_parked", "no_answer"),
    ),
)

PAGES = (
    Route(
        method="GET",
        path="/",
        needs=Open.ANYBODY,
        name="home",
        summary="Leads to the page.",
        status=302,
        reply=None,
    ),
    Route(
        method="GET",
        path="/miniapp",
        needs=Open.ANYBODY,
        name="miniapp",
        summary="The page that links an account.",
        reply="text/html",
    ),
    Route(
        method="GET",
        path="/operator",
        needs=Open.ANYBODY,
        name="operatorPage",
        summary="The page of operators; what it shows, it asks for with the key that they type.",
        reply="text/html",
    ),
    Route(
        method="GET",
        path="/static/{name}",
        needs=Open.ANYBODY,
        name="staticFile",
        summary="The page's style, texts and modules.",
        reply="*/*",
        problems=("not_found",),
    ),
    Route(
        method="GET",
        path="/docs",
        needs=Open.ANYBODY,
        name="docs",
        summary="The routes, for people.",
        reply="text/html",
    ),
    Route(
        method="GET",
        path="/docs/problems",
        needs=Open.ANYBODY,
        name="docsProblems",
        summary="Every problem.",
        reply="text/html",
    ),
    Route(
        method="GET",
        path="/openapi.json",
        needs=Open.ANYBODY,
        name="openapi",
        summary="This document.",
        reply="application/json",
    ),
    Route(
        method="GET",
        path="/healthz",
        needs=Open.ANYBODY,
        name="healthz",
        summary="The process answers.",
        reply=replies.HealthReply,
    ),
    Route(
        method="GET",
        path="/readyz",
        needs=Open.ANYBODY,
        name="readyz",
        summary="The service takes work.",
        reply=replies.HealthReply,
        problems=("not_ready",),
    ),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Routes that belong together, as the documents list them."""

    name: str
    about: str
    routes: tuple[Route, ...]


GROUPS = (
    Group(
        "QR login",
        "The shortest way to link an account: show a QR, ask how it stands, hand in a password.",
        QR,
    ),
    Group(
        "Logins", "Every way to log in, as steps: look at a QR, type a code, type a password, done.", LOGIN
    ),
    Group("Short sessions", "A credential that may be on a page, for one that may not.", TOKENS),
    Group("Sessions", "What is logged in, whichever node has it, and what can be done with it.", SESSIONS),
    Group("Events", "What happened and what happens, out of the journal. Nothing is skipped.", EVENTS),
    Group("Webhooks", "The same events, brought to a tenant's own server and signed.", WEBHOOKS),
    Group("Tenants' apps", "What a tenant has of its own at Telegram.", TENANTS),
    Group("The process", "What runs here.", TREE),
    Group("Pages and probes", "What browsers and platforms open, without a credential.", PAGES),
)

ROUTES = tuple(route for group in GROUPS for route in group.routes)

"""The table of routes: what each takes, answers and refuses. The OpenAPI document is made from it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pydantic import BaseModel

from api import bodies, login_replies, replies, session_replies

ASKED = (
    "unauthenticated",
    "session_expired",
    "feature_disabled",
    "store_unavailable",
    "stopping",
    "unavailable",
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


X_TICKET = Header("X-Ticket", "The ticket, without a trace of it in the URL.")
CURRENT = replace(X_TICKET, required=True)
LAST_EVENT_ID = Header("Last-Event-ID", "The id of the event that the client has seen last.")
IF_NONE_MATCH = Header("If-None-Match", "The ETag of the answer that the client has.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation. `reply` is a model, or the media type of an answer that is not JSON."""

    method: str
    path: str
    name: str
    summary: str
    reply: type[BaseModel] | str | None
    body: type[BaseModel] | None = None
    query: type[BaseModel] | None = None
    headers: tuple[Header, ...] = ()
    status: int = 200
    problems: tuple[str, ...] = ()


STARTED = (*ASKED, *READ, *WORKED, "invalid_name", "tenant_mismatch", "already_authorized")


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
        name="listFlows",
        summary="The ways to log in.",
        reply=login_replies.FlowsReply,
        problems=ASKED[:3],
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/qr",
        name="startQrLogin",
        summary="Begin a login by QR, or show the live one again.",
        body=bodies.StartLoginBody,
        reply=login_replies.LoginReply,
        problems=STARTED,
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/code",
        name="startCodeLogin",
        summary="Begin a login by phone number and code, or change the number.",
        body=bodies.StartCodeBody,
        reply=login_replies.LoginReply,
        problems=STARTED,
    ),
    Route(
        method="POST",
        path="/api/v1/login/start/bot",
        name="startBotLogin",
        summary="Log a bot in by its token.",
        body=bodies.StartBotBody,
        reply=login_replies.LoginReply,
        problems=STARTED,
    ),
    *_twins(
        Route(
            method="GET",
            path="/api/v1/login/{ticket}",
            name="readLogin",
            summary="Where a login stands; with wait, once that has changed.",
            query=bodies.FollowQuery,
            reply=login_replies.LoginReply,
            problems=(*ASKED, "invalid_request", "ticket_unknown"),
        )
    ),
    *_twins(
        Route(
            method="POST",
            path="/api/v1/login/{ticket}/step",
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
            ),
        )
    ),
    *_twins(
        Route(
            method="DELETE",
            path="/api/v1/login/{ticket}",
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
            name="followLogin",
            summary="Where a login stands, as server-sent events: step and, at the end, bye.",
            headers=(LAST_EVENT_ID,),
            reply="text/event-stream",
            problems=(*ASKED, "ticket_unknown"),
        )
    ),
)

OPERATORS = (
    Route(
        method="GET",
        path="/api/v1/sessions",
        name="listSessions",
        summary="The sessions that run in this process.",
        query=bodies.SessionsQuery,
        reply=session_replies.SessionsReply,
        problems=(
            "unauthenticated",
            "session_expired",
            "invalid_request",
            "store_unavailable",
            "stopping",
            "unavailable",
        ),
    ),
    Route(
        method="GET",
        path="/api/v1/sessions/{tenant_id}/{app_id}",
        name="readSession",
        summary="How a session is.",
        headers=(IF_NONE_MATCH,),
        reply=session_replies.SessionReply,
        problems=(
            "unauthenticated",
            "session_expired",
            "invalid_name",
            "tenant_mismatch",
            "session_unknown",
            "store_unavailable",
            "stopping",
            "unavailable",
        ),
    ),
    Route(
        method="GET",
        path="/api/v1/tree",
        name="readTree",
        summary="What runs in this process, for operators.",
        reply="application/json",
        problems=("unauthenticated", "session_expired", "service_only"),
    ),
)

ROUTES = (
    Route(
        method="POST",
        path="/api/qr/start",
        name="startQr",
        summary="Begin a login by QR, or show the live one again.",
        body=bodies.StartQrBody,
        reply=replies.StartQrReply,
        problems=(
            *ASKED,
            *READ,
            *WORKED,
            "invalid_name",
            "tenant_mismatch",
            "already_authorized",
            "login_ended",
        ),
    ),
    Route(
        method="GET",
        path="/api/qr/status",
        name="readQrStatus",
        summary="Where a login stands; with wait, once that has changed.",
        query=bodies.StatusQuery,
        headers=(X_TICKET,),
        reply=replies.StatusReply,
        problems=(*ASKED, "invalid_request", "ticket_unknown"),
    ),
    Route(
        method="POST",
        path="/api/qr/password",
        name="submitPassword",
        summary="Hand in the 2FA password.",
        body=bodies.PasswordBody,
        reply=replies.DoneReply,
        problems=(*ASKED, *READ, *WORKED, *OPENED, "password_invalid", "login_ended"),
    ),
    Route(
        method="POST",
        path="/api/qr/cancel",
        name="cancelLogin",
        summary="Give a login up.",
        body=bodies.CancelBody,
        reply=replies.DoneReply,
        problems=(*ASKED, *READ, *OPENED, "too_busy", "session_crashed", "session_parked", "no_answer"),
    ),
    *LOGIN,
    *OPERATORS,
    Route(method="GET", path="/", name="home", summary="Leads to the page.", status=302, reply=None),
    Route(
        method="GET",
        path="/miniapp",
        name="miniapp",
        summary="The page that links an account.",
        reply="text/html",
    ),
    Route(
        method="GET",
        path="/static/{name}",
        name="staticFile",
        summary="The page's style, texts and modules.",
        reply="*/*",
        problems=("not_found",),
    ),
    Route(method="GET", path="/docs", name="docs", summary="The routes, for people.", reply="text/html"),
    Route(
        method="GET", path="/docs/problems", name="docsProblems", summary="Every problem.", reply="text/html"
    ),
    Route(
        method="GET", path="/openapi.json", name="openapi", summary="This document.", reply="application/json"
    ),
    Route(
        method="GET",
        path="/healthz",
        name="healthz",
        summary="The process answers.",
        reply=replies.HealthReply,
    ),
    Route(
        method="GET",
        path="/readyz",
        name="readyz",
        summary="The service takes work.",
        reply=replies.HealthReply,
        problems=("not_ready",),
    ),
)

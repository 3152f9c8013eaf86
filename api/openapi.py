"""The OpenAPI 3.1 document, put together from the table of routes and the models that the routes use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from api import bodies, replies
from api.problems import CONTENT_TYPE, PROBLEMS, Problem

ALWAYS = ("internal_error",)
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
    status: int = 200
    problems: tuple[str, ...] = ()


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


@cache
def document() -> dict[str, Any]:
    """The document. One value for all callers: do not change it."""
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UnifiedSessionManager",
            "version": version("unified-session-manager"),
            "summary": "Keeps Telegram user sessions logged in, for many tenants.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {"operationId": route.name, "summary": route.summary}
    if "unauthenticated" in route.problems:
        operation["security"] = [{"bearer": []}]
    parameters = [*_path_parameters(route), *_query_parameters(route)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {"required": True, "content": _json(_reference(route.body))}
    operation["responses"] = {str(route.status): _success(route), **_failures((*route.problems, *ALWAYS))}
    return operation


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    if "{name}" in route.path:
        yield {"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}


def _query_parameters(route: Route) -> Iterable[dict[str, Any]]:
    """Every parameter of ours is optional: the ticket may come as a header instead, and better does."""
    if route.query is not None:
        for name, schema in route.query.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": schema}
        yield {
            "name": "X-Ticket",
            "in": "header",
            "required": False,
            "description": "The ticket, without a trace of it in the URL.",
            "schema": {"type": "string"},
        }


def _success(route: Route) -> dict[str, Any]:
    match route.reply:
        case None:
            return {"description": route.summary}
        case str(media_type):
            return {"description": route.summary, "content": {media_type: {}}}
        case model:
            return {"description": model.__doc__ or route.summary, "content": _json(_reference(model))}


def _failures(codes: Iterable[str]) -> dict[str, Any]:
    """One response per status; which codes it may carry is in its description."""
    by_code = {problem.code: problem for problem in PROBLEMS.values()}
    by_status: dict[int, list[Problem]] = {}
    for code in codes:
        by_status.setdefault(by_code[code].status.value, []).append(by_code[code])
    return {
        str(status): {
            "description": ", ".join(problem.code for problem in problems),
            "content": {CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, problems in sorted(by_status.items())
    }


def _json(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _reference(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


def _schemas() -> dict[str, Any]:
    requests = [(route.body, "validation") for route in ROUTES if route.body is not None]
    answers = [
        (route.reply, "serialization")
        for route in ROUTES
        if route.reply is not None and not isinstance(route.reply, str)
    ]
    unique: Any = list(dict.fromkeys([*requests, *answers]))
    _, schemas = models_json_schema(unique, ref_template="#/components/schemas/{model}")
    return {**schemas["$defs"], "Problem": _problem_schema()}


def _problem_schema() -> dict[str, Any]:
    text = {"type": "string"}
    return {
        "type": "object",
        "description": "RFC 9457. Some codes add members of their own.",
        "required": ["type", "title", "status", "code", "detail", "request_id"],
        "properties": {
            "type": {"type": "string", "format": "uri-reference"},
            "title": text,
            "status": {"type": "integer"},
            "code": {"type": "string", "enum": sorted({problem.code for problem in PROBLEMS.values()})},
            "detail": text,
            "request_id": text,
            "retry_after": {"type": "integer", "minimum": 0},
        },
    }

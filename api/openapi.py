"""The OpenAPI 3.1 document, put together from the table of routes and the models that the routes use."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.metadata import version
from inspect import getdoc
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from actors.core.names import NAME_PATTERN
from api import examples
from api.permissions import Permission
from api.problems import CONTENT_TYPE, PROBLEMS, Problem
from api.routes import GROUPS, IF_NONE_MATCH, ROUTES, Group, Header, Route

ALWAYS = ("internal_error",)
NAMES = ("tenant_id", "app_id")


@cache
def document() -> dict[str, Any]:
    """The document. One value for all callers: do not change it."""
    paths: dict[str, dict[str, Any]] = {}
    for group in GROUPS:
        for route in group.routes:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, group)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UnifiedSessionManager",
            "version": version("unified-session-manager"),
            "summary": "Keeps Telegram user sessions logged in, for many tenants.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "tags": [{"name": group.name, "description": group.about} for group in GROUPS],
        "paths": paths,
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "tma": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "tma, a space, and the Mini App's initData",
                },
            },
        },
    }


def _operation(route: Route, group: Group) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.name,
        "tags": [group.name],
        "summary": route.summary,
    }
    if isinstance(route.needs, Permission):
        operation["security"] = [{"bearer": []}, {"tma": []}]
        operation["x-permission"] = route.needs.value
    parameters = [*_path_parameters(route), *_query_parameters(route), *map(_header, route.headers)]
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        sent = {"schema": _reference(route.body), "example": examples.body(route.body)}
        operation["requestBody"] = {"required": True, "content": {"application/json": sent}}
    operation["responses"] = {str(route.status): _success(route), **_failures((*route.problems, *ALWAYS))}
    if IF_NONE_MATCH in route.headers:
        operation["responses"]["304"] = {"description": "The answer is the one that the client has."}
    return operation


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"{(\w+)}", route.path):
        schema = {"type": "string"} | ({"pattern": f"^{NAME_PATTERN}$"} if name in NAMES else {})
        yield {"name": name, "in": "path", "required": True, "schema": schema}


def _query_parameters(route: Route) -> Iterable[dict[str, Any]]:
    """Every parameter of ours is optional."""
    if route.query is not None:
        for name, schema in route.query.model_json_schema()["properties"].items():
            yield {"name": name, "in": "query", "required": False, "schema": schema}


def _header(header: Header) -> dict[str, Any]:
    return {
        "name": header.name,
        "in": "header",
        "required": header.required,
        "description": header.description,
        "schema": {"type": "string"} | ({} if header.pattern is None else {"pattern": header.pattern}),
    }


def _success(route: Route) -> dict[str, Any]:
    match route.reply:
        case None:
            return {"description": route.summary}
        case str(media_type):
            return {"description": route.summary, "content": {media_type: {}}}
        case model:
            return {"description": getdoc(model) or route.summary, "content": _json(_reference(model))}


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

"""The routes as people read them: who may ask, what to send, what comes back, and how curl asks."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from http import HTTPStatus
from typing import Any

from api import examples, openapi
from api.permissions import GRANTS, Open, Permission, Role
from api.routes import GROUPS, Route

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a body, an answer, a query, a path or the head of a request."""

    name: str
    type: str
    about: str
    required: bool
    place: str = ""
    refers_to: str | None = None
    """The object that it is, or has."""


@dataclass(frozen=True, slots=True)
class No:
    """The problems of one status."""

    status: int
    phrase: str
    codes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One route."""

    route: Route
    who: tuple[str, ...]
    parameters: tuple[Member, ...]
    about_body: str
    body: tuple[Member, ...]
    about_answer: str
    answer: tuple[Member, ...]
    problems: tuple[No, ...]
    curl: str

    @property
    def short_path(self) -> str:
        """The path for narrow places, which tells it from all others."""
        path = re.sub("^/api(/v1)?", "", self.route.path).replace("{tenant_id}/{app_id}", "…")
        return re.sub("{(tenant|webhook|message)_id}", "…", path) or "/"


@dataclass(frozen=True, slots=True)
class Chapter:
    """One group of routes."""

    name: str
    about: str
    entries: tuple[Entry, ...]

    @property
    def anchor(self) -> str:
        """Where links to it lead."""
        return self.name.lower().replace(" ", "-").replace("'", "")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object that is part of answers."""

    name: str
    about: str
    members: tuple[Member, ...]


@cache
def things() -> tuple[Thing, ...]:
    """The objects that answers refer to, in the order in which they do."""
    found: dict[str, Thing] = {}
    todo = [member for chapter in chapters() for entry in chapter.entries for member in entry.answer]
    while todo:
        name = todo.pop(0).refers_to
        if name is not None and name not in found:
            schema = _named(name)
            found[name] = Thing(name, schema.get("description", ""), tuple(_members(schema)))
            todo += found[name].members
    return tuple(found.values())


@cache
def chapters() -> tuple[Chapter, ...]:
    """The whole manual."""
    return tuple(Chapter(group.name, group.about, tuple(map(_entry, group.routes))) for group in GROUPS)


def _entry(route: Route) -> Entry:
    operation = openapi.document()["paths"][route.path][route.method.lower()]
    sent = _content(operation.get("requestBody", {}))
    success = operation["responses"][str(route.status)]
    return Entry(
        route=route,
        who=_who(route),
        parameters=tuple(map(_parameter, operation.get("parameters", ()))),
        about_body=sent.get("description", ""),
        body=tuple(_members(sent)),
        about_answer=success["description"],
        answer=tuple(_members(_content(success))),
        problems=tuple(_problems(operation["responses"])),
        curl=examples.curl(route),
    )


def _who(route: Route) -> tuple[str, ...]:
    match route.needs:
        case Permission() as permission:
            return tuple(role for role in Role if permission in GRANTS[role])
        case Open.SIGNATURE:
            return ("whoever has the tenant's callback key",)
        case Open.ANYBODY:
            return ("anybody",)


def _parameter(parameter: Schema) -> Member:
    schema = parameter["schema"]
    about = parameter.get("description") or schema.get("description", "")
    return Member(parameter["name"], written(schema), about, parameter["required"], parameter["in"])


def _content(part: Schema) -> Schema:
    schema: Schema = part.get("content", {}).get("application/json", {}).get("schema", {})
    return _resolved(schema)


def _resolved(schema: Schema) -> Schema:
    return _named(_name_in(schema["$ref"])) if "$ref" in schema else schema


def _named(name: str) -> Schema:
    schema: Schema = openapi.document()["components"]["schemas"][name]
    return schema


def _name_in(reference: str) -> str:
    return reference.rsplit("/", 1)[1]


def _members(schema: Schema) -> Iterator[Member]:
    required = schema.get("required", ())
    for name, member in schema.get("properties", {}).items():
        yield Member(name, written(member), _about(member), name in required, refers_to=_object_in(member))


def _object_in(schema: Schema) -> str | None:
    """The object that a member is, may be, or has a list of."""
    match schema:
        case {"$ref": reference}:
            return None if "enum" in _resolved(schema) else _name_in(reference)
        case {"anyOf": kinds}:
            return next((name for kind in kinds if (name := _object_in(kind))), None)
        case {"items": items}:
            return _object_in(items)
        case _:
            return None


def _about(schema: Schema) -> str:
    own: str = schema.get("description", "")
    return own or next((_about(kind) for kind in schema.get("anyOf", ()) if _about(kind)), "")


def _problems(responses: Schema) -> Iterator[No]:
    for status, response in responses.items():
        if int(status) >= HTTPStatus.BAD_REQUEST:
            yield No(int(status), HTTPStatus(int(status)).phrase, tuple(response["description"].split(", ")))


def written(schema: Schema) -> str:
    """A JSON Schema in a few words: `string or null`, `list of EventReply`, `one of a, b`, `integer, 60 to 3600`."""
    match schema:
        case {"$ref": reference}:
            return _referred(reference)
        case {"anyOf": kinds}:
            return " or ".join(map(written, kinds))
        case {"enum": values}:
            return f"one of {', '.join(map(str, values))}"
        case {"const": value}:
            return f"always {value}"
        case {"type": "array", "items": items}:
            return f"list of {written(items)}"
        case {"type": kind}:
            return f"{kind}{_bounds(schema)}"
        case _:
            return "anything"


def _referred(reference: str) -> str:
    """Sets of words are told, objects are named."""
    schema = _named(_name_in(reference))
    return written(schema) if "enum" in schema else _name_in(reference)


def _bounds(schema: Schema) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    match least, most:
        case None, None:
            return ""
        case _, None:
            return f", at least {least}"
        case None, _:
            return f", at most {most}"
        case _:
            return f", {least} to {most}"

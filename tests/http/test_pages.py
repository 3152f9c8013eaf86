"""What browsers and probes get: the page with its files, the documents, and the headers of everything."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

import api
from actors.core.states import Reason
from api import bodies, examples, manual, openapi, routes
from api.doors import Readiness
from api.problems import PROBLEMS
from tests.http.conftest import World

STATIC = Path(api.__file__).parent / "static"
TEMPLATES = Path(api.__file__).parent / "templates"
LANGUAGES = ("en", "ru")
PAGES = ("/miniapp", "/operator", "/docs", "/docs/problems")
CODES = sorted({row.code for row in PROBLEMS.values()})


@dataclass(frozen=True, slots=True)
class Curled:
    """What curl would send, but for who asks."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


def curled(command: str) -> Curled:
    options = argparse.ArgumentParser()
    options.add_argument("url")
    options.add_argument("-X", dest="method", default="GET")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("--json")
    options.add_argument("-N", action="store_true")
    said = options.parse_args(shlex.split(command.replace("\\\n", " "))[1:])
    headers = dict(header.split(": ", 1) for header in said.headers)
    headers.pop("Authorization", None)
    body = None if said.json is None else said.json.encode()
    return Curled(said.method, said.url.removeprefix("$URL"), headers, body)


def _texts(language: str) -> dict[str, dict[str, str]]:
    texts: dict[str, dict[str, str]] = json.loads((STATIC / "texts" / f"{language}.json").read_text())
    return texts


def _sources() -> list[Path]:
    return [path for folder in (STATIC, TEMPLATES) for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    "path",
    ["/miniapp", "/docs", "/docs/problems", "/", "/healthz", "/openapi.json", "/static/main.js", "/nowhere"],
)
async def test_every_answer_forbids_what_the_page_does_not_need(world: World, path: str) -> None:
    headers = (await world.call("GET", path)).headers

    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors https://web.telegram.org https://*.telegram.org" in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert "x-frame-options" not in headers
    assert "set-cookie" not in headers


async def test_nobody_may_show_the_operators_page_in_a_frame(world: World) -> None:
    """It has buttons that log people out."""
    policy = (await world.call("GET", "/operator")).headers["content-security-policy"]

    assert policy.endswith("frame-ancestors 'none'")
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy


async def test_what_may_hold_secrets_is_stored_nowhere(world: World) -> None:
    ticket = await world.ticket()

    assert (await world.start()).headers["cache-control"] == "no-store"
    assert (await world.status(ticket)).headers["cache-control"] == "no-store"
    assert (await world.status("x")).headers["cache-control"] == "no-store"
    assert (await world.call("GET", "/static/main.js")).headers["cache-control"] == "no-cache"


async def test_the_root_leads_to_the_page(world: World) -> None:
    answer = await world.call("GET", "/")

    assert (answer.status, answer.headers["location"]) == (302, "/miniapp")


@pytest.mark.parametrize("path", PAGES)
async def test_every_page_says_that_it_is_a_sandbox_and_only_then(world: World, path: str) -> None:
    assert b"SANDBOX" in (await world.call("GET", path)).raw
    world.change(sandbox=False)

    assert b"SANDBOX" not in (await world.call("GET", path)).raw


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_holds_nothing_inline_and_loads_only_what_we_serve(world: World, path: str) -> None:
    page = (await world.call("GET", path)).raw.decode()

    assert "<style" not in page
    assert not re.search(r"\son\w+=|\sstyle=", page)
    assert not re.search(r"<script(?![^>]*\ssrc=)", page)
    for loaded in re.findall(r'(?:src|href)="([^"#]+)', page):
        assert (await world.call("GET", loaded)).status == 200, loaded


async def test_every_module_imports_only_modules_that_are_there(world: World) -> None:
    for module in STATIC.rglob("*.js"):
        for imported in re.findall(r'from "([^"]+)"', module.read_text()):
            assert imported.startswith("./")
            path = (module.parent / imported).relative_to(STATIC)
            answer = await world.call("GET", f"/static/{path}")
            assert (answer.status, answer.headers["content-type"]) == (200, "text/javascript; charset=utf-8")


@pytest.mark.parametrize("path", _sources(), ids=lambda path: path.name)
def test_no_file_of_the_page_names_an_address_outside(path: Path) -> None:
    text = path.read_text().replace("http://www.w3.org/2000/svg", "")

    assert not re.search(r"(?:https?|wss?|tg):|//\w+\.\w+", text)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|eval\(", text)


async def test_a_browser_is_not_sent_a_file_that_it_has(world: World) -> None:
    first = await world.call("GET", "/static/main.js")
    again = await world.call("GET", "/static/main.js", headers={"If-None-Match": first.headers["etag"]})

    assert (first.raw, again.status, again.raw) == ((STATIC / "main.js").read_bytes(), 304, b"")


async def test_no_file_outside_of_the_folder_is_served(world: World) -> None:
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd"):
        assert (await world.call("GET", path)).code == "not_found"


def test_both_languages_have_the_same_sentences_with_the_same_gaps() -> None:
    english, russian = (_texts(language) for language in LANGUAGES)

    for part in ("ui", "problems", "reasons"):
        assert english[part].keys() == russian[part].keys()
        for name, sentence in english[part].items():
            gaps = set(re.findall(r"\{\w+\}", sentence))
            assert gaps == set(re.findall(r"\{\w+\}", russian[part][name])), name
    assert english["plurals"].keys() == russian["plurals"].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_and_every_reason_has_a_sentence_and_no_sentence_is_left_over(language: str) -> None:
    texts = _texts(language)

    assert texts["problems"].keys() == {*CODES, "network"}
    assert texts["reasons"].keys() == set(Reason)


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_sentence_that_the_page_asks_for_is_there_and_no_other(language: str) -> None:
    sources = "".join(path.read_text() for path in (*STATIC.glob("*.js"), TEMPLATES / "miniapp.html"))
    asked = set(re.findall(r'data-(?:text|alt)="(\w+)"', sources)) | set(re.findall(r'ui\("(\w+)"', sources))
    asked |= set(re.findall(r'"((?:done|code_sent)_\w+)"', sources))

    assert asked == _texts(language)["ui"].keys()


async def test_the_page_is_small(world: World) -> None:
    sizes = [
        len((await world.call("GET", f"/static/{path.relative_to(STATIC)}")).raw)
        for path in STATIC.rglob("*.*")
        if path.name != "docs.css" and path.parent.name != "operator"
    ]

    assert sum(sizes) < 60_000


async def test_the_process_is_healthy_even_when_it_is_not_ready(world: World) -> None:
    assert (await world.call("GET", "/readyz")).json == {"status": "ready", "environment": "sandbox"}
    world.change(ready=lambda: Readiness(ready=False, text="PostgreSQL does not answer"))

    ready = await world.call("GET", "/readyz")

    assert (ready.status, ready.code, ready.json["detail"]) == (
        503,
        "not_ready",
        "PostgreSQL does not answer",
    )
    assert (await world.call("GET", "/healthz")).json == {"status": "ok", "environment": "sandbox"}


async def test_pages_and_probes_need_no_credential_and_work_while_the_feature_is_off(world: World) -> None:
    world.change(feature_enabled=False)
    for path in (*PAGES, "/healthz", "/readyz", "/openapi.json"):
        assert (await world.call("GET", path, headers={"Authorization": ""})).status == 200


def test_the_document_has_every_route_and_no_other() -> None:
    documented = {(route.method, route.path) for route in routes.ROUTES}
    paths = openapi.document()["paths"]

    assert documented == {
        (method.upper(), path) for path, operations in paths.items() for method in operations
    }


async def test_every_route_of_the_app_is_in_the_document_and_the_other_way_round(world: World) -> None:
    served = {
        (method, re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule))
        for rule in world.app.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }

    assert served == {(route.method, route.path) for route in routes.ROUTES}


async def test_the_document_holds_together(world: World) -> None:
    document = (await world.call("GET", "/openapi.json")).json

    names = [operation["operationId"] for path in document["paths"].values() for operation in path.values()]
    assert len(names) == len(set(names))
    for reference in re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(document)):
        assert reference in document["components"]["schemas"]
    assert document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"] == CODES
    body = document["components"]["schemas"]["StartQrBody"]
    assert body["properties"]["tenant_id"]["pattern"] == "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


async def test_answers_have_exactly_the_documented_members(world: World) -> None:
    schemas = openapi.document()["components"]["schemas"]
    ticket = await world.ticket()

    assert (await world.start()).json.keys() == schemas["StartQrReply"]["properties"].keys()
    assert (await world.status(ticket)).json.keys() == schemas["StatusReply"]["properties"].keys()


async def test_the_type_of_every_problem_leads_to_its_explanation(world: World) -> None:
    page = (await world.call("GET", "/docs/problems")).raw.decode()

    for code in CODES:
        assert f'id="{code}"' in page


@pytest.mark.parametrize("route", [route for route in routes.ROUTES if route.body], ids=lambda one: one.name)
def test_every_example_of_a_body_is_lawful(route: routes.Route) -> None:
    assert route.body is not None
    example = json.dumps(examples.body(route.body)).encode()

    assert isinstance(bodies.parse(route.body, example), route.body)


# A stream has no end.
@pytest.mark.parametrize(
    "route", [one for one in routes.ROUTES if one.reply != "text/event-stream"], ids=lambda one: one.name
)
async def test_every_example_of_curl_gets_past_the_door(world: World, route: routes.Route) -> None:
    """Most of them are then told that there is no such session or login, which is as far as they should get."""
    asked = curled(examples.curl(route).replace("$WEBHOOK_ID", "abcdefghijkl").replace("$TICKET", "x" * 43))

    answer = await world.call(asked.method, asked.path, headers=asked.headers, raw=asked.body)

    assert (asked.method, answer.status < 500) == (route.method, True)
    assert answer.status < 400 or answer.code not in (
        "bad_json",
        "invalid_request",
        "invalid_name",
        "not_found",
        "method_not_allowed",
    )


async def test_the_manual_has_every_route_who_may_ask_and_what_each_answer_is_made_of(world: World) -> None:
    page = (await world.call("GET", "/docs")).raw.decode()

    anchors = re.findall(r'id="([^"]+)"', page)
    assert len(anchors) == len(set(anchors))
    assert {route.name for route in routes.ROUTES} <= set(anchors)
    assert set(re.findall(r'href="#([^"]+)"', page)) <= set(anchors)
    assert "For service, admin, operator, tenant, page<" in page
    assert len({entry.short_path for chapter in manual.chapters() for entry in chapter.entries}) == len(
        {route.path for route in routes.ROUTES}
    )


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "string"}, "string"),
        ({"type": "integer", "minimum": 60, "maximum": 3600}, "integer, 60 to 3600"),
        ({"type": "integer", "minimum": 1}, "integer, at least 1"),
        ({"anyOf": [{"type": "number"}, {"type": "null"}]}, "number or null"),
        ({"type": "array", "items": {"$ref": "#/components/schemas/EventReply"}}, "list of EventReply"),
        ({"$ref": "#/components/schemas/WebhookStatus"}, "one of enabled, disabled, failed"),
        ({"const": "success", "type": "string"}, "always success"),
        ({}, "anything"),
    ],
)
def test_a_schema_is_told_in_a_few_words(schema: dict[str, object], words: str) -> None:
    assert manual.written(schema) == words

"""The committed document is the one that the service serves."""

from __future__ import annotations

import json

from openapi_spec_validator import OpenAPIV31SpecValidator

from ops.openapi import FILE, text
from tests.http.conftest import World


def test_the_committed_document_is_the_present_one() -> None:
    assert FILE.read_text(encoding="utf-8") == text(), "run: python -m ops.openapi"


async def test_the_service_serves_that_document(world: World) -> None:
    assert (await world.call("GET", "/openapi.json")).json == json.loads(text())


def test_the_document_is_valid_openapi() -> None:
    assert json.loads(text())["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(json.loads(text())).validate()

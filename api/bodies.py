"""JSON and query strings, met once and turned into typed values.

Unknown fields are refused, not ignored: a client that misspells a field should hear of it.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, NoReturn, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, ValidationError
from pydantic_core import ErrorDetails, core_schema
from quart import request
from werkzeug.exceptions import UnsupportedMediaType

from actors.core.names import NAME_PATTERN
from actors.core.secret import Secret
from api.errors import BadJson, InvalidRequest

LONGEST_BODY = 16 * 1024
LONGEST_WAIT = 25

Name = Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})]


def _secret(longest: int) -> GetPydanticSchema:
    text = core_schema.str_schema(strict=True, min_length=1, max_length=longest)
    return GetPydanticSchema(lambda _, __: core_schema.no_info_after_validator_function(Secret, text))


TicketText = Annotated[Secret, _secret(128)]
Password = Annotated[Secret, _secret(1024), Field(description="The account's Telegram cloud password.")]


class Body(BaseModel):
    """What all requests have in common."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class StartQrBody(Body):
    """Which session to log in. Names are letters, digits, '_' and '-', at most 64."""

    tenant_id: Name
    app_id: Name


class PasswordBody(Body):
    """The 2FA password for a login that asks for it."""

    ticket: TicketText
    password: Password


class CancelBody(Body):
    """Which login to give up."""

    ticket: TicketText


class StatusQuery(Body):
    """The parameters of GET /api/qr/status. They arrive as text, hence not strict."""

    model_config = ConfigDict(strict=False)

    ticket: Annotated[
        TicketText | None, Field(description="What POST /api/qr/start answered, unless sent as X-Ticket.")
    ] = None
    wait: Annotated[
        int, Field(ge=0, le=LONGEST_WAIT, description="Seconds to wait for a change before answering.")
    ] = 0
    since: Annotated[
        int | None,
        Field(ge=0, description="The `sequence` that the client knows; a newer one is answered at once."),
    ] = None


AnyBody = TypeVar("AnyBody", bound=Body)


async def read(model: type[AnyBody]) -> AnyBody:
    """The request's body. Raises BadJson, InvalidRequest, and Quart's errors of size, type and patience."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    raw = await request.get_data(cache=False, as_text=False, parse_form_data=False)
    return _checked(model, _parsed(raw))


def read_query(model: type[AnyBody]) -> AnyBody:
    """The request's query string. Raises InvalidRequest."""
    values = request.args.to_dict(flat=False)
    repeated = sorted(name for name in values.keys() & model.model_fields if len(values[name]) > 1)
    if repeated:
        raise InvalidRequest(errors=[{"field": name, "message": "Given more than once"} for name in repeated])
    return _checked(model, {name: texts[0] for name, texts in values.items()})


def _checked(model: type[AnyBody], values: Any) -> AnyBody:
    try:
        return model.model_validate(values)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
    raise InvalidRequest(errors=[_fault(model, fault) for fault in faults])


def _fault(model: type[Body], fault: ErrorDetails) -> dict[str, str]:
    """Name only our own fields: the name of an unknown one is the client's input."""
    field = next((str(part) for part in fault["loc"] if part in model.model_fields), "")
    return {"field": field, "message": fault["msg"]}


def _parsed(raw: bytes) -> Any:
    try:
        value = json.loads(raw.decode(), object_pairs_hook=_without_repetition, parse_constant=_no_constant)
        # A lone surrogate is a str that no encoder takes: it would fail much later, and not as our answer.
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise BadJson from None
    if not isinstance(value, dict):
        raise BadJson
    return value


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON readers differ in which of two equal names they take, so a signed or logged body could lie."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise BadJson("The body names a member twice.")
    return found


def _no_constant(_: str) -> NoReturn:
    raise BadJson("The body holds NaN or Infinity, which are not JSON.")

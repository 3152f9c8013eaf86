"""JSON bodies, met once and turned into typed values.

Unknown fields are refused, not ignored: a client that misspells a field should hear of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, NoReturn, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, GetPydanticSchema, ValidationError, model_validator
from pydantic.config import JsonDict
from pydantic_core import ErrorDetails, PydanticCustomError, core_schema
from quart import request
from werkzeug.exceptions import UnsupportedMediaType

from actors.core.app import OwnApp, Proxy
from actors.core.names import NAME_PATTERN
from actors.core.secret import Secret
from actors.core.states import SessionState
from actors.ports import Wanted
from api.errors import BadJson, InvalidRequest

LONGEST_BODY = 16 * 1024
_LARGEST_EXACT = 1 << 53
_LATEST = 100_000_000_000

Name = Annotated[str, Field(json_schema_extra={"pattern": f"^{NAME_PATTERN}$"})]


AppName = Annotated[str, Field(pattern=f"^{NAME_PATTERN}$")]
_STATES = [state.value for state in SessionState]
StateName = Annotated[str, GetPydanticSchema(lambda _, __: core_schema.literal_schema(_STATES))]
MOST_APPS = 100
MOST_STATES = len(_STATES)


def wanted(apps: list[str] | None, states: list[str] | None) -> Wanted:
    """The choice that these lists make; None is everything."""
    return Wanted(None if apps is None else tuple(apps), None if states is None else tuple(states))


def _secret(
    longest: int, make: Callable[[str], Secret] = Secret, written: str | None = None
) -> GetPydanticSchema:
    """A secret of a length; `written` is for the document only, the sentence to a person comes from `make`."""
    extra = {} if written is None else {"pattern": written}
    text = core_schema.str_schema(
        strict=True,
        min_length=1,
        max_length=longest,
        metadata={"pydantic_js_extra": extra},
    )
    return GetPydanticSchema(lambda _, __: core_schema.no_info_after_validator_function(make, text))


TicketText = Annotated[Secret, _secret(128)]
Password = Annotated[Secret, _secret(1024), Field(description="The account's Telegram cloud password.")]


_PHONE = re.compile(r"\+[0-9]{7,15}")
_BOT_TOKEN = re.compile(r"[0-9]{3,16}:[A-Za-z0-9_-]{20,64}")


def _phone(text: str) -> Secret:
    """A number in E.164, freed of the spaces and dashes that people type."""
    number = text.translate({ord(" "): None, ord("-"): None})
    if not _PHONE.fullmatch(number):
        raise PydanticCustomError("phone", "Should be '+' and 7 to 15 digits, country code first")
    return Secret(number)


def _bot_token(text: str) -> Secret:
    if not _BOT_TOKEN.fullmatch(text):
        raise PydanticCustomError("bot_token", "Should be the bot's id, a colon and the token's secret half")
    return Secret(text)


Phone = Annotated[
    Secret, _secret(32, _phone, r"^\+[0-9]{7,15}$"), Field(description="The account's number, in E.164.")
]
BotToken = Annotated[
    Secret,
    _secret(96, _bot_token, r"^[0-9]{3,16}:[A-Za-z0-9_-]{20,64}$"),
    Field(description="What @BotFather gave."),
]
Code = Annotated[Secret, _secret(64), Field(description="The login code that Telegram sent.")]
ApiHash = Annotated[Secret, _secret(128)]
ProxyUrl = Annotated[Secret, _secret(2048)]
DeviceText = Annotated[str, Field(description="As account holders read it in Telegram's Devices.")]
TransactionId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]


class Body(BaseModel):
    """What all requests have in common."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, hide_input_in_errors=True)


class StartQrBody(Body):
    """Which session to log in. Names are letters, digits, '_' and '-', at most 64."""

    tenant_id: Name
    app_id: Name


class StartLoginBody(StartQrBody):
    """Which session to log in, and if it matters as which account."""

    expected_telegram_user_id: Annotated[int | None, Field(gt=0, lt=1 << 63)] = None


class StartCodeBody(StartLoginBody):
    """Which session to log in, and with which phone number."""

    phone: Phone


class StartBotBody(StartLoginBody):
    """Which session to log in, and as which bot."""

    bot_token: BotToken


def _only(name: str) -> JsonDict:
    """What the document says of a step of this type: the member of that name must be there, and no other."""
    members: JsonDict = {other: {"type": "null"} for other in ("code", "password", "action")}
    return {
        "properties": members | {"type": {"const": name}, name: {"type": "string"}},
        "required": [name],
    }


class StepBody(Body):
    """What a person typed, or asks for: `type` names the one other member that must be there.

    The same txn_id with the same body is answered as before and never done twice.
    """

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [_only(name) for name in ("code", "password", "action")]}
    )

    txn_id: TransactionId
    type: Literal["code", "password", "action"]
    code: Code | None = None
    password: Password | None = None
    action: Literal["resend"] | None = None

    @model_validator(mode="after")
    def _holds_what_it_says(self) -> Self:
        given = [name for name in ("code", "password", "action") if getattr(self, name) is not None]
        if given != [self.type]:
            raise PydanticCustomError("step", "Send the member that type names, and no other of the three")
        return self

    def parts(self) -> list[str | None]:
        """Everything that one such request may differ in from another, in clear: to be hashed."""
        typed = self.code or self.password
        return [self.type, None if typed is None else typed.reveal()]


class PasswordBody(Body):
    """The 2FA password for a login that asks for it."""

    ticket: TicketText
    password: Password


class CallbackBody(Body):
    """What a tenant's backend believes of a login. Nothing comes of it but an answer."""

    ticket: TicketText
    tg_user_id: Annotated[int, Field(gt=0, lt=1 << 63)]
    two_fa_required: bool


class IssueBody(Body):
    """For whom the token shall be. A caller of one tenant, or of one account, need not say so again."""

    tenant_id: Name | None = None
    telegram_user_id: Annotated[
        int | None,
        Field(gt=0, lt=1 << 63, description="If given: good for nothing but this account's own logins."),
    ] = None
    ttl: Annotated[int, Field(ge=60, le=3600, description="Seconds.")] = 3600


class CancelBody(Body):
    """Which login to give up."""

    ticket: TicketText


class AppBody(Body):
    """What a tenant shall have of its own at Telegram, in full: what is left out, the service's is used.

    `proxy` has to be said, if only as null, so that nobody forgets it and connects directly.
    """

    proxy: Annotated[
        ProxyUrl | None,
        Field(description="socks5:// or http://, then [user:password@]host:port; null: connect directly."),
    ]
    api_id: Annotated[int | None, Field(description="Of the app, from https://my.telegram.org.")] = None
    api_hash: Annotated[ApiHash | None, Field(description="Goes with api_id; never shown again.")] = None
    device_model: DeviceText | None = None
    system_version: DeviceText | None = None
    app_version: DeviceText | None = None

    def own_app(self) -> OwnApp:
        """The same, checked. Raises InvalidApp."""
        return OwnApp(
            self.api_id,
            self.api_hash,
            None if self.proxy is None else Proxy.parse(self.proxy),
            self.device_model,
            self.system_version,
            self.app_version,
        )


WebhookUrl = Annotated[str, Field(max_length=2048, description="https://, and a public address.")]


class NewWebhookBody(Body):
    """Where to tell what happens, and of what; what is left out or null is all."""

    url: WebhookUrl
    apps: Annotated[
        list[AppName] | None,
        Field(min_length=1, max_length=MOST_APPS, description="Tell of these apps only; null: of all."),
    ] = None
    states: Annotated[
        list[StateName] | None,
        Field(
            min_length=1,
            max_length=MOST_STATES,
            description="Tell only of what leads into one of these states; null: into any.",
        ),
    ] = None

    def wanted(self) -> Wanted:
        """What it shall be told of."""
        return wanted(self.apps, self.states)


class WebhookBody(NewWebhookBody):
    """Where to tell what happens, of what, and whether to; in full: what is left out or null is all."""

    enabled: bool


class RecoverBody(Body):
    """What to send anew: everything that was given up since a moment."""

    since: Annotated[
        float, Field(ge=0, lt=_LATEST, description="Seconds since the epoch: what was given up from then on.")
    ]


AnyBody = TypeVar("AnyBody", bound=Body)


async def read(model: type[AnyBody]) -> AnyBody:
    """The request's body. Raises BadJson, InvalidRequest, and Quart's errors of size, type and patience."""
    return parse(model, await read_raw())


async def read_raw() -> bytes:
    """The request's body as it came. Raises Quart's errors of size, type and patience."""
    if request.mimetype != "application/json":
        raise UnsupportedMediaType
    return await request.get_data(cache=False, as_text=False, parse_form_data=False)


def parse(model: type[AnyBody], raw: bytes) -> AnyBody:
    """What is in a body. Raises BadJson and InvalidRequest."""
    return checked(model, _parsed(raw))


def checked(model: type[AnyBody], values: Any) -> AnyBody:
    """The model that these values make. Raises InvalidRequest, which names our own fields and no value."""
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
        value = json.loads(
            raw.decode(),
            object_pairs_hook=_without_repetition,
            parse_constant=_no_constant,
            parse_float=_number,
        )
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


def _number(text: str) -> int | float:
    """To JSON, and so to JSON Schema, 5.0 is an integer like 5."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number


def _no_constant(_: str) -> NoReturn:
    raise BadJson("The body holds NaN or Infinity, which are not JSON.")

"""Query strings, met once and turned into typed values. Every parameter of ours is optional."""

from __future__ import annotations

from typing import Annotated, Literal, TypeVar

from pydantic import ConfigDict, Field
from quart import request

from actors.core.names import NAME_PATTERN
from actors.ports import Wanted
from actors.webhooks import DeliveryPlace
from api.bodies import MOST_APPS, MOST_STATES, AppName, Body, Name, StateName, TicketText, checked, wanted
from api.errors import InvalidRequest

LONGEST_WAIT = 25
LONGEST_LIST = 200
MANY = (list[AppName] | None, list[StateName] | None)
"""Of what a query may name several."""


class Query(Body):
    """What all query strings have in common: they arrive as text, hence they are not strict."""

    model_config = ConfigDict(strict=False)


class DeliveriesQuery(Query):
    """Which part of a long list."""

    limit: Annotated[int, Field(ge=1, le=LONGEST_LIST, description="How many at most.")] = 50
    status: Annotated[
        Literal["due", "delivered", "dead"] | None, Field(description="Only those that are so.")
    ] = None
    cursor: Annotated[
        str | None,
        Field(
            pattern=r"^[0-9]{1,16}\.[0-9]{1,18}\.[A-Za-z0-9_-]{1,128}$",
            description="The `next_cursor` of the answer before.",
        ),
    ] = None

    def before(self) -> DeliveryPlace | None:
        """The place at which the answer before ended."""
        if self.cursor is None:
            return None
        at, seq, message_id = self.cursor.split(".")
        return DeliveryPlace(int(at), int(seq), message_id)


class FollowQuery(Query):
    """Whether to wait for news."""

    wait: Annotated[
        int, Field(ge=0, le=LONGEST_WAIT, description="Seconds to wait for a change before answering.")
    ] = 0
    since: Annotated[
        int | None,
        Field(ge=0, description="The `sequence` that the client knows; a newer one is answered at once."),
    ] = None


class SessionsQuery(Query):
    """Which part of a long list."""

    limit: Annotated[int, Field(ge=1, le=LONGEST_LIST, description="How many at most.")] = 50
    cursor: Annotated[
        str | None,
        Field(
            pattern=f"^{NAME_PATTERN}/{NAME_PATTERN}$", description="The `next_cursor` of the answer before."
        ),
    ] = None


class HistoryQuery(Query):
    """Which part of a session's history."""

    limit: Annotated[int, Field(ge=1, le=LONGEST_LIST, description="How many at most.")] = 50
    cursor: Annotated[
        int | None, Field(ge=1, lt=1 << 63, description="The `next_cursor` of the answer before.")
    ] = None


class EventsQuery(Query):
    """Whose events, which, and from where on."""

    tenant: Annotated[
        Name | None, Field(description="Whose; needed where the credential is no tenant's.")
    ] = None
    after: Annotated[
        int | None,
        Field(
            ge=0, lt=1 << 63, description="The id after which to begin; without it, with what happens now."
        ),
    ] = None
    app: Annotated[
        list[AppName] | None,
        Field(max_length=MOST_APPS, description="Of these apps only; may be given more than once."),
    ] = None
    state: Annotated[
        list[StateName] | None,
        Field(
            max_length=MOST_STATES,
            description="Only what led into one of these states; may be given more than once.",
        ),
    ] = None

    def wanted(self) -> Wanted:
        """Which of the events."""
        return wanted(self.app, self.state)


class StatusQuery(FollowQuery):
    """The parameters of GET /api/qr/status."""

    ticket: Annotated[
        TicketText | None, Field(description="What POST /api/qr/start answered, unless sent as X-Ticket.")
    ] = None


AnyQuery = TypeVar("AnyQuery", bound=Query)


def read(model: type[AnyQuery]) -> AnyQuery:
    """The request's query string. Raises InvalidRequest."""
    values = request.args.to_dict(flat=False)
    many = {name for name, field in model.model_fields.items() if field.annotation in MANY}
    known = values.keys() & model.model_fields
    repeated = sorted(name for name in known - many if len(values[name]) > 1)
    if repeated:
        raise InvalidRequest(errors=[{"field": name, "message": "Given more than once"} for name in repeated])
    return checked(model, {name: texts if name in many else texts[0] for name, texts in values.items()})

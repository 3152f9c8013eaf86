"""Idempotency-Key: how a client repeats a start without starting twice, after draft-ietf-httpapi-idempotency-key.

What is answered to a repetition is the same login as it stands by then: the first answer held a ticket and a QR,
which are kept nowhere.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from quart import request

from actors.core.secret import Secret
from api.bodies import Body
from api.caller import Caller
from api.errors import InvalidRequest
from api.once import DAY, Transaction

_KEY = re.compile(r'"?([\x21\x23-\x5b\x5d-\x7e]{1,128})"?', re.ASCII)
"""A string of structured fields (RFC 8941), in which we take no escapes; most clients leave the quotes out."""


def repeatable(caller: Caller, body: Body) -> Transaction | None:
    """The transaction that the present request is, if its client has named it. Raises InvalidRequest."""
    given = request.headers.getlist("Idempotency-Key")
    if not given:
        return None
    key = _KEY.fullmatch(given[0])
    if key is None or len(given) > 1:
        fault = {"field": "Idempotency-Key", "message": "Should be one, of 1 to 128 visible characters"}
        raise InvalidRequest(errors=[fault])
    scope = Secret(f"{request.method} {request.path} {caller.name}")
    return Transaction(scope, key[1], [json.dumps(_clear(body), sort_keys=True)], DAY)


def _clear(body: Body) -> Mapping[str, object]:
    """Every member in clear: to be hashed."""
    values = ((name, getattr(body, name)) for name in type(body).model_fields)
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in values}

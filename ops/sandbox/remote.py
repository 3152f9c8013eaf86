"""How another process asks the control interface."""

import http.client
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from ops.sandbox.description import SandboxDescription

_PATIENCE = 10.0
_NOT_FOUND = 404
_FIRST_REFUSAL = 400


def ask(
    description: SandboxDescription,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
    *,
    patience: float = _PATIENCE,
) -> Any:
    """The JSON that the control interface answers within `patience` seconds.

    LookupError for what the sandbox does not have, ValueError for what it refuses, OSError when nobody answers.
    """
    place = urlsplit(description.control_url).netloc
    connection = http.client.HTTPConnection(place, timeout=patience)
    try:
        headers = {"Authorization": f"Bearer {description.control_key}"}
        connection.request(method, path, json.dumps(body or {}), headers)
        response = connection.getresponse()
        status, reply = response.status, json.load(response)
    finally:
        connection.close()
    if status >= _FIRST_REFUSAL:
        raise (LookupError if status == _NOT_FOUND else ValueError)(reply["error"])
    return reply

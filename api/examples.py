"""What requests look like: bodies made of one example for each member, and the line with which curl sends them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from api.permissions import Permission
from api.routes import Route

MEMBERS: Mapping[str, Any] = {
    "tenant_id": "demo",
    "app_id": "main",
    "phone": "+4915112345678",
    "bot_token": "123456789:the-secret-half-of-the-token",
    "ticket": "the-ticket-of-the-login",
    "password": "the 2FA password",
    "txn_id": "b2f7c0",
    "type": "code",
    "code": "12345",
    "tg_user_id": 4242,
    "two_fa_required": False,
    "telegram_user_id": 4242,
    "ttl": 3600,
    "proxy": "socks5://user:password@proxy.example:1080",
    "url": "https://backend.example/telegram",
    "enabled": True,
    "since": 1_795_000_000,
}
"""An example for each member that a body must have."""

HEADERS: Mapping[str, str] = {
    "X-Ticket": "$TICKET",
    "X-Miniapp-Signature": "v1=$SIGNATURE",
    "X-Timestamp": "$TIMESTAMP",
    "X-Request-Id": "$REQUEST_ID",
    "X-Key-Id": "$KEY_ID",
}
"""What a request has to say in its head, beside who asks."""
PATHS: Mapping[str, str] = {"tenant_id": "demo", "app_id": "main", "name": "page.css"}
"""Examples for what stands in a path; what is not among them is a variable of the shell's."""


LONGEST_LINE = 48


def body(model: type[BaseModel]) -> dict[str, Any]:
    """A body with the members that must be there; with all that have an example, where none must."""
    schema = model.model_json_schema()
    needed = [*schema.get("required", ()), *_of_one_kind(schema)]
    return {name: MEMBERS[name] for name in needed or schema["properties"]}


def _of_one_kind(schema: Mapping[str, Any]) -> Iterable[str]:
    """The member that the first of several kinds of a body needs."""
    kinds = schema.get("oneOf", ())
    return kinds[0]["required"] if kinds else ()


def curl(route: Route) -> str:
    """The command, for a shell in which $URL and $KEY are set."""
    words = ["curl", *(["-N"] if route.reply == "text/event-stream" else [])]
    if route.method != "GET":
        words += ["-X", route.method]
    lines = [f'{" ".join(words)} "$URL{_path(route)}"']
    if isinstance(route.needs, Permission):
        lines.append('-H "Authorization: Bearer $KEY"')
    lines += [
        f'-H "{header.name}: {HEADERS[header.name]}"' for header in route.headers if header.name in HEADERS
    ]
    if route.body is not None:
        lines.append(f"--json {shlex.quote(_written(body(route.body)))}")
    return " \\\n  ".join(lines)


def _written(value: dict[str, Any]) -> str:
    """JSON on one line, or indented where that would be a long one."""
    line = json.dumps(value)
    return line if len(line) <= LONGEST_LINE else json.dumps(value, indent=2).replace("\n", "\n  ")


def _path(route: Route) -> str:
    return re.sub(r"{(\w+)}", lambda gap: PATHS.get(gap[1], f"${gap[1].upper()}"), route.path)

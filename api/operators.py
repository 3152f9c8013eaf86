"""Routes for whoever runs the service; of sessions a tenant may see its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from quart import Blueprint, Response, request

from actors.bridge import in_trio
from actors.core.names import SessionKey
from api import queries
from api.caller import Caller, present_caller
from api.doors import Doors, doors
from api.errors import SessionUnknown
from api.session_replies import SessionsReply, session

operators = Blueprint("operators", __name__, url_prefix="/api/v1")


@operators.get("/sessions")
async def list_sessions() -> Response:
    """Tell how the caller's sessions are, in the order of their names."""
    caller = present_caller()
    query = queries.read(queries.SessionsQuery)
    reply = await in_trio(_listed, doors(), caller, query)
    text = reply.model_dump_json()
    response = await _unless_known(text, _digest(text))
    if reply.next_cursor is not None:
        more = urlencode({"limit": query.limit, "cursor": reply.next_cursor})
        response.headers["Link"] = f'<{request.path}?{more}>; rel="next"'
    return response


@operators.get("/sessions/<tenant_id>/<app_id>")
async def read_session(tenant_id: str, app_id: str) -> Response:
    """Tell how a session is, or that this is what the caller knows."""
    key = present_caller().session(tenant_id, app_id)
    snapshot = await in_trio(doors().directory.look, key)
    if not snapshot.version:
        raise SessionUnknown
    text = session(key, snapshot).model_dump_json()
    # Not the version alone: what is not worth saving, such as a substate, changes the answer as well.
    return await _unless_known(text, f"{snapshot.version}-{_digest(text)}")


@operators.get("/tree")
async def read_tree() -> Mapping[str, Any]:
    """Tell what runs in this process."""
    return await in_trio(_tree, doors())


async def _unless_known(text: str, etag: str) -> Response:
    """This JSON under this ETag, or that it is what the caller has already."""
    response = Response(text, content_type="application/json", headers={"Cache-Control": "no-store"})
    response.set_etag(etag)
    await response.make_conditional(request)
    return response


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


async def _listed(here: Doors, caller: Caller, query: queries.SessionsQuery) -> SessionsReply:
    rows = await here.directory.page(caller.tenant_id, _after(query.cursor), query.limit + 1)
    page = rows[: query.limit]
    return SessionsReply(
        sessions=[session(key, snapshot) for key, snapshot in page],
        next_cursor=str(page[-1][0]) if len(rows) > len(page) else None,
    )


def _after(cursor: str | None) -> SessionKey | None:
    if cursor is None:
        return None
    tenant_id, _, app_id = cursor.partition("/")
    return SessionKey(tenant_id, app_id)


async def _tree(here: Doors) -> Mapping[str, Any]:
    return here.tree()

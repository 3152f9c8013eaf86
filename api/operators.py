"""Routes for whoever runs the service; of sessions a tenant may see its own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from quart import Blueprint, Response, request

from actors.bridge import in_trio
from actors.core.names import SessionKey
from actors.published import Snapshot
from api.caller import present_caller
from api.doors import Doors, doors
from api.errors import ServiceOnly, SessionUnknown
from api.session_replies import session

operators = Blueprint("operators", __name__, url_prefix="/api/v1")

TAKING_UP = 5.0
"""Seconds for a session that nobody has asked for yet to be read from the store."""


@operators.get("/sessions/<tenant_id>/<app_id>")
async def read_session(tenant_id: str, app_id: str) -> Response:
    """Tell how a session is, or that this is what the caller knows."""
    key = present_caller().session(tenant_id, app_id)
    snapshot = await in_trio(_taken_up, doors(), key)
    if not snapshot.version:
        raise SessionUnknown
    text = session(key, snapshot).model_dump_json()
    response = Response(text, content_type="application/json", headers={"Cache-Control": "no-store"})
    # Not the version alone: what is not worth saving, such as a substate, changes the answer as well.
    response.set_etag(f"{snapshot.version}-{hashlib.sha256(text.encode()).hexdigest()[:16]}")
    await response.make_conditional(request)
    return response


@operators.get("/tree")
async def read_tree() -> Mapping[str, Any]:
    """Tell what runs in this process."""
    if present_caller().tenant_id is not None:
        raise ServiceOnly
    return await in_trio(_tree, doors())


async def _taken_up(here: Doors, key: SessionKey) -> Snapshot:
    snapshot = await here.directory.look(key)
    if not snapshot.sequence:
        with here.polls.open(TAKING_UP):
            snapshot = await here.directory.wait_change(key, 0, TAKING_UP)
    return snapshot


async def _tree(here: Doors) -> Mapping[str, Any]:
    return here.tree()

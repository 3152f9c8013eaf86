"""Routes that tell a session what to do: start, stop, restart, validate, revoke. Each may be sent again at will."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from quart import Blueprint

from actors.bridge import in_trio
from actors.core import messages as m
from actors.core.names import SessionKey
from actors.published import Snapshot
from api.caller import present_caller
from api.doors import Doors, doors
from api.errors import SessionUnknown
from api.session_replies import session

session_commands = Blueprint("session_commands", __name__, url_prefix="/api/v1/sessions/<tenant_id>/<app_id>")

WITHIN = 40.0
"""Seconds for a command: longer than a connect may take."""

ACTIONS: Mapping[str, Sequence[m.Command]] = {
    "start": (m.StartSession(),),
    "stop": (m.StopSession(),),
    "restart": (m.StopSession(), m.StartSession()),
    "validate": (m.Validate(),),
    "revoke": (m.Revoke(),),
}


async def command(tenant_id: str, app_id: str, action: str) -> dict[str, Any]:
    """Do it, and tell how the session is then."""
    key = present_caller().session(tenant_id, app_id)
    snapshot = await in_trio(_told, doors(), key, ACTIONS[action])
    return session(key, snapshot).model_dump(mode="json")


for _action in ACTIONS:
    session_commands.add_url_rule(
        f"/{_action}", _action, command, methods=["POST"], defaults={"action": _action}
    )


async def _told(here: Doors, key: SessionKey, commands: Sequence[m.Command]) -> Snapshot:
    """Raises SessionUnknown, Refused, MustWait and the errors of `actors.errors`."""
    if not (await here.directory.look(key)).version:
        raise SessionUnknown
    for each in commands:
        await here.directory.ask(key, each, WITHIN)
    return await here.directory.look(key)

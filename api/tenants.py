"""Routes by which operators say what a tenant has of its own at Telegram."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quart import Blueprint, Response

from actors.bridge import in_trio
from actors.core.names import check_name
from api import bodies
from api.doors import doors
from api.errors import AppUnknown
from api.tenant_replies import own_app

tenants = Blueprint("tenants", __name__, url_prefix="/api/v1/tenants")


@tenants.get("/<tenant_id>/app")
async def read_app(tenant_id: str) -> dict[str, Any]:
    """Show what the tenant has of its own."""
    check_name("tenant_id", tenant_id)
    kept = await in_trio(doors().apps.read, tenant_id)
    if kept is None:
        raise AppUnknown
    return own_app(tenant_id, kept).model_dump(mode="json")


@tenants.put("/<tenant_id>/app")
async def write_app(tenant_id: str) -> dict[str, Any]:
    """Put the body in the place of what the tenant had."""
    check_name("tenant_id", tenant_id)
    body = await bodies.read(bodies.AppBody)
    kept = await in_trio(doors().apps.write, tenant_id, body.own_app())
    return own_app(tenant_id, kept).model_dump(mode="json")


@tenants.delete("/<tenant_id>/app")
async def delete_app(tenant_id: str) -> Response:
    """Leave the tenant nothing of its own."""
    check_name("tenant_id", tenant_id)
    if not await in_trio(doors().apps.remove, tenant_id):
        raise AppUnknown
    return Response(status=HTTPStatus.NO_CONTENT)

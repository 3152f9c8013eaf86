"""The route that exchanges a lasting credential, or what Telegram signed, for a short session token."""

from __future__ import annotations

from typing import Any

from quart import Blueprint

from actors.core.names import SessionKey
from api import bodies
from api.caller import Caller, present_caller
from api.doors import doors
from api.errors import InvalidRequest, TenantMismatch
from api.replies import TokenReply
from api.tokens import short_session

session_tokens = Blueprint("session_tokens", __name__, url_prefix="/api/v1")


@session_tokens.post("/session")
async def issue() -> dict[str, Any]:
    """Give a token for a tenant's page, or for one account holder."""
    caller, here = present_caller(), doors()
    body = await bodies.read(bodies.IssueBody)
    tenant_id, account_id = _tenant(caller, body.tenant_id), caller.expected(body.telegram_user_id)
    now = here.clock.now()
    token = short_session(here.token_key, tenant_id, body.ttl, now, account_id=account_id)
    return TokenReply(
        token=token.reveal(),
        tenant_id=tenant_id,
        telegram_user_id=account_id,
        expires_at=now + body.ttl,
        server_time=now,
        environment=here.environment,
    ).model_dump(mode="json")


def _tenant(caller: Caller, named: str | None) -> str:
    """The tenant that the token is for. Raises TenantMismatch, InvalidName and InvalidRequest."""
    tenant_id = caller.tenant_id if named is None else named
    if tenant_id is None:
        raise InvalidRequest(
            errors=[{"field": "tenant_id", "message": "Field required: your credential is no tenant's"}]
        )
    if caller.tenant_id not in (None, tenant_id):
        raise TenantMismatch
    return SessionKey(tenant_id, "any").tenant_id

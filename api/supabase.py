"""Recognises users of Supabase's by their access tokens: signed with the shared secret, or with a published key.

Which of both a token may be is decided by its algorithm, and each algorithm has keys of its own kind only, so a
public key can never be taken for a shared secret.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import jwt

from actors.bridge import in_trio
from actors.core.secret import Secret
from api.caller import Caller, Credential
from api.doors import Doors
from api.errors import SessionExpired, Unauthenticated
from api.permissions import Role
from api.tokens import CLOCK_SKEW, audience_of, tenant_of, verified
from api.trust import SupabaseTokens

AUDIENCE = "authenticated"
PUBLISHED = frozenset({"ES256", "RS256", "EdDSA"})


async def user(credential: Credential, here: Doors) -> Caller | None:
    """Recognises a user's access token."""
    trusted = here.supabase
    if trusted is None or credential.scheme != "bearer" or audience_of(credential.value) != AUDIENCE:
        return None
    claims = await _proved(credential.value, trusted)
    _in_time(claims, here.clock.now())
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject.isascii() or not 0 < len(subject) <= 64:  # noqa: PLR2004 - a UUID is 36
        raise Unauthenticated
    tenant_id = tenant_of(claims)
    return Caller(role=Role.TENANT, tenant_id=tenant_id, name=f"user:{tenant_id}:{subject}")


async def _proved(token: Secret, trusted: SupabaseTokens) -> Mapping[str, Any]:
    header = jwt.get_unverified_header(token.reveal())
    match header:
        case {"alg": "HS256"} if trusted.secret is not None:
            return verified(token, trusted.secret.reveal(), "HS256", AUDIENCE)
        case {"alg": str(algorithm), "kid": str(key_id)} if (
            algorithm in PUBLISHED and trusted.keys is not None
        ):
            key = await in_trio(trusted.keys.find, key_id)
            if key is None or key.algorithm_name != algorithm:
                raise Unauthenticated
            return verified(token, key, algorithm, AUDIENCE)
        case _:
            raise Unauthenticated


def _in_time(claims: Mapping[str, Any], now: float) -> None:
    """Return if the token is good now; `nbf` and `iat` may lie a little ahead, as clocks differ."""
    for name in ("exp", "nbf", "iat"):
        value = claims.get(name, 0)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Unauthenticated
    if claims["exp"] <= now:
        raise SessionExpired
    if max(claims.get("nbf", 0), claims.get("iat", 0)) > now + CLOCK_SKEW:
        raise Unauthenticated

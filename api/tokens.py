"""Short sessions: tokens of our own, for pages that must not hold anything that lives longer."""

from __future__ import annotations

import hmac
import math
from collections.abc import Mapping
from typing import Any

import jwt

from actors.core.names import InvalidName, SessionKey
from actors.core.secret import Secret
from api.caller import Caller, Credential
from api.doors import Doors
from api.errors import SessionExpired, Unauthenticated
from api.permissions import Role
from api.tickets import derive_key

AUDIENCE = "usm"
LONGEST_SESSION = 3600
CLOCK_SKEW = 30


def short_session(
    key: Secret, tenant_id: str, ttl: float, now: float, *, account_id: int | None = None
) -> Secret:
    """A token that lets its bearer act for one tenant for `ttl` seconds, at most an hour.

    With an `account_id` it is good for nothing but that Telegram user's own logins.
    """
    expires_at = math.floor(now + min(ttl, LONGEST_SESSION))
    claims: dict[str, Any] = {"aud": AUDIENCE, "exp": expires_at, "app_metadata": {"tenant_id": tenant_id}}
    if account_id is not None:
        claims["telegram_user_id"] = account_id
    return Secret(jwt.encode(claims, _signing_key(key), algorithm="HS256"))


async def service(credential: Credential, here: Doors) -> Caller | None:
    """Recognises the service key."""
    ours = here.service_key.reveal().encode()
    theirs = credential.value.reveal().encode()
    if credential.scheme == "bearer" and hmac.compare_digest(theirs, ours):
        return Caller(role=Role.SERVICE, tenant_id=None, name="service")
    return None


async def session(credential: Credential, here: Doors) -> Caller | None:
    """Recognises a short session."""
    if credential.scheme != "bearer" or audience_of(credential.value) != AUDIENCE:
        return None
    claims = _verified(credential.value, here.token_key)
    expires_at, now = claims["exp"], here.clock.now()
    if type(expires_at) is not int or expires_at > now + LONGEST_SESSION + CLOCK_SKEW:
        raise Unauthenticated
    if expires_at <= now:
        raise SessionExpired
    tenant_id, account_id = tenant_of(claims), claims.get("telegram_user_id")
    if account_id is None:
        return Caller(role=Role.PAGE, tenant_id=tenant_id, name=f"page:{tenant_id}")
    if type(account_id) is not int:
        raise Unauthenticated
    name = holder_name(tenant_id, account_id)
    return Caller(role=Role.HOLDER, tenant_id=tenant_id, account_id=account_id, name=name)


def holder_name(tenant_id: str, account_id: int) -> str:
    """By which an account holder is counted, whichever way they have shown who they are."""
    return f"holder:{tenant_id}:{account_id}"


def audience_of(token: Secret) -> object:
    """The audience that a JWT claims to be for, unproved: it tells whose key has to prove it. None for no JWT."""
    try:
        return jwt.decode(token.reveal(), options={"verify_signature": False}).get("aud")
    except (jwt.InvalidTokenError, ValueError):
        return None


def tenant_of(claims: Mapping[str, Any]) -> str:
    """The tenant in `app_metadata`, which users cannot edit, unlike `user_metadata`. Raises Unauthenticated."""
    match claims.get("app_metadata"):
        case {"tenant_id": str(tenant_id)}:
            try:
                return SessionKey(tenant_id, "any").tenant_id
            except InvalidName:
                raise Unauthenticated from None
        case _:
            raise Unauthenticated


def _verified(token: Secret, key: Secret) -> Mapping[str, Any]:
    """The claims of a token of ours. Its times are left to the caller, who reads our clock, not the machine's."""
    return verified(token, _signing_key(key), "HS256", AUDIENCE)


def verified(token: Secret, key: Any, algorithm: str, audience: str) -> Mapping[str, Any]:
    """The claims, if the signature is by this key and algorithm and no other. Raises Unauthenticated."""
    try:
        return jwt.decode(
            token.reveal(),
            key,
            algorithms=[algorithm],
            audience=audience,
            options={
                "require": ["exp", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except (jwt.InvalidTokenError, ValueError):
        raise Unauthenticated from None


def _signing_key(key: Secret) -> bytes:
    return derive_key(key, "usm short session v1")

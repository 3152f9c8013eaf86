"""Who is asking: a short list of recognisers, each of which knows one kind of credential."""

from __future__ import annotations

import hmac
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from quart import request

from actors.core.names import SessionKey
from actors.core.secret import Secret
from api.doors import Doors, doors
from api.errors import SessionExpired, TenantMismatch, Unauthenticated
from api.tickets import derive_key

AUDIENCE = "usm"
LONGEST_SESSION = 3600
CLOCK_SKEW = 30


@dataclass(frozen=True, slots=True)
class Caller:
    """Whose credential came with the request. A `tenant_id` of None is the service, which may name any."""

    tenant_id: str | None

    def session(self, tenant_id: str, app_id: str) -> SessionKey:
        """The session that the request names. Raises InvalidName, or TenantMismatch if it is another's."""
        key = SessionKey(tenant_id, app_id)
        if not self.may_use(key):
            raise TenantMismatch
        return key

    def may_use(self, key: SessionKey) -> bool:
        """Whether this session is the caller's."""
        return self.tenant_id is None or self.tenant_id == key.tenant_id


@dataclass(frozen=True, slots=True)
class Credential:
    """What an Authorization header holds: a scheme in lower case, and a value."""

    scheme: str
    value: Secret


Recogniser = Callable[[Credential, Doors], Caller | None]
"""Answers None to a credential of another kind; raises Unauthenticated or SessionExpired for a bad one."""


def identify(authorization: str | None, here: Doors) -> Caller:
    """The caller behind an Authorization header. Raises Unauthenticated or SessionExpired."""
    scheme, _, value = (authorization or "").partition(" ")
    credential = Credential(scheme.lower(), Secret(value.strip()))
    if credential.value.reveal():
        for recognise in RECOGNISERS:
            caller = recognise(credential, here)
            if caller is not None:
                return caller
    raise Unauthenticated


def present_caller() -> Caller:
    """The caller of the present request. Raises what `identify` does."""
    return identify(request.headers.get("Authorization"), doors())


def short_session(key: Secret, tenant_id: str, ttl: float, now: float) -> Secret:
    """A token that lets its bearer act for one tenant for `ttl` seconds, at most an hour."""
    expires_at = math.floor(now + min(ttl, LONGEST_SESSION))
    claims = {"aud": AUDIENCE, "exp": expires_at, "app_metadata": {"tenant_id": tenant_id}}
    return Secret(jwt.encode(claims, _signing_key(key), algorithm="HS256"))


def _service(credential: Credential, here: Doors) -> Caller | None:
    ours = here.service_key.reveal().encode()
    theirs = credential.value.reveal().encode()
    if credential.scheme == "bearer" and hmac.compare_digest(theirs, ours):
        return Caller(None)
    return None


def _tenant(credential: Credential, here: Doors) -> Caller | None:
    if credential.scheme != "bearer":
        return None
    claims = _verified(credential.value, here.token_key)
    expires_at, now = claims["exp"], here.clock.now()
    if type(expires_at) is not int or expires_at > now + LONGEST_SESSION + CLOCK_SKEW:
        raise Unauthenticated
    if expires_at <= now:
        raise SessionExpired
    match claims.get("app_metadata"):
        case {"tenant_id": str(tenant_id)}:
            return Caller(tenant_id)
        case _:
            raise Unauthenticated


def _verified(token: Secret, key: Secret) -> Mapping[str, Any]:
    """The claims of a token of ours. Its times are left to the caller, who reads our clock, not the machine's."""
    try:
        return jwt.decode(
            token.reveal(),
            _signing_key(key),
            algorithms=["HS256"],
            audience=AUDIENCE,
            options={
                "require": ["exp", "aud"],
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
            },
        )
    except jwt.InvalidTokenError:
        raise Unauthenticated from None


def _signing_key(key: Secret) -> bytes:
    return derive_key(key, "usm short session v1")


RECOGNISERS: tuple[Recogniser, ...] = (_service, _tenant)

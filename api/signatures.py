"""Signed callbacks: what a tenant's backend signs, and whether it did.

Signed are, a line each: `v1`, the method, the path with its sorted query, the time in seconds, the request's id, the
tenant, and the SHA-256 of the body in hex. `X-Miniapp-Signature: v1=<hex>[,v1=<hex>]` holds HMACs of SHA-256 of that.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass

from actors.core.names import NAME_PATTERN
from actors.guards import CallbackKey, CallbackKeys
from api.errors import OutsideWindow, SignatureInvalid

FUTURE = 30
"""Seconds by which a callback may be dated ahead."""

MOST_SIGNATURES = 4

_SIGNATURE = re.compile(rf"v1=[0-9a-f]{{64}}(?:,v1=[0-9a-f]{{64}}){{0,{MOST_SIGNATURES - 1}}}", re.ASCII)
_TIMESTAMP = re.compile(r"[0-9]{10}", re.ASCII)
_REQUEST_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_KEY_ID = re.compile(rf"({NAME_PATTERN})\.[0-9a-f]{{8}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Signed:
    """A request as it came, each header as it was sent, or "" if it was not sent exactly once."""

    method: str
    target: str
    signature: str
    timestamp: str
    request_id: str
    key_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Proved:
    """Whose callback it is. `request_id` may be used once."""

    tenant_id: str
    request_id: str


def prove(request: Signed, keys: CallbackKeys, now: float, tolerance: float) -> Proved:
    """Whose callback this is. Raises SignatureInvalid, in the same words for every cause, and OutsideWindow."""
    tenant_id = _tenant(request)
    age = int(now) - int(request.timestamp)
    if not -min(FUTURE, tolerance) <= age <= tolerance:
        raise OutsideWindow
    signed = message(request, tenant_id)
    given = [part.removeprefix("v1=").encode() for part in request.signature.split(",")]
    if len(set(given)) < len(given):
        raise SignatureInvalid
    # Every key with every signature, whatever was found by then: how long it takes tells nothing.
    matches = [
        (key.key_id, hmac.compare_digest(_mac(key, signed), one))
        for key in keys.of(tenant_id)
        for one in given
    ]
    if (request.key_id, True) not in matches:
        raise SignatureInvalid
    return Proved(tenant_id, request.request_id)


def sign(request: Signed, key: CallbackKey) -> str:
    """The X-Miniapp-Signature of this request. Its own `signature` is left out of account."""
    tenant_id = key.key_id.rpartition(".")[0]
    return f"v1={_mac(key, message(request, tenant_id)).decode()}"


def message(request: Signed, tenant_id: str) -> bytes:
    """What is signed."""
    digest = hashlib.sha256(request.body).hexdigest()
    lines = ("v1", request.method, request.target, request.timestamp, request.request_id, tenant_id, digest)
    return "\n".join(lines).encode()


def target(path: str, query: str) -> str:
    """The path, and its query in the order of its parts."""
    return f"{path}?{'&'.join(sorted(query.split('&')))}" if query else path


def _tenant(request: Signed) -> str:
    """The tenant whose key it claims to be signed with. Raises SignatureInvalid if a header is malformed."""
    named = _KEY_ID.fullmatch(request.key_id)
    well_formed = (
        _SIGNATURE.fullmatch(request.signature)
        and _TIMESTAMP.fullmatch(request.timestamp)
        and _REQUEST_ID.fullmatch(request.request_id)
    )
    if named is None or not well_formed:
        raise SignatureInvalid
    return named[1]


def _mac(key: CallbackKey, signed: bytes) -> bytes:
    return hmac.digest(key.secret, signed, hashlib.sha256).hex().encode()

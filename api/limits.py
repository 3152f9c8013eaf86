"""How often anybody may do what costs others something: counted for all nodes together, and closed when in doubt.

If the counts cannot be reached, nobody gets through: a password tried without being counted is a password guessed,
a code costs the account's own patience at Telegram, and a QR would find no place for its ticket anyway.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.guards import Limit
from api.caller import Caller
from api.doors import Doors
from api.errors import LimitReached
from api.events import Limited, LimitHit
from api.permissions import EVERY_TENANT
from api.tickets import derive_key

MINUTE = 60.0
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class Rule:
    """How often one session, and one caller, may do this in `seconds`; a tenant's number is a setting."""

    seconds: float
    per_session: int
    per_caller: int


RULES = {
    Limited.QR_START: Rule(MINUTE, per_session=12, per_caller=60),
    Limited.CODE_REQUEST: Rule(HOUR, per_session=12, per_caller=60),
    Limited.PASSWORD: Rule(HOUR, per_session=12, per_caller=60),
}
PER_PHONE = 5
"""Codes an hour for one phone number, whoever asks."""


async def spend(
    here: Doors, kind: Limited, caller: Caller, key: SessionKey, phone: Secret | None = None
) -> None:
    """Count this once. Raises LimitReached if it is over one of its limits, and StoreUnavailable."""
    wait = await here.limits.spend(*_limits(here, kind, caller, key, phone))
    if wait > 0:
        here.tell(LimitHit(kind, key))
        raise LimitReached(retry_after=wait)


def _limits(
    here: Doors, kind: Limited, caller: Caller, key: SessionKey, phone: Secret | None
) -> Iterator[Limit]:
    rule = RULES[kind]
    yield Limit(_name(here, kind, "session", str(key)), rule.per_session, rule.seconds)
    yield Limit(_name(here, kind, "tenant", key.tenant_id), here.tenant_limits[kind], rule.seconds)
    if caller.role not in EVERY_TENANT:  # the operator's own backend asks for everybody
        yield Limit(_name(here, kind, "caller", caller.name), rule.per_caller, rule.seconds)
    if phone is not None:
        yield Limit(_name(here, kind, "phone", phone.reveal()), PER_PHONE, HOUR)


def _name(here: Doors, kind: Limited, scope: str, whose: str) -> str:
    """Keyed, because a phone number has few digits: a plain hash of it could be guessed back."""
    key = derive_key(here.token_key, "usm limits v1")
    return f"{kind}:{scope}:{hmac.digest(key, whose.encode(), hashlib.sha256).hex()[:32]}"

"""What the front door needs of the outside world: keys that were given out, and how often something was done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

KEY_ID_PATTERN = r"[a-z0-9]{12}"


class KeyRole(StrEnum):
    """What an API key may be: everything, reading everything, or one tenant."""

    ADMIN = "admin"
    OPERATOR = "operator"
    TENANT = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key that was given out. Kept of the key itself is only its SHA-256; moments are seconds since the epoch.

    `tenant_id` is None for the roles that see all tenants.
    """

    key_id: str
    key_hash: bytes = field(repr=False)
    role: KeyRole
    tenant_id: str | None
    label: str
    created_at: float
    expires_at: float | None = None
    revoked_at: float | None = None

    def works(self, now: float) -> bool:
        """Whether it lets anybody in at this moment."""
        return self.revoked_at is None and (self.expires_at is None or now < self.expires_at)


class ApiKeys(Protocol):
    """The keys that were given out. Every method may raise StoreUnavailable."""

    async def find(self, key_id: str) -> ApiKey | None:
        """The key of this id, whether it still works or not."""
        ...


@dataclass(frozen=True, slots=True)
class Limit:
    """`name` may happen `at_most` times in any stretch of `seconds`. The name may not hold a secret."""

    name: str
    at_most: int
    seconds: float


class Limits(Protocol):
    """Counts, for all nodes together, how often something happened. May raise StoreUnavailable."""

    async def spend(self, *limits: Limit) -> float:
        """Count once against each of these limits, or against none.

        Answers 0.0, or in how many seconds all of them would allow it. One step: of many at once no more get
        through than one after another would.
        """
        ...


class SigningKeys(Protocol):
    """Another service's public keys, by their ids. May raise StoreUnavailable."""

    async def find(self, key_id: str) -> Any | None:
        """The key as PyJWT's `PyJWK`, or None if that service has none of this id."""
        ...


@dataclass(frozen=True, slots=True)
class CallbackKey:
    """One key with which a tenant signs its callbacks. `key_id` is `<tenant>.<which secret of ours>`."""

    key_id: str
    secret: bytes = field(repr=False)


class CallbackKeys(Protocol):
    """The keys of every tenant."""

    def of(self, tenant_id: str) -> Sequence[CallbackKey]:
        """This tenant's keys that count now, first the one to sign with."""
        ...

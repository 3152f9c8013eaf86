"""Who is asking, once that is known: whose credential it was, and what it lets them do."""

from __future__ import annotations

from dataclasses import dataclass

from quart import g

from actors.core.names import SessionKey, check_name
from actors.core.secret import Secret
from actors.ports import Ticket
from api.errors import AccountMismatch, Forbidden, InvalidRequest, TenantMismatch
from api.permissions import EVERY_TENANT, GRANTS, Permission, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whose credential came with the request.

    A `tenant_id` of None may name any tenant; only some roles can have it. An `account_id` is the Telegram user
    whom this caller is, and then nothing but that user's own logins is theirs. `name` tells callers apart where
    they are counted, and is no secret. `proved_at` is when Telegram signed for a Mini App's user.
    """

    role: Role
    tenant_id: str | None
    name: str
    account_id: int | None = None
    proved_at: float | None = None

    def __post_init__(self) -> None:
        if (self.tenant_id is None) != (self.role in EVERY_TENANT):
            raise ValueError("a role of one tenant needs that tenant, and the others have none")

    def may(self, permission: Permission) -> bool:
        """Whether the role holds this permission."""
        return permission in GRANTS[self.role]

    def require(self, permission: Permission) -> None:
        """Return if the role holds this permission. Raises Forbidden."""
        if not self.may(permission):
            raise Forbidden

    def session(self, tenant_id: str, app_id: str) -> SessionKey:
        """The session that the request names. Raises InvalidName, or TenantMismatch if it is another's."""
        key = SessionKey(tenant_id, app_id)
        if not self.may_use(key):
            raise TenantMismatch
        return key

    def tenant(self, named: str | None) -> str:
        """The tenant that the request is about. Raises InvalidName, TenantMismatch, InvalidRequest if unsaid."""
        if named is None:
            if self.tenant_id is None:
                raise InvalidRequest(
                    errors=[{"field": "tenant", "message": "Your credential is no tenant's"}]
                )
            return self.tenant_id
        check_name("tenant", named)
        if self.tenant_id not in (None, named):
            raise TenantMismatch
        return named

    def may_use(self, key: SessionKey) -> bool:
        """Whether this session is the caller's tenant's."""
        return self.tenant_id is None or self.tenant_id == key.tenant_id

    def may_open(self, ticket: Ticket) -> bool:
        """Whether this login is the caller's: their tenant's, and for an account holder their own."""
        return self.may_use(ticket.key) and self.account_id in (None, ticket.account_id)

    def expected(self, account_id: int | None) -> int | None:
        """The only account that a login may end with, given what the request says of it. Raises AccountMismatch."""
        if self.account_id is None:
            return account_id
        if account_id not in (None, self.account_id):
            raise AccountMismatch
        return self.account_id


@dataclass(frozen=True, slots=True)
class Credential:
    """What an Authorization header holds: a scheme in lower case, and a value."""

    scheme: str
    value: Secret


def present_caller() -> Caller:
    """The caller of the present request, as its admission found out. Raises Forbidden if there was none."""
    caller: Caller | None = g.get("caller")
    if caller is None:
        raise Forbidden
    return caller

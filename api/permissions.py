"""Who may do what: a closed set of permissions, and the roles that hold them. What is not granted is denied."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Permission(StrEnum):
    """One kind of thing that a route lets its callers do."""

    LOGINS = "logins"
    SESSIONS_READ = "sessions:read"
    SESSIONS_OPERATE = "sessions:operate"
    EVENTS_READ = "events:read"
    TOKENS_ISSUE = "tokens:issue"
    TREE_READ = "tree:read"
    TENANTS_ADMIN = "tenants:admin"
    WEBHOOKS = "webhooks"


class Open(StrEnum):
    """What a route asks instead of a permission."""

    ANYBODY = "anybody"
    SIGNATURE = "signature"


Access = Permission | Open


class Role(StrEnum):
    """What a credential makes of its bearer."""

    SERVICE = "service"
    """The service key: the operator's own backend."""

    ADMIN = "admin"
    OPERATOR = "operator"
    """Sees everything, changes nothing."""

    TENANT = "tenant"
    """A tenant's backend with its API key, or a user of the tenant's with a token of Supabase's."""

    PAGE = "page"
    """A short session of ours for a tenant's page."""

    MINI_APP = "mini_app"
    """An account holder in a Mini App, with what Telegram has signed."""

    HOLDER = "holder"
    """A short session of ours for one account holder."""


P = Permission
GRANTS: Mapping[Role, frozenset[Permission]] = {
    Role.SERVICE: frozenset(P),
    Role.ADMIN: frozenset(P),
    Role.OPERATOR: frozenset({P.SESSIONS_READ, P.EVENTS_READ, P.TREE_READ}),
    Role.TENANT: frozenset(
        {P.LOGINS, P.SESSIONS_READ, P.SESSIONS_OPERATE, P.EVENTS_READ, P.TOKENS_ISSUE, P.WEBHOOKS}
    ),
    # No short session is good for another one, else a stolen one would live for ever.
    Role.PAGE: frozenset({P.LOGINS, P.SESSIONS_READ}),
    Role.MINI_APP: frozenset({P.LOGINS, P.TOKENS_ISSUE}),
    Role.HOLDER: frozenset({P.LOGINS}),
}

EVERY_TENANT = frozenset({Role.SERVICE, Role.ADMIN, Role.OPERATOR})
"""The roles that are not bound to one tenant."""

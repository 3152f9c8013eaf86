"""What each of Telegram's errors means for a session and for a login: the reference's table, row by row, as data.

A row is one name that Telegram sends. Whatever it says is told by the service over HTTP after a real Telethon met
the error in a real answer; `tests/stories/test_error_table.py` plays them.
"""

from __future__ import annotations

from dataclasses import dataclass

Retry = tuple[float, float] | None
"""Seconds until the next try, from and to; None if there will be none."""

SOON: Retry = (0, 2)
"""A backoff that has just begun."""


@dataclass(frozen=True, slots=True)
class Fate:
    """Where a session is once it has met an error."""

    state: str
    substate: str | None
    reason: str | None
    user_action: str
    retry: Retry
    is_kept: bool = True
    """Whether the credential is, and works again when the trouble is over."""


@dataclass(frozen=True, slots=True)
class Step:
    """What a login's page is told once the login has met an error."""

    state: str
    step: str
    reason: str | None = None
    error: str | None = None


def _lost(reason: str, user_action: str = "relogin") -> Fate:
    return Fate("REVOKED", None, reason, user_action, None, is_kept=False)


def _waits(seconds: int) -> Fate:
    return Fate("AUTHORIZED", "flood_wait", None, "wait", (seconds - 3, seconds))


PASSING = Fate("AUTHORIZED", "reconnecting", None, "wait", SOON)
FROZEN = Fate("AUTHORIZED", "frozen", None, "contact_admin", (800, 1100))
"""It is asked again as seldom as one that is well, for it may be thawed."""
HEALTHY = PASSING
"""An error that says nothing about the session: it is asked again soon, and loses nothing."""

SESSION: dict[str, Fate] = {
    # definitive: the credential is gone
    "AUTH_KEY_UNREGISTERED": _lost("auth_key_unregistered"),
    "AUTH_KEY_INVALID": _lost("auth_key_unregistered"),
    "SESSION_REVOKED": _lost("session_revoked"),
    "SESSION_EXPIRED": _lost("session_revoked"),
    "USER_DEACTIVATED": _lost("account_deleted", "contact_admin"),
    "USER_DEACTIVATED_BAN": _lost("account_banned", "contact_admin"),
    "AUTH_KEY_DUPLICATED": _lost("auth_key_duplicated", "contact_admin"),
    # 401, and yet no logout
    "AUTH_KEY_PERM_EMPTY": PASSING,
    "SESSION_PASSWORD_NEEDED": HEALTHY,
    # 406, and yet no logout
    "FRESH_RESET_AUTHORISATION_FORBIDDEN": HEALTHY,
    "PHONE_PASSWORD_FLOOD": HEALTHY,
    "406 PHONE_NUMBER_INVALID": HEALTHY,
    "SEND_CODE_UNAVAILABLE": HEALTHY,
    # waits
    "FLOOD_WAIT_77": _waits(77),
    "FLOOD_PREMIUM_WAIT_66": _waits(66),
    "SLOWMODE_WAIT_55": _waits(55),
    # frozen
    "FROZEN_METHOD_INVALID": FROZEN,
    "FROZEN_PARTICIPANT_MISSING": FROZEN,
    # Telegram's own trouble
    "AUTH_RESTART": PASSING,
    "500 INTERDC_1_CALL_ERROR": PASSING,
    "RPC_CALL_FAIL": PASSING,
    "503 Timeout": PASSING,
    # another data centre's business
    "PHONE_MIGRATE_1": PASSING,
    "NETWORK_MIGRATE_1": PASSING,
    "USER_MIGRATE_1": PASSING,
    # errors that a login meets, and a session by accident: they say nothing about it
    "PASSWORD_HASH_INVALID": HEALTHY,
    "PHONE_CODE_INVALID": HEALTHY,
    "AUTH_TOKEN_EXPIRED": HEALTHY,
    # whatever Telegram thinks of next
    "400 NEVER_HEARD_OF": HEALTHY,
    "401 NEVER_HEARD_OF": HEALTHY,
    "403 NEVER_HEARD_OF": HEALTHY,
    "406 NEVER_HEARD_OF": HEALTHY,
    "500 NEVER_HEARD_OF": PASSING,
}
"""When a running session is asked whether it still is one."""

APP: tuple[str, ...] = (
    "API_ID_INVALID",
    "API_ID_PUBLISHED_FLOOD",
    "CONNECTION_API_ID_INVALID",
    "UPDATE_APP_TO_LOGIN",
)
"""Refusals of the app, and not of the session: its breaker opens and all its sessions wait."""

CODE_SENDING: dict[str, Step] = {
    "400 PHONE_NUMBER_INVALID": Step("ABSENT", "failed", "phone_number_invalid"),
    "406 PHONE_NUMBER_INVALID": Step("ABSENT", "failed", "phone_number_invalid"),
    "PHONE_NUMBER_BANNED": Step("ABSENT", "failed", "phone_number_banned"),
    "PHONE_NUMBER_FLOOD": Step("ABSENT", "failed", "phone_number_flood"),
    "PHONE_PASSWORD_FLOOD": Step("ABSENT", "failed", "phone_number_flood"),
    "PHONE_NUMBER_UNOCCUPIED": Step("ABSENT", "failed", "phone_number_unoccupied"),
    "PHONE_NUMBER_APP_SIGNUP_FORBIDDEN": Step("ABSENT", "failed", "phone_number_unoccupied"),
    "USER_DEACTIVATED": Step("ABSENT", "failed", "account_deleted"),
    "USER_DEACTIVATED_BAN": Step("ABSENT", "failed", "account_banned"),
    "FLOOD_WAIT_77": Step("PENDING_CODE", "sending_code", error="flood_wait"),
    "AUTH_RESTART": Step("PENDING_CODE", "sending_code", error="upstream_unavailable"),
    "SEND_CODE_UNAVAILABLE": Step("PENDING_CODE", "sending_code", error="upstream_unavailable"),
    "NEVER_HEARD_OF": Step("PENDING_CODE", "sending_code", error="upstream_unavailable"),
}
"""When a login code is asked for (auth.sendCode)."""

CODE_TYPING: dict[str, Step] = {
    "PHONE_CODE_INVALID": Step("PENDING_CODE", "code", error="code_invalid"),
    "PHONE_CODE_EMPTY": Step("PENDING_CODE", "code", error="code_invalid"),
    "PHONE_CODE_EXPIRED": Step("ABSENT", "failed", "code_expired"),
    "PHONE_HASH_EXPIRED": Step("ABSENT", "failed", "code_expired"),
    "PHONE_CODE_HASH_EMPTY": Step("ABSENT", "failed", "code_expired"),
    "AUTH_KEY_UNREGISTERED": Step("ABSENT", "failed", "login_refused"),
    "PHONE_NUMBER_UNOCCUPIED": Step("ABSENT", "failed", "phone_number_unoccupied"),
    "SESSION_PASSWORD_NEEDED": Step("PENDING_PASSWORD", "password"),
    "FLOOD_WAIT_77": Step("PENDING_CODE", "code", error="flood_wait"),
    "AUTH_RESTART": Step("PENDING_CODE", "code", error="upstream_unavailable"),
    "NEVER_HEARD_OF": Step("PENDING_CODE", "code", error="upstream_unavailable"),
}
"""When the code that a person typed is handed in (auth.signIn)."""

PASSWORD_TYPING: dict[str, Step] = {
    "PASSWORD_HASH_INVALID": Step("PENDING_PASSWORD", "password", error="password_invalid"),
    "SRP_ID_INVALID": Step("PENDING_PASSWORD", "password", error="upstream_unavailable"),
    "SRP_PASSWORD_CHANGED": Step("PENDING_PASSWORD", "password", error="upstream_unavailable"),
    "PASSWORD_EMPTY": Step("PENDING_PASSWORD", "password", error="upstream_unavailable"),
    "AUTH_KEY_UNREGISTERED": Step("ABSENT", "failed", "login_refused"),
    "SESSION_REVOKED": Step("ABSENT", "failed", "login_refused"),
    "FLOOD_WAIT_77": Step("PENDING_PASSWORD", "password", error="flood_wait"),
    "RPC_CALL_FAIL": Step("PENDING_PASSWORD", "password", error="upstream_unavailable"),
    "NEVER_HEARD_OF": Step("PENDING_PASSWORD", "password", error="upstream_unavailable"),
}
"""When the proof of a 2FA password is handed in (auth.checkPassword), each time it is."""

ONCE_AND_THEN_WELL: tuple[str, ...] = ("SRP_ID_INVALID", "SRP_PASSWORD_CHANGED")
"""What is met once and tried again at once, with a fresh challenge, so that nobody notices."""

TOKEN: tuple[str, ...] = (
    "AUTH_TOKEN_EXPIRED",
    "AUTH_TOKEN_INVALID",
    "AUTH_TOKEN_ALREADY_ACCEPTED",
    "AUTH_TOKEN_EXCEPTION",
    "NEVER_HEARD_OF",
)
"""What an export of a QR token may meet; the page is given another QR, and the ticket goes on."""

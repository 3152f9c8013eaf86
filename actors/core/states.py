"""The seven states of a session, each with only the data that this state has.

All times are seconds since the epoch, as `actors.clock` reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from actors.core.secret import Secret

ROTATE_BEFORE_EXPIRY = 3.0
"""A login token is replaced this long before Telegram lets it expire, so the QR on screen always works."""

PASSWORD_WINDOW = 300.0
"""How long a person may take to type the 2FA password."""

PASSWORD_ATTEMPTS = 5
CODE_ATTEMPTS = 5


class SessionState(StrEnum):
    """The states by name, as the API, the database and the metrics write them."""

    ABSENT = "ABSENT"
    PENDING_QR = "PENDING_QR"
    PENDING_CODE = "PENDING_CODE"
    PENDING_PASSWORD = "PENDING_PASSWORD"  # noqa: S105 - the name of a state
    AUTHORIZED = "AUTHORIZED"
    STALE = "STALE"
    REVOKED = "REVOKED"


class Reason(StrEnum):
    """Why a session is where it is. A closed set, so it can label a metric and be translated."""

    # how a login ended without success
    TICKET_EXPIRED = "ticket_expired"
    PASSWORD_WINDOW_OVER = "password_window_over"  # noqa: S105 - a reason
    PASSWORD_ATTEMPTS_USED = "password_attempts_used"  # noqa: S105 - a reason
    CODE_EXPIRED = "code_expired"
    CODE_ATTEMPTS_USED = "code_attempts_used"
    BOT_TOKEN_INVALID = "bot_token_invalid"  # noqa: S105 - a reason
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"
    RESTARTED = "restarted"
    ACCOUNT_MISMATCH = "account_mismatch"
    PHONE_NUMBER_INVALID = "phone_number_invalid"
    PHONE_NUMBER_BANNED = "phone_number_banned"
    PHONE_NUMBER_FLOOD = "phone_number_flood"
    PHONE_NUMBER_UNOCCUPIED = "phone_number_unoccupied"
    LOGIN_REFUSED = "login_refused"
    # trouble that keeps the credential
    UNREACHABLE = "unreachable"
    FLOOD_WAIT = "flood_wait"
    FROZEN = "frozen"
    APP_REFUSED = "app_refused"
    APP_SEALED = "app_sealed"
    PROXY_UNREACHABLE = "proxy_unreachable"
    IN_USE_ELSEWHERE = "in_use_elsewhere"
    NOT_OWNED = "not_owned"
    UNKNOWN_ERROR = "unknown_error"
    CREDENTIAL_MISSING = "credential_missing"
    CREDENTIAL_TAMPERED = "credential_tampered"
    CREDENTIAL_SEALED = "credential_sealed"
    RESTORED = "restored"
    # definitive ends
    REQUESTED = "requested"
    SESSION_REVOKED = "session_revoked"
    AUTH_KEY_UNREGISTERED = "auth_key_unregistered"
    AUTH_KEY_DUPLICATED = "auth_key_duplicated"
    ACCOUNT_DELETED = "account_deleted"
    ACCOUNT_BANNED = "account_banned"


class Substate(StrEnum):
    """What an authorized session is doing, for people."""

    CONNECTING = "connecting"
    ONLINE = "online"
    RECONNECTING = "reconnecting"
    FLOOD_WAIT = "flood_wait"
    FROZEN = "frozen"
    ASLEEP = "asleep"
    STOPPED = "stopped"


class UserAction(StrEnum):
    """What the account holder can do now."""

    NONE = "none"
    WAIT = "wait"
    SCAN_QR = "scan_qr"
    ENTER_CODE = "enter_code"
    ENTER_PASSWORD = "enter_password"  # noqa: S105 - an action
    RELOGIN = "relogin"
    CONTACT_ADMIN = "contact_admin"


@dataclass(frozen=True, slots=True)
class PastLogin:
    """The login that came last, kept so that its page can read how it went.

    `ended` is None if it succeeded.
    """

    login_id: str
    ended: Reason | None = None


@dataclass(frozen=True, slots=True)
class Absent:
    """No credential."""

    name: ClassVar = SessionState.ABSENT
    deadline: ClassVar[None] = None
    last_login: PastLogin | None = None

    @property
    def reason(self) -> Reason | None:
        """Why the last login ended."""
        return self.last_login.ended if self.last_login else None


@dataclass(frozen=True, slots=True)
class Authorized:
    """Logged in. `troubled_since` and `attempts` describe a connection that is being won back.

    `validate_at` is when a session that seems well is to be asked whether it is, and when one that sleeps wakes.
    """

    name: ClassVar = SessionState.AUTHORIZED
    account_id: int
    substate: Substate = Substate.CONNECTING
    retry_at: float | None = None
    troubled_since: float | None = None
    attempts: int = 0
    last_login: PastLogin | None = None
    validate_at: float | None = None

    @property
    def reason(self) -> Reason | None:
        """A running session needs no reason; a substate says what it waits for."""
        return None

    @property
    def deadline(self) -> float | None:
        """When to try the connection again, or to ask whether it still is one."""
        return self.validate_at if self.retry_at is None else self.retry_at


@dataclass(frozen=True, slots=True)
class Stale:
    """The last validation failed, the credential is kept, and is tried again at `retry_at` if that is set.

    `stopped` if people do not want it to be tried.
    """

    name: ClassVar = SessionState.STALE
    account_id: int
    reason: Reason
    retry_at: float | None = None
    attempts: int = 0
    last_login: PastLogin | None = None
    stopped: bool = False

    @property
    def deadline(self) -> float | None:
        """When to try the connection again."""
        return self.retry_at


@dataclass(frozen=True, slots=True)
class Revoked:
    """Ended for good. If Telegram still has to be told, that is no longer the session's business: see `Owe`."""

    name: ClassVar = SessionState.REVOKED
    deadline: ClassVar[None] = None
    account_id: int
    reason: Reason
    last_login: PastLogin | None = None


@dataclass(frozen=True, slots=True)
class Login:
    """What every pending state shares: which login, until when, and what to fall back to when it ends.

    `fallback` is where a session goes back to if the login expires or is cancelled: ABSENT for a first
    login, the old STALE or REVOKED for a login in place, whose credential must not be lost by trying.
    """

    login_id: str
    expires_at: float
    fallback: Absent | Stale | Revoked = Absent()
    expected_account_id: int | None = None


@dataclass(frozen=True, slots=True)
class QrToken:
    """One of Telegram's short-lived login tokens. `url` is what the QR shows."""

    url: Secret
    expires_at: float


@dataclass(frozen=True, slots=True)
class PendingQr:
    """A QR is on a screen. `token` is None while one is fetched, `retry_at` says when the next try is due."""

    name: ClassVar = SessionState.PENDING_QR
    login: Login
    token: QrToken | None = None
    retry_at: float | None = None
    issued: int = 0
    reason: Reason | None = None

    @property
    def deadline(self) -> float:
        """When the token must be replaced, the fetch tried again, or the whole login ended."""
        due = self.retry_at or (self.token.expires_at - ROTATE_BEFORE_EXPIRY if self.token else None)
        return self.login.expires_at if due is None else min(due, self.login.expires_at)


@dataclass(frozen=True, slots=True)
class PendingCode:
    """A login code is on its way. `delivery` is Telegram's word for how it was sent (app, sms, call …).

    It can be sent by `next_delivery`, once `resend_at` is over and has become None.
    """

    name: ClassVar = SessionState.PENDING_CODE
    login: Login
    phone: Secret
    delivery: str | None = None
    retry_at: float | None = None
    rejected: int = 0
    reason: Reason | None = None
    length: int | None = None
    next_delivery: str | None = None
    resend_at: float | None = None

    @property
    def deadline(self) -> float:
        """When the login ends, or a wait that Telegram asked for is over."""
        waits = (self.retry_at, self.resend_at, self.login.expires_at)
        return min(due for due in waits if due is not None)


@dataclass(frozen=True, slots=True)
class PendingBot:
    """A bot's token is being handed in. To the outside it is one more way of PENDING_CODE: there are seven names."""

    name: ClassVar = SessionState.PENDING_CODE
    login: Login
    token: Secret
    retry_at: float | None = None
    reason: Reason | None = None

    @property
    def deadline(self) -> float:
        """When the login ends, or the token is handed in again."""
        return self.login.expires_at if self.retry_at is None else min(self.retry_at, self.login.expires_at)


@dataclass(frozen=True, slots=True)
class PendingPassword:
    """The account has a 2FA password. A wrong one costs an attempt and keeps the place."""

    name: ClassVar = SessionState.PENDING_PASSWORD
    login: Login
    hint: str | None = None
    attempts_left: int = PASSWORD_ATTEMPTS
    retry_at: float | None = None
    reason: Reason | None = None

    @property
    def deadline(self) -> float:
        """When the login ends."""
        return self.login.expires_at if self.retry_at is None else min(self.retry_at, self.login.expires_at)


Pending = PendingQr | PendingCode | PendingBot | PendingPassword
State = Absent | Pending | Authorized | Stale | Revoked


def is_stopped(state: State) -> bool:
    """Whether people do not want this session to run: its desired state, as apart from the one it is in."""
    match state:
        case Authorized(substate=Substate.STOPPED) | Stale(stopped=True):
            return True
        case _:
            return False  # also a login in place: whoever logs in wants the session to run


def is_at_rest(state: State) -> bool:
    """Whether nothing is connected and nothing is due soon, so that nobody need attend to the session."""
    match state:
        case Absent() | Revoked() | Authorized(substate=Substate.ASLEEP | Substate.STOPPED):
            return True
        case Stale():
            return state.retry_at is None
        case _:
            return False


def user_action(state: State) -> UserAction:
    """What the account holder can do about this state."""
    match state:
        case PendingQr():
            return UserAction.SCAN_QR if state.token else UserAction.WAIT
        case PendingCode():
            return UserAction.ENTER_CODE
        case PendingBot():
            return UserAction.WAIT
        case PendingPassword():
            return UserAction.ENTER_PASSWORD
        case Authorized(substate=Substate.FROZEN):
            return UserAction.CONTACT_ADMIN
        case Authorized(substate=Substate.ONLINE | Substate.ASLEEP | Substate.STOPPED) | Stale(stopped=True):
            return UserAction.NONE
        case Authorized():
            return UserAction.WAIT
        case Stale(reason=Reason.CREDENTIAL_TAMPERED | Reason.CREDENTIAL_SEALED):
            return UserAction.CONTACT_ADMIN
        case Stale():
            return UserAction.RELOGIN if state.retry_at is None else UserAction.WAIT
        case Revoked(reason=Reason.ACCOUNT_BANNED | Reason.ACCOUNT_DELETED | Reason.AUTH_KEY_DUPLICATED):
            return UserAction.CONTACT_ADMIN
        case Revoked():
            return UserAction.RELOGIN
        case Absent():
            return UserAction.NONE


def account_of(state: State) -> int | None:
    """The Telegram user id that this state knows, or None before a first login."""
    match state:
        case Authorized() | Stale() | Revoked():
            return state.account_id
        case PendingQr() | PendingCode() | PendingBot() | PendingPassword():
            return account_of(state.login.fallback)
        case Absent():
            return None


def login_of(state: State) -> str | None:
    """The login that this state belongs to, or that led here last."""
    match state:
        case PendingQr() | PendingCode() | PendingBot() | PendingPassword():
            return state.login.login_id
        case Absent() | Authorized() | Stale() | Revoked():
            return state.last_login.login_id if state.last_login else None

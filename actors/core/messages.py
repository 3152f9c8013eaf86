"""Everything a session can be told: commands from people, signals from Telegram and from time.

Moments (`at`, `until`, `expires_at`) are seconds since the epoch: time enters the core only inside messages.
"""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.credential import Credential
from actors.core.secret import Secret
from actors.core.states import QrToken, Reason

# -- commands: what people ask for


@dataclass(frozen=True, slots=True)
class StartQr:
    """Begin a login by QR. If one is live, it is kept and shown again."""

    login_id: str
    expires_at: float
    expected_account_id: int | None = None


@dataclass(frozen=True, slots=True)
class StartCode:
    """Begin a login by phone number and code, or change the number of the one that is live."""

    login_id: str
    expires_at: float
    phone: Secret
    expected_account_id: int | None = None


@dataclass(frozen=True, slots=True)
class StartBot:
    """Begin a login as a bot, by the token that @BotFather gave its owner."""

    login_id: str
    expires_at: float
    token: Secret
    expected_account_id: int | None = None


@dataclass(frozen=True, slots=True)
class ImportLogin:
    """Take over a login that another program has made. `stopped` if it may still be using the key."""

    credential: Credential
    stopped: bool = True


@dataclass(frozen=True, slots=True)
class SubmitCode:
    """The login code that a person typed."""

    login_id: str
    code: Secret


@dataclass(frozen=True, slots=True)
class ResendCode:
    """Send the code again, by the next way that Telegram offers."""

    login_id: str


@dataclass(frozen=True, slots=True)
class SubmitPassword:
    """The 2FA password that a person typed."""

    login_id: str
    password: Secret


@dataclass(frozen=True, slots=True)
class CancelLogin:
    """Give up a login that is under way."""

    login_id: str


@dataclass(frozen=True, slots=True)
class Validate:
    """Make sure, through the session's own connection, that Telegram still knows us."""


@dataclass(frozen=True, slots=True)
class StartSession:
    """Be connected: a stopped session may run again, a sleeping one wakes, one in trouble tries at once."""


@dataclass(frozen=True, slots=True)
class StopSession:
    """Be disconnected and stay so, over restarts too, until somebody starts the session again."""


@dataclass(frozen=True, slots=True)
class Revoke:
    """Log out at Telegram and end the session for good."""


# -- signals: what Telegram and time tell


@dataclass(frozen=True, slots=True)
class Woken:
    """The actor has just started, or started again, with the state it had saved."""

    at: float


@dataclass(frozen=True, slots=True)
class TimePassed:
    """The state's deadline has been reached."""

    at: float


@dataclass(frozen=True, slots=True)
class TokenIssued:
    """Telegram gave a login token to show as a QR; within its life it gives the same one again."""

    at: float
    token: QrToken


@dataclass(frozen=True, slots=True)
class TokenAccepted:
    """A phone accepted the token (`updateLoginToken`); the next export tells the outcome."""


@dataclass(frozen=True, slots=True)
class CodeSent:
    """Telegram sent a login code: how, how long it is, and which way is the next, open from `resend_at` on.

    Source: core.telegram.org/constructor/auth.sentCode, `type`, `next_type` and `timeout`.
    """

    delivery: str
    length: int | None = None
    next_delivery: str | None = None
    resend_at: float | None = None


@dataclass(frozen=True, slots=True)
class CodeRejected:
    """The code was wrong."""


@dataclass(frozen=True, slots=True)
class PasswordNeeded:
    """The account is protected by a 2FA password; `hint` is what its owner noted."""

    at: float
    hint: str | None


@dataclass(frozen=True, slots=True)
class PasswordRejected:
    """The 2FA password was wrong."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Telegram let the login in, with this credential, which nobody has kept yet."""

    credential: Credential


@dataclass(frozen=True, slots=True)
class LoginFailed:
    """Telegram refused the login for good."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class Online:
    """Connected with the session's credential, and Telegram named the account."""

    account_id: int
    at: float


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """A working connection ended."""

    at: float


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A call failed in a way that may pass: network, timeout, Telegram's own trouble."""

    at: float
    reason: Reason = Reason.UNREACHABLE


@dataclass(frozen=True, slots=True)
class FloodWaited:
    """Telegram asks to wait; calling earlier would only make it longer."""

    until: float


@dataclass(frozen=True, slots=True)
class AccountFrozen:
    """Telegram froze the account: still logged in, allowed almost nothing."""

    at: float


@dataclass(frozen=True, slots=True)
class Idle:
    """Nobody has needed the session's connection for as long as it is to be kept without need."""

    at: float


@dataclass(frozen=True, slots=True)
class CredentialUnusable:
    """There is no credential to connect with, or none that may be used; Telegram has not been asked."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class CredentialLost:
    """Telegram no longer accepts the credential, definitively."""

    reason: Reason


@dataclass(frozen=True, slots=True)
class LoggedOut:
    """Telegram logged the credential out at our request, and it is erased."""


Start = StartQr | StartCode | StartBot
Command = (
    Start
    | ImportLogin
    | SubmitCode
    | ResendCode
    | SubmitPassword
    | CancelLogin
    | Validate
    | StartSession
    | StopSession
    | Revoke
)
Signal = (
    Woken
    | TimePassed
    | TokenIssued
    | TokenAccepted
    | CodeSent
    | CodeRejected
    | PasswordNeeded
    | PasswordRejected
    | SignedIn
    | LoginFailed
    | Online
    | ConnectionLost
    | Unreachable
    | FloodWaited
    | AccountFrozen
    | Idle
    | CredentialUnusable
    | CredentialLost
    | LoggedOut
)
Message = Command | Signal

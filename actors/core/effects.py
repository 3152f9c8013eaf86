"""What a decision asks the outside world to do. Performing an effect yields a signal, or nothing."""

from __future__ import annotations

from dataclasses import dataclass

from actors.core.secret import Secret


@dataclass(frozen=True, slots=True)
class ExportToken:
    """Connect the login's own fresh key if need be, and fetch a QR token (or learn that one was accepted)."""


@dataclass(frozen=True, slots=True)
class SendCode:
    """Ask Telegram to send a login code to this number."""

    phone: Secret


@dataclass(frozen=True, slots=True)
class SendCodeAgain:
    """Ask Telegram to send the code by its next way."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """Hand in a login code."""

    code: Secret


@dataclass(frozen=True, slots=True)
class CheckPassword:
    """Prove knowledge of the 2FA password by SRP; the password itself never leaves this process."""

    password: Secret


@dataclass(frozen=True, slots=True)
class ImportBot:
    """Log in as the bot that this token belongs to."""

    token: Secret


@dataclass(frozen=True, slots=True)
class AbandonLogin:
    """Drop the login's connection and key, which is logged out first, should Telegram have let it in after all."""


@dataclass(frozen=True, slots=True)
class Connect:
    """Make sure that the session is connected with its credential, and that Telegram still knows it."""


@dataclass(frozen=True, slots=True)
class Disconnect:
    """Close the session's connection, keep its credential."""


@dataclass(frozen=True, slots=True)
class LogOut:
    """Log the credential out at Telegram, close its connection and remove its file."""


@dataclass(frozen=True, slots=True)
class Forget:
    """Close the connection and remove the file of a credential that is good for nothing any more."""


Effect = (
    ExportToken
    | SendCode
    | SendCodeAgain
    | SignIn
    | CheckPassword
    | ImportBot
    | AbandonLogin
    | Connect
    | Disconnect
    | LogOut
    | Forget
)

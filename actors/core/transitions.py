"""The state machine as data: in each state, the messages that are lawful and the states they may lead to.

What happens on the way is in `decide`. Anything that is not in this table is Refused and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from actors.core import messages as m
from actors.core.states import (
    Absent,
    Authorized,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Revoked,
    Stale,
    State,
)

Moves = Mapping[type[m.Message], frozenset[type[State]]]


def to(*states: type[State]) -> frozenset[type[State]]:
    """The states that a message may lead to."""
    return frozenset(states)


# A login that ends without success goes back to where it began.
BACK = (Absent, Stale, Revoked)

_LOGIN_STARTS: Moves = {m.StartQr: to(PendingQr), m.StartCode: to(PendingCode), m.StartBot: to(PendingBot)}

TRANSITIONS: Mapping[type[State], Moves] = {
    Absent: {
        m.Woken: to(Absent),
        m.ImportLogin: to(Authorized),
        **_LOGIN_STARTS,
    },
    PendingQr: {
        m.Woken: to(PendingQr, *BACK),
        m.TimePassed: to(PendingQr, *BACK),
        **_LOGIN_STARTS,
        m.TokenIssued: to(PendingQr),
        m.TokenAccepted: to(PendingQr),
        m.PasswordNeeded: to(PendingPassword),
        m.SignedIn: to(Authorized, *BACK),
        m.Unreachable: to(PendingQr),
        m.ConnectionLost: to(PendingQr),
        m.FloodWaited: to(PendingQr),
        m.LoginFailed: to(*BACK),
        m.CancelLogin: to(*BACK),
    },
    PendingCode: {
        m.Woken: to(*BACK),
        m.TimePassed: to(PendingCode, *BACK),
        **_LOGIN_STARTS,
        m.CodeSent: to(PendingCode),
        m.SubmitCode: to(PendingCode),
        m.ResendCode: to(PendingCode),
        m.CodeRejected: to(PendingCode, *BACK),
        m.PasswordNeeded: to(PendingPassword),
        m.SignedIn: to(Authorized, *BACK),
        m.Unreachable: to(PendingCode),
        m.ConnectionLost: to(PendingCode),
        m.FloodWaited: to(PendingCode),
        m.LoginFailed: to(*BACK),
        m.CancelLogin: to(*BACK),
    },
    PendingBot: {
        m.Woken: to(*BACK),
        m.TimePassed: to(PendingBot, *BACK),
        **_LOGIN_STARTS,
        m.SignedIn: to(Authorized, *BACK),
        m.Unreachable: to(PendingBot),
        m.ConnectionLost: to(PendingBot),
        m.FloodWaited: to(PendingBot),
        m.LoginFailed: to(*BACK),
        m.CancelLogin: to(*BACK),
    },
    PendingPassword: {
        m.Woken: to(*BACK),
        m.TimePassed: to(PendingPassword, *BACK),
        **_LOGIN_STARTS,
        m.SubmitPassword: to(PendingPassword),
        m.PasswordRejected: to(PendingPassword, *BACK),
        m.SignedIn: to(Authorized, *BACK),
        m.Unreachable: to(PendingPassword),
        m.ConnectionLost: to(PendingPassword),
        m.FloodWaited: to(PendingPassword),
        m.LoginFailed: to(*BACK),
        m.CancelLogin: to(*BACK),
    },
    Authorized: {
        m.Woken: to(Authorized),
        m.TimePassed: to(Authorized),
        m.Validate: to(Authorized),
        m.Online: to(Authorized, Stale),
        m.Unreachable: to(Authorized, Stale),
        m.ConnectionLost: to(Authorized),
        m.FloodWaited: to(Authorized),
        m.AccountFrozen: to(Authorized),
        m.Idle: to(Authorized),
        m.CredentialUnusable: to(Authorized, Stale),
        m.CredentialLost: to(Revoked),
        m.StartSession: to(Authorized),
        m.StopSession: to(Authorized),
        m.Revoke: to(Revoked),
    },
    Stale: {
        m.Woken: to(Stale),
        m.TimePassed: to(Stale),
        m.Validate: to(Stale),
        m.Online: to(Authorized, Stale),
        m.Unreachable: to(Stale),
        m.ConnectionLost: to(Stale),
        m.FloodWaited: to(Stale),
        m.AccountFrozen: to(Authorized, Stale),
        m.Idle: to(Stale),
        m.CredentialUnusable: to(Stale),
        m.CredentialLost: to(Revoked),
        m.StartSession: to(Stale),
        m.StopSession: to(Stale),
        m.Revoke: to(Revoked),
        **_LOGIN_STARTS,
    },
    Revoked: {
        m.Woken: to(Revoked),
        m.LoggedOut: to(Revoked),
        m.CredentialLost: to(Revoked),
        m.Unreachable: to(Revoked),
        m.FloodWaited: to(Revoked),
        **_LOGIN_STARTS,
    },
}


class Refused(Exception):
    """This state does not take this message. The state is unchanged."""

    def __init__(self, state: State, message: m.Message) -> None:
        super().__init__(f"{state.name} does not take {type(message).__name__}")
        self.state = state
        self.message = message


class AnotherLogin(Refused):
    """The message belongs to a login that is not the one under way: an older or a foreign ticket."""


class MustWait(Refused):
    """Telegram asked to wait until `retry_at`; the state keeps its place."""

    def __init__(self, state: State, message: m.Message, retry_at: float) -> None:
        super().__init__(state, message)
        self.retry_at = retry_at

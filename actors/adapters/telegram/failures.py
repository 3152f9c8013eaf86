"""The error table: what each failure of Telethon means for a login, and for a session that is logged in.

Sources: core.telegram.org/api/errors and Telethon's `errors.rpcerrorlist`. Telethon's base classes do not help
here: UnauthorizedError includes "password needed", AuthKeyError (406) includes refusals that harm nothing.
Only the errors of DEFINITIVE cost a credential. Whatever is in no table is not for us to interpret: it is raised.
"""

from __future__ import annotations

import asyncio

from telethon import errors as t
from telethon.errors.common import AuthKeyNotFound, InvalidBufferError, SecurityError

from actors.adapters.telegram.guarded import NotOwned
from actors.adapters.telegram.proxied import ProxyUnreachable
from actors.adapters.telegram.sender import KeyNotMade
from actors.bridge import BridgeLost
from actors.core import messages as m
from actors.core.states import Reason

DEFINITIVE: dict[type[BaseException], Reason] = {
    t.AuthKeyUnregisteredError: Reason.AUTH_KEY_UNREGISTERED,
    t.AuthKeyInvalidError: Reason.AUTH_KEY_UNREGISTERED,
    t.SessionRevokedError: Reason.SESSION_REVOKED,
    t.SessionExpiredError: Reason.SESSION_REVOKED,
    t.AuthKeyDuplicatedError: Reason.AUTH_KEY_DUPLICATED,
    t.UserDeactivatedError: Reason.ACCOUNT_DELETED,
    t.UserDeactivatedBanError: Reason.ACCOUNT_BANNED,
    AuthKeyNotFound: Reason.AUTH_KEY_UNREGISTERED,
}

LOGIN_ENDED: dict[type[BaseException], Reason] = {
    t.PhoneCodeExpiredError: Reason.CODE_EXPIRED,
    t.PhoneHashExpiredError: Reason.CODE_EXPIRED,
    t.PhoneCodeHashEmptyError: Reason.CODE_EXPIRED,
    t.PhoneNumberInvalidError: Reason.PHONE_NUMBER_INVALID,
    t.PhoneNumberBannedError: Reason.PHONE_NUMBER_BANNED,
    t.PhoneNumberFloodError: Reason.PHONE_NUMBER_FLOOD,
    t.PhonePasswordFloodError: Reason.PHONE_NUMBER_FLOOD,
    t.PhoneNumberUnoccupiedError: Reason.PHONE_NUMBER_UNOCCUPIED,
    t.PhoneNumberAppSignupForbiddenError: Reason.PHONE_NUMBER_UNOCCUPIED,
    t.ApiIdInvalidError: Reason.APP_REFUSED,
    t.ApiIdPublishedFloodError: Reason.APP_REFUSED,
    t.ConnectionApiIdInvalidError: Reason.APP_REFUSED,
    t.UpdateAppToLoginError: Reason.APP_REFUSED,
    t.UserDeactivatedError: Reason.ACCOUNT_DELETED,
    t.UserDeactivatedBanError: Reason.ACCOUNT_BANNED,
}

APP_REFUSED = (
    t.ApiIdInvalidError,
    t.ApiIdPublishedFloodError,
    t.ConnectionApiIdInvalidError,  # what initConnection says; the others are answers to a login
    t.UpdateAppToLoginError,
)

WAITS = (
    t.FloodWaitError,
    t.FloodPremiumWaitError,
    t.FloodTestPhoneWaitError,
    t.SlowModeWaitError,
)

PASSING = (
    OSError,  # the network; ConnectionError is one, and so is TimeoutError
    EOFError,  # the server closed in the middle of a packet (asyncio.IncompleteReadError)
    asyncio.TimeoutError,
    BridgeLost,
    SecurityError,
    InvalidBufferError,
    t.ServerError,
    t.TimedOutError,
    t.RpcCallFailError,
    t.InvalidDCError,
)


def login_signal(error: BaseException, now: float) -> m.Signal | None:
    """What a failed call means for a login under way; None if this is no known failure."""
    if isinstance(error, t.PhoneCodeInvalidError | t.PhoneCodeEmptyError):
        return m.CodeRejected()
    if isinstance(error, t.PasswordHashInvalidError):
        return m.PasswordRejected()
    ended = LOGIN_ENDED.get(type(error))
    return m.LoginFailed(ended) if ended is not None else _passing(error, now)


def answer_signal(error: BaseException, now: float) -> m.Signal | None:
    """The same for what a person has typed: with a key that Telegram no longer takes there is no going on."""
    if type(error) in DEFINITIVE and type(error) not in LOGIN_ENDED:
        return m.LoginFailed(Reason.LOGIN_REFUSED)
    return login_signal(error, now)


def session_signal(error: BaseException, now: float) -> m.Signal | None:
    """What a failed call means for a logged in session; None if this is no known failure."""
    lost = DEFINITIVE.get(type(error))
    if lost is not None:
        return m.CredentialLost(lost)
    if isinstance(error, t.FrozenMethodInvalidError | t.FrozenParticipantMissingError):
        return m.AccountFrozen(now)
    if isinstance(error, APP_REFUSED):
        return m.Unreachable(now, Reason.APP_REFUSED)
    return _passing(error, now)


def _passing(error: BaseException, now: float) -> m.Signal | None:
    if isinstance(error, WAITS):
        return m.FloodWaited(now + error.seconds)
    if isinstance(error, ProxyUnreachable):
        return m.Unreachable(now, Reason.PROXY_UNREACHABLE)
    if isinstance(error, NotOwned | KeyNotMade):
        return m.Unreachable(now, Reason.NOT_OWNED)
    if isinstance(error, PASSING):
        return m.Unreachable(now)
    if isinstance(error, t.RPCError):
        return m.Unreachable(now, Reason.UNKNOWN_ERROR)  # never worth a credential
    return None

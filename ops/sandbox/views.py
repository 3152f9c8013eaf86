"""Our nouns as Telegram's types."""

import datetime as dt

from telethon.tl import types

from ops.sandbox import tl
from ops.sandbox.accounts import Account
from ops.sandbox.inbox import Letter
from ops.sandbox.keys import AuthKey


def moment(seconds: float) -> dt.datetime:
    """A Unix time as TL dates want it."""
    return dt.datetime.fromtimestamp(seconds, tz=dt.UTC)


def user(account: Account) -> tl.Tl:
    """The account as itself sees it."""
    return types.User(
        id=account.user_id,
        is_self=True,
        access_hash=account.access_hash,
        first_name=account.first_name,
        last_name=account.last_name,
        phone=None if account.bot_token else account.phone,
        bot=bool(account.bot_token),
        bot_info_version=1 if account.bot_token else None,
    )


def stranger(account: Account) -> tl.Tl:
    """The account as others see it."""
    return types.User(
        id=account.user_id,
        access_hash=account.access_hash,
        first_name=account.first_name,
        last_name=account.last_name,
    )


def message(number: int, letter: Letter) -> tl.Tl:
    """A message that an account received: the `number`th."""
    return types.Message(number, types.PeerUser(letter.sender_id), moment(letter.sent), letter.text)


def login(account: Account) -> tl.Tl:
    """The answer to every successful login."""
    return types.auth.Authorization(user(account))


def authorization(key: AuthKey, authorization_hash: int, *, is_pending: bool = False) -> tl.Tl:
    """A line in the list of devices. `authorization_hash` is 0 for the asker's own line."""
    device = key.device
    return types.Authorization(
        hash=authorization_hash,
        device_model=device.device_model if device else "",
        platform="SANDBOX",
        system_version=device.system_version if device else "",
        api_id=device.api_id if device else 0,
        app_name="SANDBOX",
        app_version=device.app_version if device else "",
        date_created=moment(key.authorization.created if key.authorization else 0),
        date_active=moment(key.active),
        ip="127.0.0.1",
        country="SANDBOX",
        region="",
        current=authorization_hash == 0,
        password_pending=is_pending,
    )

"""What an account learns about itself."""

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.call import Call
from ops.sandbox.errors import RpcError


def get_users(call: Call) -> tl.Tl:
    """users.getUsers: oneself; nobody else is known here."""
    return [views.user(call.account) if _is_self(call, who) else _nobody(who) for who in call.request.id]


def get_full_user(call: Call) -> tl.Tl:
    """users.getFullUser of oneself."""
    if not _is_self(call, call.request.id):
        raise RpcError(400, "USER_ID_INVALID")
    account = call.account
    full = types.UserFull(
        id=account.user_id,
        settings=types.PeerSettings(),
        notify_settings=types.PeerNotifySettings(),
        common_chats_count=0,
        about="SANDBOX: nobody real",
    )
    return types.users.UserFull(full, chats=[], users=[views.user(account)])


def update_status(_: Call) -> tl.Tl:
    """account.updateStatus: noted by nobody."""
    return True


def _is_self(call: Call, who: tl.Tl) -> bool:
    return isinstance(who, types.InputUserSelf) or getattr(who, "user_id", None) == call.account.user_id


def _nobody(who: tl.Tl) -> tl.Tl:
    return types.UserEmpty(getattr(who, "user_id", 0))

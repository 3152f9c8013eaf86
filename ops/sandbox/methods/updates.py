"""What happened to an account, told at once and on request (core.telegram.org/api/updates).

Nothing happens but messages that come in. Each counts one in `pts`, which begins at one.
"""

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.accounts import Account
from ops.sandbox.call import Call
from ops.sandbox.inbox import Letter
from ops.sandbox.world import World

_FIRST_PTS = 1
_SEQ = 1
# How much one answer tells; a client that missed more asks again.
_MOST = 100


def get_state(call: Call) -> tl.Tl:
    """updates.getState: where a new client starts."""
    return _state(call, len(call.account.inbox))


def get_difference(call: Call) -> tl.Tl:
    """updates.getDifference: what came after the client's `pts`."""
    inbox = call.account.inbox
    first = max(call.request.pts - _FIRST_PTS, 0)
    missed = list(enumerate(inbox, start=1))[first : first + _MOST]
    if not missed:
        return types.updates.DifferenceEmpty(views.moment(call.world.clock()), _SEQ)
    told, _ = missed[-1]
    messages = [views.message(number, letter) for number, letter in missed]
    senders = {letter.sender_id for _, letter in missed}
    users = [views.stranger(call.world.accounts.by_id(user_id)) for user_id in senders]
    kind = types.updates.Difference if told == len(inbox) else types.updates.DifferenceSlice
    return kind(messages, [], [], [], users, _state(call, told))


def deliver(world: World, account: Account, letter: Letter) -> int:
    """Let an account receive a message, and tell its clients; the account's `pts` from now on."""
    number = world.accounts.deliver(account, letter)
    pts = _FIRST_PTS + number
    news = types.UpdateNewMessage(views.message(number, letter), pts, pts_count=1)
    sender = views.stranger(world.accounts.by_id(letter.sender_id))
    update = types.Updates([news], [sender], [], views.moment(world.clock()), seq=0)
    for key in world.keys.of_account(account.user_id):
        if key.user_id is not None:
            world.live.push(key, update)
    return pts


def _state(call: Call, received: int) -> tl.Tl:
    now = views.moment(call.world.clock())
    return types.updates.State(_FIRST_PTS + received, qts=0, date=now, seq=_SEQ, unread_count=0)

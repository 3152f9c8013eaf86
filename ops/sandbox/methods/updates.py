"""The state of updates: nothing ever happens to these accounts (core.telegram.org/api/updates)."""

from telethon.tl import types

from ops.sandbox import tl, views
from ops.sandbox.call import Call

_PTS = 1


def get_state(_: Call) -> tl.Tl:
    """updates.getState: where a new client starts."""
    return types.updates.State(pts=_PTS, qts=0, date=views.now(), seq=1, unread_count=0)


def get_difference(_: Call) -> tl.Tl:
    """updates.getDifference: none."""
    return types.updates.DifferenceEmpty(date=views.now(), seq=1)

"""Hands all sessions of this node over while it still answers, as a deploy wants it before it stops a process."""

from __future__ import annotations

from collections.abc import Callable

import trio

from supervisor.sessions import Sessions

A_SECOND = 40
"""Sessions: the others connect them at a pace, and one that waits for its turn there is nobody's meanwhile."""

LONGEST = 8.0
"""Seconds within which all are begun with, however many there are: a platform's patience is 30."""

LINGER = 3.0
"""Seconds for the last ones; the end of the process sees to what is left then."""

LOOK_EVERY = 0.05


async def hand_over(sessions: Sessions, has_others: Callable[[], bool]) -> None:
    """Hand over every session that runs here, one after the other, as long as there are others to have them."""
    keys = list(sessions.running)
    pause = min(1 / A_SECOND, LONGEST / max(1, len(keys)))
    for key in keys:
        if not has_others():
            return
        sessions.hand_over(key)
        await trio.sleep(pause)
    with trio.move_on_after(LINGER):
        while sessions.running:  # noqa: ASYNC110 - a look now and then is simpler than telling of each end
            await trio.sleep(LOOK_EVERY)

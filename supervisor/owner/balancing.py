"""Gives sessions away, slowly and by clean hand-over only, while this node has more than its share."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import trio

from actors.core.names import SessionKey
from actors.core.states import Authorized, Substate
from supervisor.owner.watching import Watcher
from supervisor.ownership.placement import surplus
from supervisor.sessions import Session, Sessions

LOOK_EVERY = 5.0

PATIENCE = 30.0
"""Seconds for which there must have been too many: nodes that start and stop put it right by themselves."""

SHARE_A_MINUTE = 0.01
"""How much of its sessions a node gives away in a minute: each move is a reconnect, perhaps from another address."""


class Balancer:
    """Looks every few seconds whether this node has too many sessions."""

    def __init__(self, watcher: Watcher, sessions: Sessions, me: Callable[[], str]) -> None:
        self._watcher = watcher
        self._sessions = sessions
        self._me = me
        self._since: float | None = None

    async def keep_balancing(self) -> None:
        """Look, for ever."""
        while True:
            await trio.sleep(LOOK_EVERY)
            self.balance()

    def balance(self) -> None:
        """Give some away, if there have been too many for a while."""
        too_many = surplus(self._me(), self._watcher.nodes)
        if not too_many:
            self._since = None
            return
        now = trio.current_time()
        self._since = now if self._since is None else self._since
        if now - self._since >= PATIENCE:
            running = self._sessions.running
            a_look = ceil(len(running) * SHARE_A_MINUTE * LOOK_EVERY / 60)
            for key in self._movable()[: min(too_many, a_look)]:
                self._sessions.hand_over(key)

    def _movable(self) -> list[SessionKey]:
        """The sessions that would rather be elsewhere, and that nobody is busy with."""
        return [
            key
            for key, session in self._sessions.running.items()
            if _is_calm(session) and self._watcher.place(key) != self._me()
        ]


def _is_calm(session: Session) -> bool:
    state = session.published.snapshot.state
    is_online = isinstance(state, Authorized) and state.substate is Substate.ONLINE
    return is_online and session.mailbox.is_empty and not session.published.watchers

"""The node's brake: when many sessions crash at once, one common cause is likelier than many, so restarts wait."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import inf

import trio

from actors.core.names import SessionKey
from supervisor.events import NodeBraked, NodeReleased, Tell

WINDOW = 60.0
"""Seconds in which crashes are counted together, and which must pass without one before the brake ends."""

SPELLS_KEPT = 20
"""More than there can be in the 600 seconds of a crash budget, for each lasts at least WINDOW."""

FEWEST = 5
SHARE = 0.2


class Brake:
    """On once at least FEWEST, and more than SHARE of the running sessions, crash within WINDOW seconds."""

    def __init__(self, running: Callable[[], int], tell: Tell) -> None:
        self._running = running
        self._tell = tell
        self._crashes: dict[SessionKey, float] = {}
        self._last_crash = -inf
        self._began = 0.0
        self._spells: deque[tuple[float, float]] = deque(maxlen=SPELLS_KEPT)
        self.is_on = False

    @property
    def left(self) -> float:
        """Seconds until the brake ends if nothing else crashes; 0 if it is off."""
        return max(0.0, self._last_crash + WINDOW - trio.current_time()) if self.is_on else 0.0

    def note_crash(self, key: SessionKey) -> bool:
        """Note that a session crashed; whether the brake is on now, so that it must wait for `released`."""
        now = self._last_crash = trio.current_time()
        recent = {crashed: at for crashed, at in self._crashes.items() if at > now - WINDOW}
        self._crashes = recent | {key: now}
        crashed, running = len(self._crashes), self._running()
        if not self.is_on and crashed >= FEWEST and crashed > SHARE * running:
            self.is_on, self._began = True, now
            self._tell(NodeBraked(crashed, running))
        return self.is_on

    def forgives(self, crash: float) -> bool:
        """Whether a crash at this moment was part of what the brake was on for, so that it spends no budget."""
        return any(began - WINDOW < crash <= ended for began, ended in self._spells)

    async def released(self) -> None:
        """Wait until nothing has crashed for WINDOW seconds. The first who sees that ends the brake for all."""
        while True:
            await trio.sleep_until(self._last_crash + WINDOW)
            if self.left == 0:
                break
        if self.is_on:
            self.is_on = False
            self._spells.append((self._began, trio.current_time()))
            self._crashes.clear()
            self._tell(NodeReleased())

"""Tells whoever listens what happens: metrics, logs, and the parts of the process that act on it."""

from __future__ import annotations

from collections.abc import Callable

from supervisor.events import Event


class Telling:
    """Calls every listener with every event, in the order in which they came to listen."""

    def __init__(self, *listeners: Callable[[Event], None]) -> None:
        self._listeners = list(listeners)

    def __call__(self, event: Event) -> None:
        """Tell all of them."""
        for listener in self._listeners:
            listener(event)

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Tell this one too from now on."""
        self._listeners.append(listener)

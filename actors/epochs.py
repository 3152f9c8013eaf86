"""At which epochs this process owns sessions: what its claims know, and whatever writes for a session must say."""

from __future__ import annotations

from collections.abc import Callable

from actors.core.names import SessionKey


class Epochs:
    """The epoch of each session that this process owns. What is written under another one is refused."""

    def __init__(self) -> None:
        self._owned: dict[SessionKey, tuple[int, Callable[[], None]]] = {}

    def of(self, key: SessionKey) -> int | None:
        """The session's epoch, or None if it is not ours."""
        owned = self._owned.get(key)
        return None if owned is None else owned[0]

    def own(self, key: SessionKey, epoch: int, on_lost: Callable[[], None]) -> None:
        """The session is ours at this epoch; `on_lost` is called if a write finds that it is not any more."""
        self._owned[key] = (epoch, on_lost)

    def leave(self, key: SessionKey, epoch: int) -> None:
        """The session is not ours any more, at this epoch."""
        if self.of(key) == epoch:
            del self._owned[key]

    def refused(self, key: SessionKey) -> None:
        """A write of this session was refused, because it is somebody else's."""
        owned = self._owned.get(key)
        if owned is not None:
            owned[1]()

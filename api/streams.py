"""Event streams that are open: how many one caller may have at a time in this process."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import AsyncIterator

from api.caller import Caller
from api.errors import TooManyStreams
from api.permissions import EVERY_TENANT

PER_CALLER = 20


class Streams:
    """The open streams. The operator's own backend, which may follow everybody's logins, is not counted."""

    def __init__(self, per_caller: int = PER_CALLER) -> None:
        self._per_caller = per_caller
        self._open: Counter[str] = Counter()

    def count(self, caller: Caller, stream: AsyncIterator[str]) -> None:
        """Count this stream for as long as it exists, even if nobody ever reads from it. Raises TooManyStreams."""
        if caller.role in EVERY_TENANT:
            return
        if self._open[caller.name] >= self._per_caller:
            raise TooManyStreams
        self._open[caller.name] += 1
        weakref.finalize(stream, self._end, caller.name)

    def _end(self, name: str) -> None:
        self._open[name] -= 1
        if not self._open[name]:
            del self._open[name]

"""What is on its way to one client, and how faults hold it up."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from ops.sandbox.faults import AT_SENDING, Faults, Occasion, Slow

Deed: TypeAlias = Callable[[], None]


class Outgoing:
    """Lets go what is sent over one connection, unless that is closed by then."""

    def __init__(self, faults: Faults, is_open: Callable[[], bool]) -> None:
        self._faults = faults
        self._is_open = is_open

    def do(self, deed: Deed, occasion: Occasion, *, after: int = 0) -> None:
        """Do `deed`, which sends something, once every rule younger than rule `after` allows it."""
        if not self._is_open():
            return
        rule = self._faults.strike(occasion, AT_SENDING, after=after)
        if rule is None:
            deed()
            return
        go_on = partial(self.do, deed, occasion, after=rule.id)
        if isinstance(rule.fault, Slow):
            asyncio.get_running_loop().call_later(rule.fault.seconds, go_on)
        else:
            rule.held.append(go_on)

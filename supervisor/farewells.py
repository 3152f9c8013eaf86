"""Says to Telegram the logouts that sessions owe it: with patience, whatever became of the session or the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from actors.clock import Clock
from actors.core.credential import Credential
from actors.core.messages import CredentialLost, FloodWaited, LoggedOut, Signal
from actors.core.names import SessionKey
from actors.errors import StoreUnavailable
from actors.events import CredentialUnopened
from actors.ports import Farewells, Owed, OwedUnopened
from supervisor.events import Farewell, FarewellOutcome, Tell
from supervisor.keep_alive import one_life

LOOK_EVERY = 30.0
AT_ONCE = 20
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 1800.0

LogOut = Callable[[SessionKey, Credential], Awaitable[Signal]]


class Courier:
    """Carries farewells to Telegram, a few at a time. `log_out` passes the same gate as everybody's connects."""

    def __init__(self, farewells: Farewells, log_out: LogOut, clock: Clock, tell: Tell) -> None:
        self._farewells = farewells
        self._log_out = log_out
        self._clock = clock
        self._tell = tell

    async def keep_delivering(self) -> None:
        """Look for what is due, for ever."""
        while True:
            with suppress(StoreUnavailable):  # the next look will do
                await self.deliver()
                await self._farewells.erase_due()
            await trio.sleep(LOOK_EVERY)

    async def deliver(self) -> None:
        """Say what is due now, AT_ONCE at most. Raises StoreUnavailable."""
        due = await self._farewells.owed(AT_ONCE)
        async with trio.open_nursery() as nursery:
            for owed in due:
                match owed:
                    case Owed():
                        nursery.start_soon(self._say, owed)
                    case OwedUnopened(key, _, why):
                        self._tell(CredentialUnopened(key, why))

    async def _say(self, owed: Owed) -> None:
        answers: list[Signal] = []

        async def ask() -> None:
            answers.append(await self._log_out(owed.key, owed.credential))

        error = await one_life(ask)
        answer = answers[0] if answers else None
        with suppress(
            StoreUnavailable
        ):  # it is due again soon, and Telegram will say that it is gone already
            await self._note(owed, answer)
        self._tell(Farewell(owed.key, _outcome(answer), error))

    async def _note(self, owed: Owed, answer: Signal | None) -> None:
        match answer:
            case LoggedOut() | CredentialLost():
                await self._farewells.settled(owed)
            case FloodWaited(until):
                await self._farewells.postponed(owed, until)
            case _:
                await self._farewells.postponed(owed, self._clock.now() + pause(owed.attempts))


def pause(attempts: int) -> float:
    """Seconds before the next try after this many: a minute, then twice as long each time, at most half an hour."""
    return min(FIRST_PAUSE * 2.0 ** min(attempts, 10), LONGEST_PAUSE)


def _outcome(answer: Signal | None) -> FarewellOutcome:
    match answer:
        case LoggedOut():
            return FarewellOutcome.LOGGED_OUT
        case CredentialLost():
            return FarewellOutcome.GONE_ALREADY
        case None:
            return FarewellOutcome.FAILED
        case _:
            return FarewellOutcome.PUT_OFF

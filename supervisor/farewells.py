"""Says to Telegram the logouts that sessions owe it: with patience, whatever became of the session or the process."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress

import trio

from actors.clock import Clock
from actors.core.credential import Credential
from actors.core.messages import CredentialLost, FloodWaited, LoggedOut, Signal
from actors.core.names import SessionKey
from actors.errors import CredentialSealed, StoreUnavailable
from actors.ports import Debt, Debts
from supervisor.events import Farewell, FarewellOutcome, Tell
from supervisor.keep_alive import one_life

LOOK_EVERY = 30.0
AT_ONCE = 20
FIRST_PAUSE = 60.0
LONGEST_PAUSE = 1800.0

LogOut = Callable[[SessionKey, Credential], Awaitable[Signal]]


class Farewells:
    """Pays debts, a few at a time. `log_out` tells Telegram, through the same gate as everybody's connects."""

    def __init__(self, debts: Debts, log_out: LogOut, clock: Clock, tell: Tell) -> None:
        self._debts = debts
        self._log_out = log_out
        self._clock = clock
        self._tell = tell

    async def keep_paying(self) -> None:
        """Look for debts that are due, for ever."""
        while True:
            with suppress(StoreUnavailable, CredentialSealed):  # the next look may find it mended
                await self.pay()
            await trio.sleep(LOOK_EVERY)

    async def pay(self) -> None:
        """Pay what is due now, AT_ONCE at most. Raises StoreUnavailable."""
        due = await self._debts.owed(AT_ONCE)
        async with trio.open_nursery() as nursery:
            for debt in due:
                nursery.start_soon(self._pay_one, debt)

    async def _pay_one(self, debt: Debt) -> None:
        answers: list[Signal] = []

        async def say() -> None:
            answers.append(await self._log_out(debt.key, debt.credential))

        error = await one_life(say)
        answer = answers[0] if answers else None
        with suppress(
            StoreUnavailable
        ):  # then it is due again soon, and Telegram says that it is gone already
            await self._note(debt, answer)
        self._tell(Farewell(debt.key, _outcome(answer), error))

    async def _note(self, debt: Debt, answer: Signal | None) -> None:
        match answer:
            case LoggedOut() | CredentialLost():
                await self._debts.settled(debt)
            case FloodWaited(until):
                await self._debts.postponed(debt, until)
            case _:
                await self._debts.postponed(debt, self._clock.now() + pause(debt.attempts))


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

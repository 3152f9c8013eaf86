"""The mailbox of one actor: bounded, one reader, three lanes, and a reply slot in every ask.

It belongs to the session and not to one life of its actor, so what is waiting survives a restart.
Posting never waits: it may be done from asyncio callbacks and from trio tasks alike.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import outcome
import trio

from actors.core.messages import Command, Signal
from actors.core.states import State
from actors.errors import MailboxFull, NoAnswer, Unanswered

BOUND = 64


@dataclass(frozen=True, slots=True)
class Stop:
    """Control: finish what is in hand, leave the rest, and end this life."""


class Envelope:
    """A message, and for an ask the task that waits for the answer."""

    __slots__ = ("_asker", "message")

    def __init__(self, message: Command | Signal | Stop, asker: trio.lowlevel.Task | None = None) -> None:
        self.message = message
        self._asker = asker

    @property
    def is_awaited(self) -> bool:
        """Whether somebody still waits for the answer."""
        return self._asker is not None

    def abandon(self) -> None:
        """The asker has gone: do not wake it."""
        self._asker = None

    def answer(self, state: State) -> None:
        """Give the asker the state that its command led to."""
        self._wake(outcome.Value(state))

    def fail(self, error: Exception) -> None:
        """Raise this in the asker."""
        self._wake(outcome.Error(error))

    def _wake(self, result: outcome.Outcome[State]) -> None:
        asker, self._asker = self._asker, None
        if asker is not None:
            trio.lowlevel.reschedule(asker, result)


class Mailbox:
    """Control overtakes signals, signals overtake commands. Commands are bounded, equal signals coalesce."""

    def __init__(self, bound: int = BOUND) -> None:
        self._bound = bound
        self._control: deque[Stop] = deque()
        self._signals: dict[type[Signal], Signal] = {}
        self._commands: deque[Envelope] = deque()
        self._reader: trio.lowlevel.Task | None = None

    def __len__(self) -> int:
        """How many commands wait."""
        return len(self._commands)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits to be read."""
        return not (self._control or self._signals or self._commands)

    def stop(self) -> None:
        """Ask the actor to end its life before it takes up another command."""
        if not self._control:
            self._control.append(Stop())
        self._wake_reader()

    def tell(self, signal: Signal) -> None:
        """Leave a signal. Only the latest of each kind is kept, so a storm of them costs nothing."""
        self._signals[type(signal)] = signal
        self._wake_reader()

    async def ask(self, command: Command, within: float) -> State:
        """Leave a command and wait for the state it leads to, at most `within` seconds.

        Raises MailboxFull at once when 64 commands wait already, NoAnswer at the deadline, whatever error
        the actor answers with, and the Unanswered that `refuse_all` was given.
        """
        self._make_room()
        # Nothing may fail between leaving the envelope and waiting: an answer wakes the task, waiting or not.
        with trio.move_on_after(max(within, 0.0)):
            envelope = Envelope(command, trio.lowlevel.current_task())
            self._commands.append(envelope)
            self._wake_reader()

            def give_up(_: object) -> trio.lowlevel.Abort:
                envelope.abandon()
                return trio.lowlevel.Abort.SUCCEEDED

            state: State = await trio.lowlevel.wait_task_rescheduled(give_up)
            return state
        raise NoAnswer("the session did not answer in time")

    async def receive(self) -> Envelope:
        """The next message for the one reader; commands that nobody awaits any more are skipped."""
        await trio.lowlevel.checkpoint_if_cancelled()
        while (envelope := self._next()) is None:
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._reader_gives_up)
        return envelope

    def refuse_all(self, error: Unanswered) -> None:
        """Fail every ask that waits."""
        while self._commands:
            self._commands.popleft().fail(error)

    def _next(self) -> Envelope | None:
        if self._control:
            return Envelope(self._control.popleft())
        if self._signals:
            return Envelope(self._signals.pop(next(iter(self._signals))))
        while self._commands:
            envelope = self._commands.popleft()
            if envelope.is_awaited:
                return envelope
        return None

    def _make_room(self) -> None:
        if len(self._commands) >= self._bound:
            self._commands = deque(envelope for envelope in self._commands if envelope.is_awaited)
        if len(self._commands) >= self._bound:
            raise MailboxFull("too many requests wait for this session", retry_after=1.0)

    def _wake_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            trio.lowlevel.reschedule(reader)

    def _reader_gives_up(self, _: object) -> trio.lowlevel.Abort:
        self._reader = None
        return trio.lowlevel.Abort.SUCCEEDED

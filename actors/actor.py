"""The actor: one session's loop of receive, decide, save, perform and answer, one message at a time."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from math import inf

import trio

from actors.clock import Clock
from actors.core.credential import Keeping
from actors.core.decide import decide
from actors.core.decision import Decision, backoff
from actors.core.messages import Command, Idle, Message, Signal, TimePassed, Woken
from actors.core.names import SessionKey
from actors.core.record import from_record, to_record
from actors.core.states import Absent, Authorized, PendingQr, State, Substate, is_at_rest
from actors.core.transitions import Refused
from actors.errors import Crashed, Stopping, StoreUnavailable, Unanswered
from actors.events import Left, Loaded, SignalIgnored, Tell, TokenRotated, Transitioned
from actors.mailbox import Envelope, Mailbox, Stop
from actors.perform import perform
from actors.ports import OpenTelegram, Saved, Store, Telegram, Transition
from actors.published import Published

LINGER = 60.0
"""Seconds that a session which needs nobody is kept in memory after it was last asked something."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What all actors of a process share."""

    store: Store
    open_telegram: OpenTelegram
    clock: Clock
    tell: Tell
    idle_after: float = inf
    """Seconds after which a connection that nobody needs is closed until somebody does; never, unless set."""


class Actor:
    """One session. `live` is one life of it: the mailbox and what is published outlast a life."""

    def __init__(
        self, key: SessionKey, mailbox: Mailbox, published: Published, surroundings: Surroundings
    ) -> None:
        self.key = key
        self._mailbox = mailbox
        self._published = published
        self._store = surroundings.store
        self._open_telegram = surroundings.open_telegram
        self._clock = surroundings.clock
        self._tell = surroundings.tell
        self._idle_after = surroundings.idle_after
        self._needed_at = 0.0
        self._state: State = Absent()
        self._version = 0
        self._since = 0.0

    async def live(self) -> None:
        """Take the session up where it was saved and serve its mailbox until told to stop, or until it can rest.

        Raises whatever is not a known answer of a port: that is a crash, and the supervisor's business.
        """
        self._take_up(await self._patiently_load())
        self._needed_at = trio.current_time()
        try:
            async with self._open_telegram(self.key, self._mailbox.tell) as telegram:
                await self._follow(Woken(self._clock.now()), telegram)
                while (envelope := await self._next()) is not None:
                    await self._serve(envelope, telegram)
        finally:
            self._tell(Left(self.key, self._state.name))

    def _take_up(self, saved: Saved | None) -> None:
        if saved is not None:
            self._state, self._version, self._since = from_record(saved.record), saved.version, saved.since
        self._tell(Loaded(self.key, self._state.name))
        self._publish()

    async def _patiently_load(self) -> Saved | None:
        attempts = 0
        while True:
            try:
                return await self._store.load(self.key)
            except StoreUnavailable as unavailable:  # an outage of the database is not this session's crash
                self._mailbox.refuse_all(unavailable)
                await trio.sleep(backoff(attempts))
                attempts += 1

    async def _next(self) -> Envelope | None:
        """The next message: from the mailbox, or that it is time for something. None is the end of this life."""
        while True:
            due, event = self._next_event()
            with trio.CancelScope(deadline=due):
                envelope = await self._mailbox.receive()
                if isinstance(envelope.message, Command):
                    self._needed_at = trio.current_time()
                return None if isinstance(envelope.message, Stop) else envelope
            if event is not None:
                return Envelope(event(self._clock.now()))
            if not self._published.watchers and self._mailbox.is_empty:
                return None
            self._needed_at = trio.current_time()

    def _next_event(self) -> tuple[float, Callable[[float], Signal] | None]:
        """What is due next if nobody writes, and when on trio's clock. None is that the session can be left alone."""
        state, event = self._state, None
        deadline = inf if state.deadline is None else self._clock.to_trio(state.deadline)
        sooner = inf
        if is_at_rest(state):
            sooner = self._needed_at + LINGER
        elif isinstance(state, Authorized) and state.substate is Substate.ONLINE:
            sooner, event = self._needed_at + self._idle_after, Idle
        return (sooner, event) if sooner < deadline else (deadline, TimePassed)

    async def _serve(self, envelope: Envelope, telegram: Telegram) -> None:
        """Work on one message until nothing more follows from it, then answer."""
        message = envelope.message
        assert not isinstance(message, Stop)  # noqa: S101 - for the type checker: _next keeps it back
        try:
            await self._follow(message, telegram)
        except StoreUnavailable as unavailable:
            envelope.fail(unavailable)
            await self._make_sure(telegram)
        except (Refused, Unanswered) as answer:
            envelope.fail(answer)
        except BaseException as error:
            envelope.fail(self._no_answer(error))
            raise
        else:
            envelope.answer(self._state)

    async def _make_sure(self, telegram: Telegram) -> None:
        """A write that failed may have been committed, its confirmation lost: then go on from what the row says."""
        saved = await self._patiently_load()
        if saved is not None and saved.version != self._version:
            self._tell(Left(self.key, self._state.name))
            self._take_up(saved)
            await self._follow(Woken(self._clock.now()), telegram)

    @staticmethod
    def _no_answer(error: BaseException) -> Unanswered:
        if isinstance(error, Exception):
            return Crashed("the session failed while it worked on this, and is being started again")
        return Stopping("the session is being stopped", retry_after=1.0)

    async def _follow(self, first: Message, telegram: Telegram) -> None:
        """Decide, save and perform, and do the same with every signal that comes of it."""
        messages: deque[Message] = deque([first])
        while messages:
            message = messages.popleft()
            try:
                decision = decide(self._state, message)
            except Refused:
                if isinstance(message, Command):
                    raise
                self._tell(SignalIgnored(self.key, self._state.name, type(message).__name__))
                continue
            await self._become(decision, message)
            for effect in decision.effects:
                signal = await perform(effect, telegram, self._clock)
                if signal is not None:
                    messages.append(signal)

    async def _become(self, decision: Decision, because: Message) -> None:
        """Save what changed, then show it. A command that cannot be saved changes nothing; a signal waits."""
        before, state = self._state, decision.state
        if to_record(state) != to_record(before) or decision.keeping is not None:
            await self._save(decision, because)
        self._state = state
        if state != before:
            self._publish()
            if (
                isinstance(before, PendingQr)
                and isinstance(state, PendingQr)
                and state.issued > before.issued > 0
            ):
                self._tell(TokenRotated(self.key))

    async def _save(self, decision: Decision, because: Message) -> None:
        state = decision.state
        transition = self._transition(state, because)
        renamed = state.name != self._state.name
        since = self._clock.now() if renamed or not self._version else self._since
        saved = Saved(to_record(state), self._version + 1, since)
        patient = isinstance(because, Signal)
        await self._patiently_save(saved, transition, decision.keeping, patient=patient)
        self._version, self._since = saved.version, saved.since
        if transition is not None:
            self._tell(
                Transitioned(
                    self.key, transition.before, transition.after, transition.reason, transition.message
                )
            )

    def _transition(self, state: State, because: Message) -> Transition | None:
        before = self._state
        if (state.name, state.reason) == (before.name, before.reason):
            return None
        return Transition(type(because).__name__, before.name, state.name, state.reason)

    async def _patiently_save(
        self, saved: Saved, transition: Transition | None, keeping: Keeping | None, *, patient: bool
    ) -> None:
        attempts = 0
        while True:
            try:
                return await self._store.save(self.key, saved, transition, keeping)
            except StoreUnavailable as unavailable:
                if not patient:
                    raise
                # Telegram has already done its part. Forgetting that would lose a login, so this waits.
                self._mailbox.refuse_all(unavailable)
                await trio.sleep(backoff(attempts))
                attempts += 1

    def _publish(self) -> None:
        self._published.publish(self._state, self._version, self._since)

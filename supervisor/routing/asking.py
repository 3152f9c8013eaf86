"""What our node asks of others: a request is left in the post, its addressee rung at, and its answer waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from uuid import UUID

import trio

from actors.core.messages import Command
from actors.core.names import SessionKey
from actors.core.states import State
from actors.errors import MailboxFull, NoAnswer, NotOwner, NotUnderstood, StoreUnavailable
from actors.post import Answer, Ask, Bell, BellKind, Doorbell, Look, Post, Request, WaitChange, Wish
from actors.published import Snapshot
from supervisor.alarm import Alarm
from supervisor.events import NodeAsked, Tell, WishKind

POLL_EVERY = 1.0
"""Seconds after which the post is asked for answers that nobody has rung for."""

FORGET_EVERY = 0.2
"""Seconds in which requests gather that need no answer any more, to be removed by one statement."""

FORGOTTEN_AT_MOST = 10_000
"""What is to be forgotten while the database is down; of more, the sweep finds the rest."""

LOOK_WITHIN = 5.0
ON_THE_WAY = 0.5
"""Seconds that a long poll is shorter at the owner's, so that its answer is back in time."""

_KINDS = {Ask: WishKind.ASK, Look: WishKind.LOOK, WaitChange: WishKind.WAIT}


@dataclass(slots=True)
class Waiter:
    """Somebody who waits for one answer."""

    answer: Answer | None = None
    answered: trio.Event = field(default_factory=trio.Event)


class Asking:
    """Our requests to other nodes. Its methods are those of a Directory, with the node that is asked before the key.

    They raise what the owner's own directory raised, and NotOwner where nobody began because the node is gone.
    """

    def __init__(self, node_id: str, post: Post, doorbell: Doorbell, tell: Tell) -> None:
        self._node_id = node_id
        self._tell = tell
        self._post = post
        self._doorbell = doorbell
        self._nursery: trio.Nursery | None = None
        self._waiting: dict[UUID, Waiter] = {}
        self._rung: set[UUID] = set()
        self._forgotten: set[UUID] = set()
        self._alarm = Alarm()
        self._forgetting = Alarm()

    @property
    def waiting(self) -> int:
        """How many requests have no answer yet."""
        return len(self._waiting)

    async def ask(self, node_id: str, key: SessionKey, command: Command, within: float) -> State:
        """See Directory."""
        answer = await self._answer_to(Request(key, Ask(command), self._node_id, node_id, within))
        if isinstance(answer, Snapshot):
            raise _misfit(answer)
        return answer

    async def look(self, node_id: str, key: SessionKey) -> Snapshot:
        """See Directory. NoAnswer after LOOK_WITHIN seconds."""
        return await self._shown(node_id, key, Look(), LOOK_WITHIN)

    async def wait_change(self, node_id: str, key: SessionKey, sequence: int, within: float) -> Snapshot:
        """See Directory. NoAnswer if the present snapshot has not come LOOK_WITHIN seconds after `within`."""
        wish = WaitChange(sequence, max(0.0, within - ON_THE_WAY))
        return await self._shown(node_id, key, wish, within + LOOK_WITHIN)

    def hear(self, bells: Sequence[Bell]) -> None:
        """Fetch the answers that are there."""
        rung = {
            bell.request_id for bell in bells if bell.kind is BellKind.ANSWER and bell.request_id is not None
        }
        self._rung |= rung & self._waiting.keys()
        if any(bell.kind is BellKind.WAKE for bell in bells):
            self._rung |= self._waiting.keys()
        if self._rung:
            self._alarm.ring()

    async def keep(self) -> None:
        """Fetch answers and forget requests, for ever. Nothing can be asked but meanwhile."""
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            nursery.start_soon(self._keep_forgetting)
            try:
                await self._keep_fetching()
            finally:
                self._nursery = None

    async def _shown(self, node_id: str, key: SessionKey, wish: Wish, within: float) -> Snapshot:
        answer = await self._answer_to(Request(key, wish, self._node_id, node_id, within))
        if not isinstance(answer, Snapshot):
            raise _misfit(answer)
        return answer

    async def _answer_to(self, request: Request) -> State | Snapshot:
        """The answer, or the error that is one. Who is cancelled tells nobody."""
        began = trio.current_time()
        try:
            answer = await self._wait_for(request)
        except (StoreUnavailable, MailboxFull) as refusal:
            answer = refusal
        error = type(answer).__name__ if isinstance(answer, Exception) else None
        self._tell(NodeAsked(_KINDS[type(request.wish)], trio.current_time() - began, error))
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _wait_for(self, request: Request) -> Answer:
        waiter = self._waiting[request.id] = Waiter()
        try:
            with trio.move_on_after(max(0.0, request.within)):
                await self._post.post(request)
                self._ring(request)
                await waiter.answered.wait()
        finally:
            del self._waiting[request.id]
            self._forget(request.id)
        return NoAnswer("the session did not answer in time") if waiter.answer is None else waiter.answer

    def _ring(self, request: Request) -> None:
        """Ring in a task of its own: nobody's deadline shall be spent on a doorbell that is silent."""
        if self._nursery is not None:
            self._nursery.start_soon(self._doorbell.ring, request.to_node, Bell(BellKind.ASK, request.id))

    def _forget(self, request_id: UUID) -> None:
        if len(self._forgotten) < FORGOTTEN_AT_MOST:
            self._forgotten.add(request_id)
            self._forgetting.ring()

    # -- fetching

    async def _keep_fetching(self) -> None:
        next_poll = trio.current_time() + POLL_EVERY
        while True:
            await self._alarm.wait(max(0.0, next_poll - trio.current_time()))
            polls = trio.current_time() >= next_poll
            wanted = set(self._waiting) if polls else self._rung & self._waiting.keys()
            self._rung.clear()
            if polls:
                next_poll = trio.current_time() + POLL_EVERY
            if wanted:
                with suppress(StoreUnavailable):  # the next poll wants them again
                    await self._fetch(wanted, withdraw=polls)

    async def _fetch(self, wanted: set[UUID], *, withdraw: bool) -> None:
        answers = await self._post.answers(wanted)
        self._hand_out(answers)
        if withdraw and (missing := wanted - answers.keys()):
            gone = await self._post.withdraw(missing)
            self._hand_out({each: NotOwner("the node that owned the session is gone", 1.0) for each in gone})

    def _hand_out(self, answers: Mapping[UUID, Answer]) -> None:
        for request_id, answer in answers.items():
            waiter = self._waiting.get(request_id)
            if waiter is not None and waiter.answer is None:
                waiter.answer = answer
                waiter.answered.set()

    # -- forgetting

    async def _keep_forgetting(self) -> None:
        while True:
            await self._forgetting.wait(inf)
            await trio.sleep(FORGET_EVERY)
            forgotten, self._forgotten = self._forgotten, set()
            try:
                await self._post.forget(forgotten)
            except StoreUnavailable:
                self._forgotten |= forgotten
                await trio.sleep(POLL_EVERY)
                self._forgetting.ring()


def _misfit(answer: State | Snapshot) -> NotUnderstood:
    return NotUnderstood(f"another node answered with a {type(answer).__name__}, which was not asked for")

"""Twins of the post and of the doorbell between nodes, by trio's clock."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from math import inf
from uuid import UUID

import trio

from actors.adapters.wire_format import read_answer, read_wish, write_answer, write_wish
from actors.core.owners import NodeEpoch
from actors.errors import MailboxFull, StoreUnavailable
from actors.post import (
    WAITING_FOR_NODE,
    WAITING_FOR_SESSION,
    WAKE,
    Answer,
    Bell,
    Delivery,
    Illegible,
    Request,
    WaitChange,
)
from tests.fakes.arbiter import FakeArbiter

GRACE = 60.0


@dataclass
class Letter:
    """One row."""

    request: Request
    until: float
    taker: NodeEpoch | None = None
    answer: Answer | None = None

    @property
    def is_queued(self) -> bool:
        return self.taker is None and trio.current_time() < self.until

    @property
    def waits(self) -> bool:
        return self.answer is None and trio.current_time() < self.until


class FakePost:
    """A Post in a dict. `down = True` is an outage. `arbiter` knows which nodes there are, and what they own."""

    def __init__(
        self,
        arbiter: FakeArbiter,
        *,
        for_session: int = WAITING_FOR_SESSION,
        for_node: int = WAITING_FOR_NODE,
    ) -> None:
        self.down = False
        self.letters: dict[UUID, Letter] = {}
        self.posted = 0
        """How many requests were ever left."""
        self._arbiter = arbiter
        self._bounds = for_session, for_node

    async def post(self, request: Request) -> None:
        await self._reach()
        waiting = [letter.request for letter in self.letters.values() if letter.waits]
        for_session, for_node = self._bounds
        if (
            sum(each.key == request.key for each in waiting) >= for_session
            or sum(each.to_node == request.to_node for each in waiting) >= for_node
        ):
            raise MailboxFull("too many requests wait for this session", retry_after=1.0)
        if request.id not in self.letters:
            self.letters[request.id] = Letter(request, trio.current_time() + request.within)
            self.posted += 1

    async def take(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        await self._reach()
        return self._taken(me, limit, lambda letter: letter.request.to_node == me.node_id)

    async def take_over(self, me: NodeEpoch, limit: int) -> list[Delivery | Illegible]:
        await self._reach()
        return self._taken(me, limit, lambda letter: self._is_left_to(me, letter.request))

    def _taken(
        self, me: NodeEpoch, limit: int, is_due: Callable[[Letter], bool]
    ) -> list[Delivery | Illegible]:
        if not self._lives(me):
            return []
        due = [letter for letter in self.letters.values() if letter.is_queued and is_due(letter)]
        due.sort(key=lambda letter: isinstance(letter.request.wish, WaitChange))
        for letter in due[:limit]:
            letter.taker = me
        return [self._delivery(letter) for letter in due[:limit]]

    @staticmethod
    def _delivery(letter: Letter) -> Delivery:
        request, left = letter.request, letter.until - trio.current_time()
        wish = read_wish(write_wish(request.wish))
        return Delivery(request.id, request.key, wish, request.from_node, left)

    def _is_left_to(self, me: NodeEpoch, request: Request) -> bool:
        row = self._arbiter.rows.get(request.key)
        return self._is_gone(request.to_node) and row is not None and row.owner == me

    async def answer(self, me: NodeEpoch, to: Delivery | Illegible, answer: Answer) -> bool:
        await self._reach()
        letter = self.letters.get(to.id)
        if letter is None or letter.taker != me or letter.answer is not None:
            return False
        letter.answer = read_answer(write_answer(answer))
        return True

    async def answers(self, request_ids: Collection[UUID]) -> dict[UUID, Answer]:
        await self._reach()
        found = {each: self.letters[each].answer for each in request_ids if each in self.letters}
        return {each: answer for each, answer in found.items() if answer is not None}

    async def withdraw(self, request_ids: Collection[UUID]) -> set[UUID]:
        await self._reach()
        gone = {
            each
            for each in request_ids
            if each in self.letters
            and self.letters[each].taker is None
            and self._is_gone(self.letters[each].request.to_node)
        }
        for each in gone:
            del self.letters[each]
        return gone

    async def forget(self, request_ids: Collection[UUID]) -> None:
        await self._reach()
        for each in request_ids:
            self.letters.pop(each, None)

    async def sweep(self) -> int:
        await self._reach()
        void = [each for each, letter in self.letters.items() if letter.until < trio.current_time() - GRACE]
        for each in void:
            del self.letters[each]
        return len(void)

    async def _reach(self) -> None:
        await trio.lowlevel.checkpoint()
        if self.down:
            raise StoreUnavailable("the fake post is down")

    def _lives(self, me: NodeEpoch) -> bool:
        return not self._is_gone(me.node_id) and self._arbiter.nodes[me.node_id].node == me

    def _is_gone(self, node_id: str) -> bool:
        return node_id not in self._arbiter.nodes or node_id in self._arbiter.over


class FakeDoorbell:
    """A Doorbell for all nodes of a test. `down = True` is an outage; `lose_every = n` loses each n-th ring."""

    def __init__(self) -> None:
        self._down = False
        self.lose_every = inf
        self.rings = 0
        self._listeners: dict[str, list[Callable[[Sequence[Bell]], None]]] = {}

    @property
    def down(self) -> bool:
        return self._down

    @down.setter
    def down(self, value: bool) -> None:
        was, self._down = self._down, value
        if was and not value:
            for listeners in self._listeners.values():
                for heard in listeners:
                    heard([WAKE])

    async def ring(self, node_id: str, bell: Bell) -> bool:
        await trio.lowlevel.checkpoint()
        if self._down:
            return False
        self.rings += 1
        if self.rings % self.lose_every:
            for heard in self._listeners.get(node_id, []):
                heard([bell])
        return True

    async def listen(self, node_id: str, heard: Callable[[Sequence[Bell]], None]) -> None:
        listeners = self._listeners.setdefault(node_id, [])
        listeners.append(heard)
        try:
            if not self._down:
                heard([WAKE])
            await trio.sleep_forever()
        finally:
            listeners.remove(heard)

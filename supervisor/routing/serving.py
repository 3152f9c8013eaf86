"""What other nodes ask of ours: taken from the post, given to the local directory, answered."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

import trio

from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch
from actors.core.states import State
from actors.errors import Crashed, NotOwner, StoreUnavailable
from actors.ports import Directory
from actors.post import (
    TELLABLE,
    Answer,
    Ask,
    Bell,
    BellKind,
    Delivery,
    Doorbell,
    Illegible,
    Look,
    Post,
    WaitChange,
)
from actors.published import Snapshot
from supervisor.alarm import Alarm
from supervisor.events import RequestCrashed, Tell
from supervisor.keep_alive import first_of, one_life

POLL_EVERY = 1.0
"""Seconds after which the post is looked through though nobody has rung."""

TAKE_OVER_EVERY = 5.0
"""Seconds between two looks for what nodes that are gone have left of our sessions."""

AT_ONCE = 1024
"""Requests that are served at the same time; the others wait in the post."""

WAITS_AT_ONCE = 512
"""Long polls among them. One more is answered with the present state, so that they never keep asks waiting."""

PATIENCE = 30.0
"""Seconds for which an answer is kept at hand while the database is down."""

TRY_AGAIN = 0.5

LEAVE = 5.0
"""Seconds that requests in hand get when the node stops."""

Take = Callable[[NodeEpoch, int], Awaitable[Sequence[Delivery | Illegible]]]


class Serving:
    """Serves requests of other nodes for as long as `keep` runs."""

    def __init__(
        self,
        me: NodeEpoch,
        post: Post,
        doorbell: Doorbell,
        directory: Directory,
        tell: Tell,
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        self._me = me
        self._post = post
        self._doorbell = doorbell
        self._directory = directory
        self._tell = tell
        self._free = at_once
        self._taking = trio.CancelScope()
        self._waits: set[trio.CancelScope] = set()
        self._alarm = Alarm()

    def hear(self, bells: Sequence[Bell]) -> None:
        """Look through the post."""
        if any(bell.kind in (BellKind.ASK, BellKind.WAKE) for bell in bells):
            self._alarm.ring()

    async def keep(self) -> None:
        """Take and serve until `stop`. A task for each request: no session waits for another one."""
        async with trio.open_nursery() as nursery:
            with self._taking:
                await self._keep_taking(nursery)
            nursery.cancel_scope.deadline = trio.current_time() + LEAVE
            for wait in self._waits:
                wait.cancel()

    def stop(self) -> None:
        """Take nothing more, and be done with what was taken within LEAVE seconds."""
        self._taking.cancel()

    async def _keep_taking(self, nursery: trio.Nursery) -> None:
        next_inheritance = trio.current_time()
        while True:
            is_more = False
            with suppress(StoreUnavailable):  # the next round finds what is there
                is_more = await self._take(nursery, self._post.take)
                if trio.current_time() >= next_inheritance:
                    await self._take(nursery, self._post.take_over)
                    next_inheritance = trio.current_time() + TAKE_OVER_EVERY
            if not is_more:
                await self._alarm.wait(POLL_EVERY)

    async def _take(self, nursery: trio.Nursery, take: Take) -> bool:
        """Begin with all that is there; whether there may be more, and room for it."""
        room = self._free
        taken = await take(self._me, room) if room else []
        for each in taken:
            self._free -= 1
            nursery.start_soon(self._serve, each)
        return 0 < room == len(taken) and self._free > 0

    async def _serve(self, taken: Delivery | Illegible) -> None:
        until = trio.current_time() + (taken.left if isinstance(taken, Delivery) else PATIENCE)
        try:
            answer = taken.why if isinstance(taken, Illegible) else await self._answer_to(taken)
            await self._send(taken, answer, until)
        finally:
            self._free += 1
            if self._free == 1:
                self._alarm.ring()

    async def _answer_to(self, delivery: Delivery) -> Answer:
        answers: list[Answer] = []

        async def work() -> None:
            answers.append(await self._carry_out(delivery))

        error = await one_life(work)
        if error is None:
            return answers[0]
        cause = first_of(error)
        if isinstance(cause, Exception) and type(cause) in TELLABLE.values():
            return cause
        self._tell(RequestCrashed(delivery.key, cause))
        return Crashed("the session failed while it worked on this")

    async def _carry_out(self, delivery: Delivery) -> State | Snapshot:
        match delivery.wish:
            case Ask(command):
                return await self._directory.ask(delivery.key, command, delivery.left)
            case Look():
                return await self._look(delivery.key)
            case WaitChange(sequence, within):
                return await self._wait_change(delivery.key, sequence, within)

    async def _look(self, key: SessionKey) -> Snapshot:
        """What is saved anybody can read. We are asked for what we alone can show, and it has left us."""
        if key not in self._directory.running:
            raise NotOwner("the session does not run here", retry_after=1.0)
        return await self._directory.look(key)

    async def _wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        if len(self._waits) >= WAITS_AT_ONCE:
            return await self._directory.wait_change(key, sequence, 0.0)
        with trio.CancelScope() as wait:
            self._waits.add(wait)
            try:
                return await self._directory.wait_change(key, sequence, within)
            finally:
                self._waits.discard(wait)
        return await self._directory.look(key)

    async def _send(self, taken: Delivery | Illegible, answer: Answer, until: float) -> None:
        """Answer, again and again while the database is down: what was done shall not look as if it were not."""
        while True:
            try:
                is_awaited = await self._post.answer(self._me, taken, answer)
            except StoreUnavailable:
                if trio.current_time() + TRY_AGAIN > until:
                    return
                await trio.sleep(TRY_AGAIN)
            else:
                break
        if is_awaited:
            await self._doorbell.ring(taken.from_node, Bell(BellKind.ANSWER, taken.id))

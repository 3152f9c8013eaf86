"""People: they ask any node for their session, go where its owner is, and remember what they were promised."""

from __future__ import annotations

from typing import TYPE_CHECKING

import outcome
import trio

from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.record import to_record
from actors.core.states import State
from actors.core.transitions import Refused
from actors.errors import NotOwner, Unanswered
from tests.nodes.node import Node

if TYPE_CHECKING:
    from tests.nodes.run import Cluster

MEAN_PAUSE = 12.0
PATIENCE = 8.0
RETRIES = 3


class Person:
    """Cares for one session."""

    def __init__(self, cluster: Cluster, key: SessionKey) -> None:
        self._cluster = cluster
        self._key = key
        self._rules = cluster.world.rules
        self._chance = cluster.world.chance
        self._promised: bool | None = False
        """Whether the session is stopped, by the last answer; None if a command went unanswered since."""
        self._on_their_way = 0
        """Commands, given up long ago perhaps, that may yet reach somebody: a frozen machine, say."""

    async def live(self, until: float) -> None:
        """Act now and then, until that moment; at last the session is to run."""
        while trio.current_time() < until:
            await trio.sleep(self._chance.expovariate(1 / MEAN_PAUSE))
            self.look()
            wish = self._chance.choice((m.StopSession, m.StartSession, m.StartSession, m.Validate))
            await self._command(wish())

    def look(self) -> None:
        """What was promised is so."""
        row = self._rules.row(self._key)
        unknown = self._promised is None or self._on_their_way
        kept = unknown or row.stopped == self._promised
        self._rules.hold(kept, f"no acknowledged command is lost: {self._promised} {row}", self._key)

    async def insist(self) -> None:
        """Ask for the session to run, again and again, until that was answered and it is online."""
        while not (await self._command(m.StartSession()) and self._cluster.is_online(self._key)):
            await trio.sleep(3.0)

    async def _command(self, command: m.Command) -> bool:
        """Ask, and ask elsewhere if it was the wrong node."""
        for _ in range(RETRIES):
            node = self._cluster.node_for(self._key)
            if node is None:
                return False
            changes = not isinstance(command, m.Validate)
            promised, self._promised = self._promised, None if changes else self._promised
            try:
                state = await self._ask(node, command)
            except NotOwner:
                self._promised = promised  # nothing was done
                await trio.sleep(1.0)
                continue
            except (Refused, Unanswered) as refusal:
                self._rules.note("refusal", self._key, f"{type(command).__name__} {refusal}")
                return False
            if state is None:
                return False
            self._rules.told(self._key, state, 0)
            if changes:
                self._promised = isinstance(command, m.StopSession)
            self._rules.note("answer", self._key, f"{type(command).__name__} {to_record(state)}")
            self.look()
            return True
        return False

    async def _ask(self, node: Node, command: m.Command) -> State | None:
        """Through the node's own API; None if it dies over it, or stands still for too long."""
        answers: list[outcome.Outcome[State]] = []
        came = trio.Event()
        has_given_up = False

        async def work() -> None:
            sessions = node.sessions
            assert sessions is not None
            try:
                answer = await outcome.acapture(sessions.ask, self._key, command, PATIENCE)
            finally:
                self._on_their_way -= 1
                if has_given_up:
                    self._promised = None  # whatever came of it, it came after what was answered since
            if node.is_dead:
                return
            if isinstance(answer, outcome.Error) and not isinstance(answer.error, Exception):
                raise answer.error
            answers.append(answer)
            came.set()

        if node.tasks is None:
            return None
        self._on_their_way += 1
        node.place.spawn(node.tasks, work)
        with trio.move_on_after(PATIENCE + 1.0):
            await came.wait()
        has_given_up = not answers
        return answers[0].unwrap() if answers else None

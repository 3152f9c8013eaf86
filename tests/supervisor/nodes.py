"""Several nodes around one post, one doorbell and one arbiter, all of them fakes; the post offices are real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import trio

from actors.core.messages import Command, StartQr
from actors.core.names import SessionKey
from actors.core.owners import NodeEpoch, Ownership
from actors.core.states import Absent, Authorized, State
from actors.errors import NotOwner
from actors.ports import Directory
from actors.published import Published, Snapshot
from supervisor.events import Event
from supervisor.routing.asking import Asking
from supervisor.routing.office import PostOffice
from supervisor.routing.router import Router
from supervisor.sessions import Sessions
from tests.fakes import FakeArbiter, FakeDoorbell, FakePost
from tests.supervisor.service import KEY

Work = Callable[[SessionKey, Command], Awaitable[State]]


def command(number: int) -> StartQr:
    """One of many, told apart by its number."""
    return StartQr(f"login-{number}", 1000.0 + number)


class Desk:
    """A local directory of which a test says how it works; by default it answers every command at once."""

    def __init__(self) -> None:
        self.began: list[Command] = []
        self.done: list[Command] = []
        self.published: dict[SessionKey, Published] = {}
        self.work: Work = self._answer
        self.owns: Callable[[SessionKey], bool] = lambda _: True

    @property
    def running(self) -> Mapping[SessionKey, object]:
        return self.published

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        await self._require(key)
        assert within > 0
        self.began.append(command)
        state = await self.work(key, command)
        self.done.append(command)
        return state

    async def look(self, key: SessionKey) -> Snapshot:
        await self._require(key)
        return self.show(key).snapshot

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        await self._require(key)
        with trio.move_on_after(within):
            return await self.show(key).wait_newer(sequence)
        return self.show(key).snapshot

    def show(self, key: SessionKey) -> Published:
        """The session's notice board, which has something on it."""
        if key not in self.published:
            self.published[key] = Published()
            self.published[key].publish(Absent(), 1, 0.0)
        return self.published[key]

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        await trio.lowlevel.checkpoint()
        rows = sorted(self.published.items())
        return [
            (key, board.snapshot)
            for key, board in rows
            if tenant_id in {None, key.tenant_id} and (after is None or key > after)
        ][:limit]

    async def _require(self, key: SessionKey) -> None:
        await trio.lowlevel.checkpoint()
        if not self.owns(key):
            raise NotOwner("this node does not own the session", 1.0)

    @staticmethod
    async def _answer(_: SessionKey, command: Command) -> State:
        assert isinstance(command, StartQr)
        return Authorized(int(command.login_id.removeprefix("login-")))


@dataclass
class Owned:
    """A node's real directory, as it will be: it has nothing to do with sessions that the node does not own."""

    sessions: Sessions
    owns: Callable[[SessionKey], bool]

    @property
    def running(self) -> Mapping[SessionKey, object]:
        return self.sessions.running

    async def ask(self, key: SessionKey, command: Command, within: float) -> State:
        self._require(key)
        return await self.sessions.ask(key, command, within)

    async def look(self, key: SessionKey) -> Snapshot:
        self._require(key)
        return await self.sessions.look(key)

    async def wait_change(self, key: SessionKey, sequence: int, within: float) -> Snapshot:
        self._require(key)
        return await self.sessions.wait_change(key, sequence, within)

    async def page(
        self, tenant_id: str | None, after: SessionKey | None, limit: int
    ) -> list[tuple[SessionKey, Snapshot]]:
        return await self.sessions.page(tenant_id, after, limit)

    def _require(self, key: SessionKey) -> None:
        if not self.owns(key):
            raise NotOwner("this node does not own the session", 1.0)


@dataclass
class Node:
    """One node that is up."""

    me: NodeEpoch
    office: PostOffice
    scope: trio.CancelScope = field(default_factory=trio.CancelScope)

    @property
    def remote(self) -> Asking:
        return self.office.remote


@dataclass
class Cluster:
    """All nodes."""

    arbiter: FakeArbiter = field(default_factory=FakeArbiter)
    doorbell: FakeDoorbell = field(default_factory=FakeDoorbell)
    told: list[Event] = field(default_factory=list)
    post: FakePost = field(init=False)
    lookups: int = 0

    def __post_init__(self) -> None:
        self.post = FakePost(self.arbiter)

    @asynccontextmanager
    async def node(self, node_id: str, directory: Directory) -> AsyncIterator[Node]:
        me = await self.arbiter.boot(node_id, "boot")
        office = PostOffice(me, self.post, self.doorbell, directory, self.told.append)
        async with office.open():
            yield Node(me, office)

    @asynccontextmanager
    async def pair(self, there: Directory) -> AsyncIterator[Asking]:
        """A node "here" that asks, and a node "there" with this directory."""
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.node("there", there))
            here = await stack.enter_async_context(self.node("here", Desk()))
            yield here.remote

    def router(self, node: Node, local: Directory, place: str = "there") -> Router:
        async def saved(_: SessionKey) -> Snapshot:
            await trio.lowlevel.checkpoint()
            return Snapshot(Absent(), 7)

        return Router(node.me.node_id, local, node.remote, self.owner_of, lambda _: place, saved)

    async def owner_of(self, key: SessionKey) -> str | None:
        self.lookups += 1
        row = await self.arbiter.look(key)
        return None if row is None or row.owner is None else row.owner.node_id

    async def give(self, node: NodeEpoch, key: SessionKey = KEY) -> None:
        """Let this node own the session from now on, whoever did before."""
        row = await self.arbiter.look(key)
        epoch = 1 if row is None else row.epoch + 1
        self.arbiter.rows[key] = Ownership(key, epoch, node, is_clean=True)

    async def fence(self, gone: str) -> None:
        """End a node's life."""
        witness = await self.arbiter.boot("witness", "boot")
        assert await self.arbiter.fence(witness, self.arbiter.nodes[gone])

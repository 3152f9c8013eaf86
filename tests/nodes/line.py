"""A session's line: the Telegram port over a guarded connection, which treats its guard as the Telethon line does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from actors.core import messages as m
from actors.core.names import SessionKey
from actors.core.secret import Secret
from actors.core.states import Reason
from actors.errors import StoreUnavailable
from actors.guard import Ends, Guard
from tests.fakes import SERVICE
from tests.nodes.sockets import Socket
from tests.nodes.telegram import Packet, Told

if TYPE_CHECKING:
    from tests.nodes.node import Node

ANSWER = 5.0
DIAL = 10.0
FAREWELL = 1.5
CALL = 12.0


class Link:
    """One connection: its guard's Link."""

    def __init__(
        self, key: SessionKey, socket: Socket, guard: Guard, node: Node, on_end: Callable[[], None]
    ) -> None:
        self._key = key
        self._socket = socket
        self._guard = guard
        self._node = node
        self._on_end = on_end
        self._is_open = False
        self._is_shut = False
        self.ended = trio.Event()
        self.answered = trio.Event()

    # -- what its guard does with it

    @property
    def ends(self) -> Ends:
        return Ends(self._socket.port)

    def ping(self) -> None:
        if self._is_open and not self._is_shut and self.is_up:
            self._write(Packet.PING)

    def half_close(self) -> None:
        if not self._is_shut and self.is_up:
            self._is_shut = True
            if not self._node.is_dead:
                self._socket.shut()

    def abort(self) -> None:
        if self._node.is_dead:
            return
        if self.ended.is_set():
            self._socket.shut()
        else:
            self._socket.reset()

    # -- what its line does with it

    @property
    def is_up(self) -> bool:
        return not self.ended.is_set()

    async def open(self) -> bool:
        """Ask the guard, and write the first packet in the same step."""
        is_ours = False
        self._node.asking += 1
        try:
            with trio.move_on_after(ANSWER):
                is_ours = await self._guard.open(self)
        except BaseException:
            self.abort()
            self._guard.broken()
            raise
        finally:
            self._node.asking -= 1
        if not is_ours:
            self.abort()
            self._guard.broken()
            return False
        self._is_open = True
        self._node.first_packet(self._key, self._guard)
        self._write(Packet.FIRST)
        if self.ended.is_set():
            self._guard.broken()
        return True

    def reconnect(self) -> None:
        """What no line does: connect again without asking anybody. Telethon does it unless it is told not to."""
        again = Socket(self._node.host, self._socket.auth_key, self._node.name, 8.0)
        again.write(Packet.FIRST)

    async def call(self) -> bool:
        """Ask Telegram something; whether it answered."""
        self.answered = trio.Event()
        self._write(Packet.CALL)
        return await self.hear()

    async def hear(self) -> bool:
        """Whether an answer comes."""
        with trio.move_on_after(CALL):
            while self.is_up and not self.answered.is_set():
                async with trio.open_nursery() as either:
                    for event in (self.answered, self.ended):
                        either.start_soon(_wait, event, either.cancel_scope)
        return self.is_up and self.answered.is_set()

    async def close(self) -> None:
        """Say farewell, and close it whatever comes of that."""
        if self._is_open and self.is_up:
            self.half_close()
            with trio.move_on_after(FAREWELL):
                await self.ended.wait()
        if not self._node.is_dead:
            self._socket.shut()
        self._end(was_seen=False)

    async def read(self) -> None:
        """Hear what comes, until the end."""
        while self.is_up:
            while self._socket.inbox and self.is_up:
                self._hear(self._socket.inbox.popleft())
            self._socket.readable = trio.Event()
            if not self.ended.is_set() and not self._socket.inbox:
                await self._socket.readable.wait()

    def _hear(self, told: Told) -> None:
        match told:
            case Told.PONG:
                self._guard.pong_came()
            case Told.ANSWER:
                self.answered.set()
            case Told.EOF:
                self._end(was_seen=True)
            case Told.ERROR:
                self._end(was_seen=False)

    def _end(self, *, was_seen: bool) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        if self._is_open:
            if was_seen:
                self._guard.closed()
            else:
                self._guard.broken()
            self._on_end()

    def _write(self, packet: Packet) -> None:
        if self._is_shut or not self.is_up or self._node.is_dead:
            return
        if self._guard.passes():
            self._socket.write(packet)
        else:
            self.abort()


async def _wait(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


class Line:
    """One session's. Nobody logs in or out in this simulation."""

    def __init__(
        self, node: Node, key: SessionKey, tell: Callable[[m.Signal], None], readers: trio.Nursery
    ) -> None:
        self._node = node
        self._key = key
        self._tell = tell
        self._readers = readers
        self._link: Link | None = None

    async def connect(self) -> m.Signal:
        try:
            credential = await self._node.database.credential(self._key)
        except StoreUnavailable:
            return m.Unreachable(self._now())
        if credential is None:
            return m.CredentialUnusable(Reason.CREDENTIAL_MISSING)
        if self._link is not None and self._link.is_up:
            is_well = await self._link.call()
            return m.Online(credential.account_id, self._now()) if is_well else await self._fail()

        async def attempt() -> m.Signal:
            failure = await self._open()
            return (
                m.Online(credential.account_id, self._now()) if failure is None else await self._fail(failure)
            )

        return await self._node.gate.through(self._key, attempt, dc=lambda: 2, way=SERVICE, background=True)

    async def disconnect(self) -> None:
        await self.hang_up()

    async def hang_up(self) -> None:
        """Close whatever connection is open."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _open(self) -> Reason | None:
        """Be connected; or why that is not so."""
        await self.hang_up()
        socket = await self._node.dial(self._key, DIAL)
        if socket is None:
            return Reason.UNREACHABLE
        guard = self._node.claims.guard(self._key)
        self._link = link = Link(self._key, socket, guard, self._node, lambda: self._lose(link))
        self._readers.start_soon(link.read)
        if not await link.open():
            return Reason.NOT_OWNED
        return None if await link.hear() else Reason.UNREACHABLE

    async def _fail(self, why: Reason = Reason.UNREACHABLE) -> m.Signal:
        await self.hang_up()
        return m.Unreachable(self._now(), why)

    def _lose(self, link: Link) -> None:
        if self._link is link:
            self._tell(m.ConnectionLost(self._now()))

    def _now(self) -> float:
        return self._node.clock.now()

    # -- what nobody asks for here

    async def export_token(self) -> m.Signal:
        raise NotImplementedError

    async def send_code(self, phone: Secret) -> m.Signal:
        raise NotImplementedError

    async def send_code_again(self) -> m.Signal:
        raise NotImplementedError

    async def sign_in(self, code: Secret) -> m.Signal:
        raise NotImplementedError

    async def check_password(self, password: Secret) -> m.Signal:
        raise NotImplementedError

    async def import_bot(self, token: Secret) -> m.Signal:
        raise NotImplementedError

    async def abandon_login(self) -> None:
        raise NotImplementedError

    async def log_out(self) -> m.Signal:
        raise NotImplementedError

    async def forget(self) -> None:
        raise NotImplementedError


@asynccontextmanager
async def open_line(node: Node, key: SessionKey, tell: Callable[[m.Signal], None]) -> AsyncIterator[Line]:
    """The OpenTelegram port of a node."""
    async with trio.open_nursery() as readers:
        line = Line(node, key, tell, readers)
        node.lines += 1
        try:
            yield line
        finally:
            with trio.CancelScope(shield=True):
                await line.hang_up()
            node.lines -= 1
            readers.cancel_scope.cancel()

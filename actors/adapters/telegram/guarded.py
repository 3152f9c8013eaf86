"""Connections to Telegram under guard: nothing is sent that the guard does not let pass. All asyncio code.

`GuardedLink` is one TCP connection, from its first byte to its end, which is told once. `GuardedConnection` is what
Telethon takes for a connection: one such link after another. Telethon's own would not do. It sends through a queue,
so that time passes between the guard's word and the bytes; it drops errors of sending; and closing may take ten
seconds.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from telethon.network.connection.tcpfull import FullPacketCodec

from actors.adapters.telegram.proxied import dial
from actors.core.app import Proxy
from actors.guard import Ends, Guard

RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: closing says RST and drops what is not sent. Set when aborting only, so that the kernel
says FIN for a process that is killed."""


ANSWER = 5.0
"""Seconds for the guard to say whether a connection may be used. After more, the data centre would be blamed."""

FAREWELL = 1.5
"""Seconds for the data centre to close its end, after we have shut ours."""


class NotOwned(ConnectionError):
    """The guard lets this connection not be used, or not any more."""


class GuardedSocket(socket.socket):
    """A connected socket that asks before each time that bytes go to the kernel, those that had to wait included."""

    def __init__(self, tcp: socket.socket, check: Callable[[], None]) -> None:
        super().__init__(fileno=tcp.detach())
        self.setblocking(False)
        self._check = check

    def send(self, *args: Any) -> int:
        """See the base. Raises whatever `check` does."""
        self._check()
        return super().send(*args)

    def sendmsg(self, *args: Any) -> int:
        """The same; asyncio prefers it from Python 3.12 on."""
        self._check()
        return super().sendmsg(*args)


class _Stream(asyncio.StreamReaderProtocol):
    """A stream that tells of its ends at once, whether anybody reads or not."""

    def __init__(
        self, reader: asyncio.StreamReader, at_eof: Callable[[], None], at_end: Callable[[], None]
    ) -> None:
        super().__init__(reader)
        self._at_eof = at_eof
        self._at_end = at_end

    def eof_received(self) -> bool | None:
        stays_open = super().eof_received()
        self._at_eof()
        return stays_open

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._at_end()


class GuardedLink:
    """One TCP connection under guard: its Link. Call `attach` once, before anything else.

    `pack_ping` gives a packet with a ping, or None while there is no key to encrypt it with. Through a proxy the data
    centre's end is never seen: what ends there is the proxy's connection.
    """

    _writer: asyncio.StreamWriter

    def __init__(
        self, tcp: socket.socket, guard: Guard, pack_ping: Callable[[], bytes | None], *, sees_end: bool
    ) -> None:
        self._socket = GuardedSocket(tcp, self._check_leave)
        self._guard = guard
        self._pack_ping = pack_ping
        self._sees_end = sees_end
        self._ends = _ends_of(self._socket) if sees_end else Ends(0)
        self._codec = FullPacketCodec(None)
        self._reader = asyncio.StreamReader()
        self._is_open = False
        self._is_shut = False
        self._refusal: NotOwned | None = None
        self._was_seen_to_end = False
        self._ended = asyncio.Event()
        self._gone = asyncio.Event()

    async def attach(self) -> None:
        """Begin to listen. Closes the socket if that fails."""
        loop = asyncio.get_running_loop()
        stream = _Stream(self._reader, self._at_eof, self._at_end)
        try:
            _watch_over(self._socket, self._guard.unacknowledged)
            transport, _ = await loop.create_connection(lambda: stream, sock=self._socket)
        except BaseException:
            self._socket.close()
            raise
        self._writer = asyncio.StreamWriter(transport, stream, self._reader, loop)

    # -- what its guard does with it, from asyncio code or trio code of the same thread

    @property
    def ends(self) -> Ends:
        """See the port."""
        return self._ends

    def ping(self) -> None:
        """See the port. The packet goes to the kernel in this very step."""
        if not self._is_open or self._is_shut or not self.is_up:
            return
        packet = self._pack_ping()
        if packet is not None:
            self._write(packet)

    def half_close(self) -> None:
        """See the port."""
        if not self._is_shut and self.is_up:
            self._is_shut = True
            self._writer.write_eof()

    def abort(self) -> None:
        """See the port."""
        if self._gone.is_set():
            return
        if not self._ended.is_set():
            self._refusal = self._refusal or NotOwned("the guard has dropped this connection")
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self._writer.transport.abort()

    # -- what Telethon does with it

    @property
    def is_up(self) -> bool:
        """Whether something said now could be heard."""
        return self._refusal is None and not self._ended.is_set()

    async def send(self, packet: bytes) -> None:
        """Write a packet. Raises ConnectionError where that is not possible, NotOwned where it is not allowed."""
        self._check_up()
        if not self._is_open:
            await self._open()
        self._write(packet)
        self._check_up()
        await self._writer.drain()

    async def receive(self) -> bytes:
        """The next packet. Raises OSError, or EOFError at the end."""
        try:
            packet: bytes = await self._codec.read_packet(self._reader)
        except (OSError, EOFError) as error:
            raise self._refusal or error from None
        return packet

    async def close(self) -> None:
        """Say farewell, and close it whatever comes of that, without waiting for what is not sent yet."""
        try:
            await self._part()
        finally:
            transport = self._writer.transport
            if transport.get_write_buffer_size():
                transport.abort()
            else:
                transport.close()
        await self._gone.wait()

    # -- how it begins and ends

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(ANSWER):
                is_ours = await self._guard.open(self)
        except BaseException as error:
            self.abort()
            self._guard.broken()  # it has been asked, and must not take this for a connection
            if isinstance(error, TimeoutError):
                raise NotOwned("the guard does not answer") from None
            raise
        if not is_ours:
            self.abort()
            raise NotOwned("the guard does not open this connection")
        self._is_open = True
        if self._ended.is_set():
            self._tell_end()
            raise ConnectionError("the connection was lost before its first packet")

    async def _part(self) -> None:
        """Shut our end, and give the data centre a moment to shut its own, if that can be seen."""
        if not self._is_open or not self._sees_end or not self.is_up:
            return
        self.half_close()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                await self._ended.wait()

    def _write(self, packet: bytes) -> None:
        self._writer.write(self._codec.encode_packet(packet))

    def _check_leave(self) -> None:
        """Before bytes go to the kernel. Raises NotOwned, and then the socket is closed with a reset."""
        if not self._is_open or not self._guard.passes():
            self.abort()
            raise NotOwned("the guard lets nothing pass")

    def _check_up(self) -> None:
        if self._is_shut or not self.is_up:
            raise self._refusal or ConnectionError("the connection has ended")

    def _at_eof(self) -> None:
        self._end(was_seen=self._sees_end)

    def _at_end(self) -> None:
        self._gone.set()
        self._end(was_seen=False)

    def _end(self, *, was_seen: bool) -> None:
        if self._ended.is_set():
            return
        self._ended.set()
        self._was_seen_to_end = was_seen
        if self._is_open:
            self._tell_end()

    def _tell_end(self) -> None:
        if self._was_seen_to_end:
            self._guard.closed()
        else:
            self._guard.broken()


class GuardedConnection:
    """What Telethon's sender takes for a connection, though it is no `Connection`: only these methods are used."""

    def __init__(
        self,
        ip: str,
        port: int,
        _dc_id: int,
        *,
        guard: Guard,
        pack_ping: Callable[[], bytes | None],
        proxy: Proxy | None,
        **_: Any,  # loggers, and an address of ours that we never choose
    ) -> None:
        self._address = ip, port
        self._proxy = proxy
        self._guard = guard
        self._pack_ping = pack_ping
        self._link: GuardedLink | None = None

    def __str__(self) -> str:
        return "{}:{}".format(*self._address)

    @property
    def _connected(self) -> bool:
        """As Telethon asks for it."""
        return self._link is not None and self._link.is_up

    async def connect(self, timeout: float | None = None) -> None:
        """Let a TCP connection be there, of which the data centre hears nothing yet."""
        tcp = await dial(*self._address, self._proxy, timeout)
        link = GuardedLink(tcp, self._guard, self._pack_ping, sees_end=self._proxy is None)
        await link.attach()
        self._link = link

    async def disconnect(self) -> None:
        """Close it, if it is there; it takes FAREWELL at most."""
        if self._link is not None:
            await self._link.close()

    async def send(self, packet: bytes) -> None:
        """See `GuardedLink`."""
        await self._here().send(packet)

    async def recv(self) -> bytes:
        """See `GuardedLink`."""
        return await self._here().receive()

    def _here(self) -> GuardedLink:
        if self._link is None:
            raise ConnectionError("not connected")
        return self._link


def _ends_of(tcp: socket.socket) -> Ends:
    address, port = tcp.getpeername()[:2]
    return Ends(tcp.getsockname()[1], f"{address}:{port}")


def _watch_over(tcp: socket.socket, unacknowledged: float) -> None:
    """Let the kernel notice a data centre that is gone."""
    tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(unacknowledged * 1000))

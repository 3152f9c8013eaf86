"""The API's connections: HTTP/1.1 alone, so many at a time, and an end for whoever takes nothing of what we send."""

from __future__ import annotations

import asyncio
import re
import resource
from typing import Any

import h11
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.typing import ConnectionState

MOST = 4096
"""Connections at a time. Long polls and event streams together are fewer."""

STALLED = 30.0
"""Seconds after which a connection is cut whose client takes nothing of what we have sent."""


def most_connections() -> int:
    """MOST, or half the descriptors that the process may have: the rest is for sessions and stores."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if allowed == resource.RLIM_INFINITY else min(MOST, allowed // 2)


_ORIGIN = re.compile(rb"^[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")


class Connections:
    """Every open connection. Where there are too many, the one that waits longest for a request gives way.

    If none does, it is one whose client keeps us waiting, for the rest of its request or with what we have sent. So
    whoever opens connections and sends nothing, or byte by byte, or reads nothing, takes no place from those who ask.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[Connection, int] = {}
        self._waiting: dict[Connection, None] = {}

    def add(self, connection: Connection) -> None:
        """Keep account of one more. If nobody can give way it is cut itself."""
        self._open[connection] = 0
        if len(self._open) > self._most:
            idle = next(iter(self._waiting), None)
            slow = (each for each in self._open if each.keeps_us_waiting)
            (idle or next(slow, connection)).cut()
        self.wait(connection)

    def remove(self, connection: Connection) -> None:
        """This one has ended."""
        self._open.pop(connection, None)
        self._waiting.pop(connection, None)

    def wait(self, connection: Connection) -> None:
        """This one waits for a request from now on."""
        self._waiting.pop(connection, None)
        if connection in self._open:
            self._waiting[connection] = None

    def work(self, connection: Connection) -> None:
        """This one has a request."""
        self._waiting.pop(connection, None)

    def cut(self) -> None:
        """End all of them."""
        for connection in list(self._open):
            connection.cut()

    async def keep_cutting(self, stalled: float) -> None:
        """Cut those whose client takes nothing, after `stalled` seconds at least and twice that at most."""
        while True:
            await asyncio.sleep(stalled)
            for connection, before in list(self._open.items()):
                if connection.owes and connection.taken == before:
                    connection.cut()
                self._open[connection] = connection.taken


class Connection(TCPServer):
    """One of Hypercorn's connections, kept account of."""

    def __init__(self, connections: Connections, *of_hypercorn: Any) -> None:
        super().__init__(*of_hypercorn)
        self.protocol: Any = None
        self._connections = connections
        self._sent = 0

    async def run(self) -> None:
        """Serve it until it ends."""
        self._connections.add(self)
        try:
            await super().run()
        finally:
            self._connections.remove(self)

    @property
    def keeps_us_waiting(self) -> bool:
        """Whether its client has yet to send the rest of a request, or to take what we have sent."""
        protocol = self.protocol
        return self.owes > 0 or (
            isinstance(protocol, _Http1) and protocol.connection.their_state is h11.SEND_BODY
        )

    @property
    def owes(self) -> int:
        """Bytes that its client has not taken yet, as far as this process has them."""
        return self.writer.transport.get_write_buffer_size()

    @property
    def taken(self) -> int:
        """Bytes that its client, or the kernel for it, has taken."""
        return self._sent - self.owes

    def cut(self) -> None:
        """End it at once, whatever is still to be sent."""
        self._connections.remove(self)
        self.writer.transport.abort()

    async def protocol_send(self, event: Event) -> None:
        """Send what the protocol has to say; and note whether it waits for a request."""
        match event:
            case RawData():
                self._sent += len(event.data)
            case Updated(idle=True):
                self._connections.wait(self)
            case Updated():
                self._connections.work(self)
        await super().protocol_send(event)

    async def _read_data(self) -> None:
        by_hypercorn = self.protocol
        self.protocol = _Http1(
            self.app,
            self.config,
            self.context,
            self._task_group,
            ConnectionState(self.state),
            by_hypercorn.ssl,
            by_hypercorn.client,
            by_hypercorn.server,
            self.protocol_send,
        )
        await super()._read_data()


def _path(target: bytes) -> bytes:
    """Of an absolute URL its path, as servers read it (RFC 9112 §3.2). Quart stumbles over what is no path."""
    path = _ORIGIN.sub(b"", target)
    return path if path.startswith(b"/") else b"/" + path


class _Http1(H11Protocol):
    """HTTP/1.1 and nothing that it could turn into: Hypercorn counts no time in HTTP/2, and we have no WebSockets."""

    async def _check_protocol(self, event: h11.Request) -> None:
        pass

    async def _create_stream(self, request: h11.Request) -> None:
        headers = [(name, value) for name, value in request.headers if name != b"upgrade"]
        await super()._create_stream(
            h11.Request(
                method=request.method,
                target=_path(request.target),
                headers=headers,
                http_version=request.http_version,
            )
        )

"""One data centre: a listening socket and the connections it accepted."""

import asyncio
import contextlib
import socket

from ops.sandbox.connection import Connection
from ops.sandbox.errors import ProtocolViolation
from ops.sandbox.faults import AT_OPENING, Occasion
from ops.sandbox.ports import reserve
from ops.sandbox.transports import recognised
from ops.sandbox.world import World

_BACKLOG = 1024


class DataCentre:
    """Accepts clients for data centre `dc_id` on a socket that is bound already."""

    def __init__(self, world: World, dc_id: int, listener: socket.socket) -> None:
        self._world = world
        self._dc_id = dc_id
        self._listener = listener
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Begin to accept."""
        self._server = await asyncio.start_server(self._serve, sock=self._listener, backlog=_BACKLOG)

    async def restart(self, seconds: float) -> None:
        """Hang up on everybody, and accept again on the same port after so many seconds."""
        host, port = self._listener.getsockname()
        await self.stop()
        self._server, self._listener = None, reserve(host, port)
        await asyncio.sleep(seconds)
        await self.start()

    async def stop(self) -> None:
        """Accept nobody any more and hang up on everybody."""
        if self._server is None:
            self._listener.close()
            return
        self._server.close()
        for client in self._clients:
            client.cancel()
        await asyncio.gather(*self._clients, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        client = asyncio.current_task()
        if client is not None:
            self._clients.add(client)
            client.add_done_callback(self._clients.discard)
        try:
            # A client that vanishes, or that never spoke MTProto, is no event.
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, ProtocolViolation):
                await self._converse(reader, writer)
        except asyncio.CancelledError:
            # Only `stop` cancels; asyncio's streams would report the cancellation as a crash.
            pass
        finally:
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._world.counts.connections[self._dc_id] += 1
        if self._world.faults.strike(Occasion(self._dc_id), AT_OPENING):
            return
        wire = await recognised(reader, writer)
        connection = Connection(self._world, self._dc_id, wire, writer)
        self._world.live.comes(connection)
        try:
            await connection.serve()
        finally:
            self._world.live.leaves(connection)

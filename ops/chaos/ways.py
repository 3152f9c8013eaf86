"""Ways that can be cut: a relay on a socket of its own, which passes bytes on, or holds them, or lets go of all."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
CHUNK = 65536


class Way:
    """Passes on what comes in to wherever `connect` leads. While `is_cut`, nothing passes, and nothing is told."""

    def __init__(self, connect: Callable[[], Awaitable[Streams]]) -> None:
        self._connect = connect
        self._open = asyncio.Event()
        self._open.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    async def on_port(self) -> int:
        """Listen on a free port of this machine; which."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        return int(self._server.sockets[0].getsockname()[1])

    async def on_socket(self, path: str) -> None:
        """Listen on this path."""
        self._server = await asyncio.start_unix_server(self._pass_on, path)

    def cut(self) -> None:
        """Let nothing pass any more, as when the network is gone."""
        self._open.clear()

    def mend(self) -> None:
        """Let go of the connections of before, and let new ones pass."""
        for writer in list(self._writers):
            writer.transport.abort()
        self._open.set()

    async def close(self) -> None:
        """Let go of everything."""
        if self._server is not None:
            self._server.close()
        self.mend()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            await self._open.wait()
            if writer.is_closing():  # let go of while cut: what was said must not arrive after that
                return
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        finally:
            self._writers.discard(writer)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            writer.transport.abort()
            far_writer.transport.abort()

    async def _copy(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        """Pass on one direction until its end, which is passed on too; a reset ends both."""
        with suppress(ConnectionError):
            while words := await source.read(CHUNK):
                await self._open.wait()
                target.write(words)
                await target.drain()
            await self._open.wait()
            target.write_eof()
            return
        target.transport.abort()

"""A way to a real server that a test can cut, restore and silence."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import trio

Address = Path | tuple[str, int]


class Relay:
    """Listens on a socket of its own and passes bytes on, while it is up."""

    def __init__(self, nursery: trio.Nursery, socket: Path, target: Address) -> None:
        self._nursery = nursery
        self._socket = socket
        self._target = target
        self._up = trio.CancelScope()
        self._is_down = trio.Event()
        self._replies_pass = trio.Event()
        self._replies_pass.set()
        self._last_words: bytes | None = None
        self._accepted = 0
        self._stranded = 0
        self.withheld = trio.Event()
        """Set once a reply is withheld."""
        self.sent = bytearray()
        """All that clients ever sent."""

    async def restore(self) -> None:
        """Accept connections (again)."""
        await self._nursery.start(self._serve)

    async def cut(self) -> None:
        """Close all connections and refuse new ones, as if the server had stopped."""
        self._up.cancel()
        await self._is_down.wait()

    def strand(self) -> None:
        """Let nothing come back on the connections of now, as after a router that forgot them."""
        self._stranded = self._accepted

    def withhold_replies(self) -> None:
        """Let nothing come back from the server, as if the network had died."""
        self._replies_pass, self.withheld = trio.Event(), trio.Event()

    def withhold_reply_to(self, words: bytes) -> None:
        """Withhold replies from the moment when a client sends these words."""
        self._last_words, self.withheld = words, trio.Event()

    def let_replies_pass(self) -> None:
        """Let come what was withheld, and all that follows."""
        self._last_words = None
        self._replies_pass.set()

    async def _serve(self, task_status: trio.TaskStatus[None]) -> None:
        self._up, self._is_down = trio.CancelScope(), trio.Event()
        self._socket.unlink(missing_ok=True)
        with trio.socket.socket(trio.socket.AF_UNIX) as listening, self._up:
            await listening.bind(str(self._socket))
            listening.listen()
            task_status.started()
            await trio.serve_listeners(self.relay, [trio.SocketListener(listening)])
        self._is_down.set()

    async def relay(self, client: trio.SocketStream) -> None:
        """Pass on what one client says and hears."""
        self._accepted += 1
        async with client, await _connect(self._target) as server, trio.open_nursery() as both:
            both.start_soon(self._there, client, server, both.cancel_scope)
            both.start_soon(self._back, server, client, both.cancel_scope, self._accepted)

    async def _there(self, client: trio.abc.Stream, server: trio.abc.Stream, end: trio.CancelScope) -> None:
        try:
            async for words in client:
                self.sent += words
                if self._last_words is not None and self._last_words in words:
                    self._replies_pass = trio.Event()
                await server.send_all(words)
        except trio.BrokenResourceError:
            pass
        end.cancel()

    async def _back(
        self, server: trio.abc.Stream, client: trio.abc.Stream, end: trio.CancelScope, number: int
    ) -> None:
        try:
            async for words in server:
                if number <= self._stranded:
                    continue
                if not self._replies_pass.is_set():
                    self.withheld.set()
                await self._replies_pass.wait()
                await client.send_all(words)
        except trio.BrokenResourceError:
            pass
        end.cancel()


@asynccontextmanager
async def relay_to_postgres(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay, and the URL that leads through it."""
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    host = options.get("host", [parts.hostname or "localhost"])[0]
    port = int(options.get("port", [str(parts.port or 5432)])[0])
    target: Address = Path(host) / f".s.PGSQL.{port}" if host.startswith("/") else (host, port)
    async with _open(".s.PGSQL.5432", target) as (relay, socket):
        through = parts._replace(netloc=_login(parts), query=f"host={socket.parent}&port=5432")
        yield relay, through.geturl()


@asynccontextmanager
async def relay_to_redis(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """A relay, and the URL that leads through it."""
    parts = urlsplit(url)
    is_local = parts.scheme == "unix"
    target: Address = (
        Path(unquote(parts.path)) if is_local else (parts.hostname or "localhost", parts.port or 6379)
    )
    async with _open("redis.sock", target) as (relay, socket):
        yield relay, parts._replace(scheme="unix", netloc=_login(parts), path=str(socket)).geturl()


@asynccontextmanager
async def relay_over_tcp(relay: Relay, url: str) -> AsyncIterator[str]:
    """Another URL for a relay to Redis."""
    parts = urlsplit(url)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, relay.relay, 0, host="127.0.0.1"))
        port = listener.socket.getsockname()[1]
        yield parts._replace(scheme="redis", netloc=f"{_login(parts)}127.0.0.1:{port}", path="").geturl()
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def _open(name: str, target: Address) -> AsyncIterator[tuple[Relay, Path]]:
    with tempfile.TemporaryDirectory(prefix="usm-") as directory:  # its name is short, as a socket's must be
        async with trio.open_nursery() as nursery:
            socket = Path(directory) / name
            relay = Relay(nursery, socket, target)
            await relay.restore()
            yield relay, socket
            nursery.cancel_scope.cancel()


async def _connect(target: Address) -> trio.SocketStream:
    if isinstance(target, Path):
        return await trio.open_unix_socket(target)
    return await trio.open_tcp_stream(*target)


def _login(parts: SplitResult) -> str:
    return f"{parts.netloc.rpartition('@')[0]}@"

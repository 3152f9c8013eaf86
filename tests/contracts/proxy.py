"""A real proxy on loopback, SOCKS5 (RFC 1928, 1929) or HTTP CONNECT (RFC 9110, 9.3.6), that notes what passes."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Literal

import trio

from actors.core.app import Proxy
from actors.core.secret import Secret

USER, PASSWORD = "some@body", "p:a/ss word"

Address = tuple[str, int]


class Gone(Exception):
    """Whoever connected has gone away."""


class ProxyServer:
    """Serves with a login, and passes bytes on. `asked` is every destination, `tunnels` how many are open now."""

    def __init__(self, scheme: Literal["socks5", "http"]) -> None:
        self.scheme: Literal["socks5", "http"] = scheme
        self.asked: list[Address] = []
        self.tunnels = 0
        self.refused_logins = 0
        self.is_silent = False
        self.refuses = False
        self.port = 0

    def proxy(self, user: str = USER, password: str = PASSWORD) -> Proxy:
        """Where it is, and how to log in."""
        return Proxy(self.scheme, "127.0.0.1", self.port, Secret(user), Secret(password))

    async def serve(self, client: trio.SocketStream) -> None:
        async with client:
            with suppress(Gone, trio.BrokenResourceError, trio.ClosedResourceError):
                await (_socks5 if self.scheme == "socks5" else _http)(self, client)

    async def tunnel(
        self, client: trio.SocketStream, to: Address, agree: Callable[[], Awaitable[None]]
    ) -> None:
        """Connect to the destination, say so, and pass on what both say until one of them ends."""
        self.asked.append(to)
        if self.is_silent:
            await trio.sleep_forever()
        async with await trio.open_tcp_stream(*to) as server, trio.open_nursery() as both:
            await agree()
            self.tunnels += 1
            both.start_soon(_pass_on, client, server, both.cancel_scope)
            both.start_soon(_pass_on, server, client, both.cancel_scope)
            try:
                await trio.sleep_forever()
            finally:
                self.tunnels -= 1


@asynccontextmanager
async def open_proxy(scheme: Literal["socks5", "http"]) -> AsyncIterator[ProxyServer]:
    """A proxy that serves for the length of the block."""
    server = ProxyServer(scheme)
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1"))
        server.port = listener.socket.getsockname()[1]
        yield server
        nursery.cancel_scope.cancel()


async def _pass_on(source: trio.SocketStream, target: trio.SocketStream, end: trio.CancelScope) -> None:
    try:
        async for words in source:
            await target.send_all(words)
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        pass
    end.cancel()


async def _socks5(server: ProxyServer, client: trio.SocketStream) -> None:
    _version, number = await _exactly(client, 2)
    methods = await _exactly(client, number)
    if 2 not in methods:
        await client.send_all(b"\x05\xff")
        return
    await client.send_all(b"\x05\x02")
    await _exactly(client, 1)
    user = await _exactly(client, (await _exactly(client, 1))[0])
    password = await _exactly(client, (await _exactly(client, 1))[0])
    if (user, password) != (USER.encode(), PASSWORD.encode()):
        server.refused_logins += 1
        await client.send_all(b"\x01\x01")
        return
    await client.send_all(b"\x01\x00")
    _version, command, _reserved, kind = await _exactly(client, 4)
    assert (command, kind) == (1, 1), "CONNECT to an IPv4 address is all that Telethon asks for here"
    host = str(ipaddress.IPv4Address(await _exactly(client, 4)))
    port = int.from_bytes(await _exactly(client, 2), "big")
    if server.refuses:
        await client.send_all(b"\x05\x02\x00\x01" + bytes(6))  # not allowed by ruleset
        return
    await server.tunnel(client, (host, port), lambda: client.send_all(b"\x05\x00\x00\x01" + bytes(6)))


async def _http(server: ProxyServer, client: trio.SocketStream) -> None:
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += await _exactly(client, 1)
    expected = b"Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode())
    if expected not in head:
        server.refused_logins += 1
        await client.send_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
        return
    if server.refuses:
        await client.send_all(b"HTTP/1.1 403 Forbidden\r\n\r\n")
        return
    method, target, _ = head.decode().split(" ", 2)
    assert method == "CONNECT"
    host, _, port = target.partition(":")
    await server.tunnel(
        client, (host, int(port)), lambda: client.send_all(b"HTTP/1.1 200 Connection established\r\n\r\n")
    )


async def _exactly(client: trio.SocketStream, number: int) -> bytes:
    words = b""
    while len(words) < number:
        more = await client.receive_some(number - len(words))
        if not more:
            raise Gone
        words += more
    return words

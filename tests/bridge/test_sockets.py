"""Sockets through asyncio's streams and its socket calls, over loopback."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import math
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import cast

import trio.testing
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from actors.bridge import in_asyncio, open_loop
from actors.bridge.loop import Engine


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):  # callers may leave with an echo under way
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


@asynccontextmanager
async def echo_server(tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, int]]:
    async with await asyncio.start_server(echo, "127.0.0.1", 0, ssl=tls, backlog=1000) as server:
        host, port = server.sockets[0].getsockname()
        yield host, port


async def say(address: tuple[str, int], words: Sequence[bytes], tls: ssl.SSLContext | None = None) -> bytes:
    reader, writer = await asyncio.open_connection(*address, ssl=tls)
    heard = b""
    try:
        for word in words:
            writer.write(word)
            await writer.drain()
            heard += await reader.readexactly(len(word))
    finally:
        writer.close()
    await writer.wait_closed()
    return heard


async def test_an_echo_over_asyncio_streams(engine: Engine) -> None:
    async def talk() -> bytes:
        async with echo_server() as address:
            return await say(address, [b"one ", b"two ", b"three"])

    async with open_loop(engine):
        assert await in_asyncio(talk) == b"one two three"


async def test_a_hundred_connections_at_once(engine: Engine) -> None:
    async def talk() -> list[bytes]:
        async with echo_server() as address:
            words = [[str(number).encode() * 100] * 3 for number in range(100)]
            return await asyncio.gather(*(say(address, word) for word in words))

    async with open_loop(engine):
        heard = await in_asyncio(talk)
    assert heard == [str(number).encode() * 300 for number in range(100)]


async def test_calls_cancelled_at_any_moment_leave_no_task_and_no_wrong_answer(engine: Engine) -> None:
    serving = trio.Event()
    answered: set[int] = set()
    twenty_at_once = trio.CapacityLimiter(20)

    async def serve() -> None:
        async with echo_server() as address:
            addresses.append(address)
            serving.set()
            await asyncio.Event().wait()

    async def call(number: int) -> None:
        word = b"%d" % number
        async with twenty_at_once:
            with trio.move_on_after(math.inf if number % 5 == 0 else number % 29 / 2000):
                assert await in_asyncio(say, addresses[0], [word] * 3) == word * 3
                answered.add(number)

    addresses: list[tuple[str, int]] = []
    async with open_loop(engine) as bridge:
        server = bridge.loop.create_task(serve())
        await serving.wait()
        async with trio.open_nursery() as nursery:
            for number in range(300):
                nursery.start_soon(call, number)
        word = b"after all that"
        assert await in_asyncio(say, addresses[0], [word]) == word
        await trio.testing.wait_all_tasks_blocked(0.01)
        assert asyncio.all_tasks(bridge.loop) == {server}
        assert bridge.orphans == 0
    assert answered >= set(range(0, 300, 5))


async def test_a_message_larger_than_the_socket_buffers(engine: Engine) -> None:
    flood = bytes(range(256)) * 32768

    async def talk() -> bytes:
        async with echo_server() as address:
            reader, writer = await asyncio.open_connection(*address)
            writer.write(flood)
            heard = await reader.readexactly(len(flood))
            writer.close()
            return heard

    async with open_loop(engine):
        assert await in_asyncio(talk) == flood


async def test_closing_the_transport_ends_a_pending_read(engine: Engine) -> None:
    async def close_under_a_read() -> bytes:
        async with echo_server() as address:
            reader, writer = await asyncio.open_connection(*address)
            pending = asyncio.ensure_future(reader.read())
            await asyncio.sleep(0)
            writer.close()
            return await pending

    async with open_loop(engine):
        assert await in_asyncio(close_under_a_read) == b""


async def test_closing_the_loop_ends_a_pending_read(engine: Engine) -> None:
    ours, theirs = socket.socketpair()

    async def read_for_ever() -> None:
        reader, writer = await asyncio.open_connection(sock=ours)
        try:
            await reader.read()
        finally:
            writer.close()

    with theirs:
        async with open_loop(engine) as bridge:
            task = bridge.loop.create_task(read_for_ever())
            await trio.testing.wait_all_tasks_blocked()
        assert task.cancelled()
        assert theirs.recv(1) == b""


async def test_a_descriptor_number_used_again_belongs_to_the_new_socket(engine: Engine) -> None:
    async def reuse() -> list[bytes]:
        async with echo_server() as address:
            return [await say(address, [b"%d" % number]) for number in range(20)]

    async with open_loop(engine):
        assert await in_asyncio(reuse) == [b"%d" % number for number in range(20)]


async def test_raw_socket_calls_of_the_loop(engine: Engine) -> None:
    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        async with echo_server() as address:
            with socket.socket() as sock:
                sock.setblocking(False)
                await loop.sock_connect(sock, address)
                await loop.sock_sendall(sock, b"raw")
                return await loop.sock_recv(sock, 10)

    async with open_loop(engine):
        assert await in_asyncio(talk) == b"raw"


async def test_datagrams(engine: Engine) -> None:
    class Mirror(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.transport = cast("asyncio.DatagramTransport", transport)

        def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
            self.transport.sendto(data[::-1], addr)

    async def talk() -> bytes:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Mirror, ("127.0.0.1", 0))
        with socket.socket(type=socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            sock.connect(transport.get_extra_info("sockname"))
            sock.send(b"abc")
            heard = await loop.sock_recv(sock, 10)
        transport.close()
        return heard

    async with open_loop(engine):
        assert await in_asyncio(talk) == b"cba"


def tls_contexts(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate of its own making, and a client's that trusts just that one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "loopback")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(Encoding.PEM)
    both = folder / "loopback.pem"
    both.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + pem)
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(both)
    return server, ssl.create_default_context(cadata=pem.decode())


async def test_tls(engine: Engine, tmp_path: Path) -> None:
    ours, theirs = tls_contexts(tmp_path)

    async def talk() -> bytes:
        async with echo_server(ours) as address:
            return await say(address, [b"sealed " * 1000], theirs)

    async with open_loop(engine):
        assert await in_asyncio(talk) == b"sealed " * 1000

"""What a connection is good for after a refusal, and how long the slow may take, on the real server."""

from __future__ import annotations

import json
import resource
import socket
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from statistics import median

import pytest
import trio

from supervisor import connections, web
from supervisor.settings import Settings
from tests.stories.conftest import SERVICE_KEY, Service, running
from tests.stories.served import served

REFUSED = (
    b"POST /api/qr/start HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 8\r\n\r\n"
)


async def _connect(service: Service) -> trio.SocketStream:
    return await trio.open_tcp_stream("127.0.0.1", service.http.base_url.port or 0)


async def _answer(stream: trio.SocketStream) -> tuple[bytes, bytes]:
    """Head and body of one answer."""
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = await stream.receive_some()
        assert chunk, raw
        raw += chunk
    head, _, body = raw.partition(b"\r\n\r\n")
    (length,) = (line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(body) < int(length.partition(b":")[2]):
        body += await stream.receive_some()
    return head.lower(), body


async def _read_until(stream: trio.SocketStream, wanted: bytes) -> bytes:
    raw = b""
    with trio.fail_after(5):
        while wanted not in raw:
            raw += await stream.receive_some()
    return raw


async def _drip(stream: trio.SocketStream) -> None:
    while True:
        await stream.send_all(b"G")
        await trio.sleep(0.2)


async def test_a_connection_goes_on_after_a_body_that_was_refused_unread(settings: Settings) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        for _ in range(3):
            await stream.send_all(REFUSED)
            await trio.sleep(0.05)  # as clients do that send head and body one after the other
            await stream.send_all(b"{}      ")
            head, body = await _answer(stream)
            assert json.loads(body)["code"] == "unauthenticated"
            assert b"connection: close" not in head


async def test_where_the_rest_of_a_body_does_not_come_the_end_of_the_connection_is_told(
    settings: Settings,
) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        await stream.send_all(REFUSED)
        head, _ = await _answer(stream)

        assert b"connection: close" in head
        with trio.fail_after(5):
            assert await stream.receive_some() == b""


async def test_head_and_body_of_an_answer_do_not_wait_for_each_other(settings: Settings) -> None:
    """Nagle's algorithm would hold back the body until the head is acknowledged, which takes 40 ms."""
    async with running(settings) as service:
        took = []
        for _ in range(20):
            began = trio.current_time()
            await service.http.get("/healthz")
            took.append(trio.current_time() - began)
    assert median(took) < 0.03


async def test_a_request_that_states_its_length_twice_is_the_last_of_its_connection(
    settings: Settings,
) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        twice = REFUSED[:-2] + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
        await stream.send_all(twice + HEALTH + b"\r\n")
        head, _ = await _answer(stream)

        assert b"connection: close" in head
        with trio.fail_after(5):
            assert await stream.receive_some() == b""


async def test_headers_are_bounded(settings: Settings) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        await stream.send_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 40_000)

        with trio.fail_after(10):
            received = await stream.receive_some()
        assert received == b"" or received.startswith(b"HTTP/1.1 4")


async def test_whoever_sends_a_head_byte_by_byte_is_cut_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "KEEP_ALIVE", 1.0)
    async with running(settings) as service, await _connect(service) as stream:
        with trio.fail_after(20), pytest.raises(trio.BrokenResourceError):
            await _drip(stream)
        assert (await service.http.get("/healthz")).status_code == 200


MOST = 20
FOLLOWS = (
    f"GET /api/v1/events?tenant=demo HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {SERVICE_KEY}\r\n\r\n"
).encode()
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


async def _is_open(stream: trio.SocketStream) -> bool:
    try:
        with trio.move_on_after(0.2) as patience:
            return await stream.receive_some() != b""
    except trio.BrokenResourceError:
        return False
    return patience.cancelled_caught


async def test_who_sends_no_request_gives_way_to_those_who_do(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", MOST)
    async with running(settings) as service, AsyncExitStack() as opened:
        follower = await opened.enter_async_context(await _connect(service))
        await follower.send_all(FOLLOWS)
        assert b"hello" in await _read_until(follower, b"hello")
        silent = [await opened.enter_async_context(await _connect(service)) for _ in range(3 * MOST)]
        for stream in silent[-MOST // 2 :]:
            await stream.send_all(b"GET /heal")

        async with await _connect(service) as stream:
            await stream.send_all(HEALTH + b"\r\n")
            with trio.fail_after(2):
                assert (await _answer(stream))[0].startswith(b"http/1.1 200")
            still = [await _is_open(stream) for stream in silent]
        assert await _is_open(follower)
    assert sum(still) == MOST - 2
    assert not any(still[:MOST])


DESCRIPTORS = 512


async def test_a_storm_of_connections_leaves_the_process_its_descriptors(
    settings: Settings, tmp_path: Path
) -> None:
    log, (allowed, highest) = tmp_path / "log", resource.getrlimit(resource.RLIMIT_NOFILE)
    async with AsyncExitStack() as opened:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, highest))
        try:
            service = (await opened.enter_async_context(served(settings, log))).service
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, highest))
        for _ in range(3 * DESCRIPTORS):
            storm = opened.enter_context(socket.socket())
            storm.setblocking(False)
            with suppress(BlockingIOError):
                storm.connect(("127.0.0.1", service.http.base_url.port))
        for _ in range(10):
            await trio.sleep(0.2)
            assert (await service.http.get("/healthz")).status_code == 200
    assert "open files" not in log.read_text()
    assert "out of system resource" not in log.read_text()


async def test_whoever_sends_bodies_byte_by_byte_gives_way(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = REFUSED.replace(b"start", b"callback") + b"{"
    monkeypatch.setattr(connections, "MOST", 4)
    async with running(settings) as service, AsyncExitStack() as opened:
        for _ in range(8):
            stream = await opened.enter_async_context(await _connect(service))
            await stream.send_all(slow)
            await trio.sleep(0.05)

        for _ in range(3):
            async with await _connect(service) as stream:
                await stream.send_all(HEALTH + b"\r\n")
                with trio.fail_after(2):
                    assert (await _answer(stream))[0].startswith(b"http/1.1 200")


async def test_whoever_reads_nothing_gives_way(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST", 4)
    async with running(settings) as service, AsyncExitStack() as opened:
        for _ in range(8):
            reader = opened.enter_context(trio.socket.socket())
            reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await reader.connect(("127.0.0.1", service.http.base_url.port))
            await reader.send(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n" * 40)  # more than the kernel takes
            await trio.sleep(0.2)

        for _ in range(3):
            async with await _connect(service) as stream:
                await stream.send_all(HEALTH + b"\r\n")
                with trio.fail_after(2):
                    assert (await _answer(stream))[0].startswith(b"http/1.1 200")


async def test_a_newcomer_is_refused_where_everybody_has_a_request(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "MOST", 3)
    async with running(settings) as service, AsyncExitStack() as opened:
        followers = [await opened.enter_async_context(await _connect(service)) for _ in range(3)]
        for follower in followers:
            await follower.send_all(FOLLOWS)
            await _read_until(follower, b"hello")

        assert not await _is_open(await opened.enter_async_context(await _connect(service)))
        assert all([await _is_open(follower) for follower in followers])
        await followers.pop().aclose()
        await trio.sleep(0.2)
        assert await _is_open(await opened.enter_async_context(await _connect(service)))


@pytest.mark.parametrize(
    "upgrade",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        (
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        ),
    ],
    ids=["h2c", "websocket"],
)
async def test_who_asks_for_another_protocol_is_answered_in_this_one(
    settings: Settings, upgrade: bytes
) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        for _ in range(2):
            await stream.send_all(HEALTH + upgrade + b"\r\n")
            with trio.fail_after(5):
                assert (await _answer(stream))[0].startswith(b"http/1.1 200")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        (b"http://[evil/healthz", b"200"),
        (b"HTTP://other.example/healthz?x=/y", b"200"),
        (b"http://other.example", b"302"),
        (b"http://[evil?x", b"302"),
        (b"//[evil/healthz", b"404"),
        (b"?x", b"302"),
        (b"*", b"404"),
        (b"a:b", b"404"),
    ],
)
async def test_a_target_that_is_no_path_is_read_as_one(
    settings: Settings, target: bytes, status: bytes
) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        await stream.send_all(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        with trio.fail_after(5):
            head, _ = await _answer(stream)

    assert head.startswith(b"http/1.1 " + status)
    assert b"content-security-policy:" in head


async def test_who_speaks_http_2_at_once_is_hung_up_on(settings: Settings) -> None:
    async with running(settings) as service, await _connect(service) as stream:
        await stream.send_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        with trio.fail_after(5):
            assert await stream.receive_some()
            while await stream.receive_some():
                pass

"""What a connection is good for after a refusal, and how long the slow may take, on the real server."""

from __future__ import annotations

import json

import pytest
import trio

from supervisor import web
from supervisor.settings import Settings
from tests.stories.conftest import Service, running

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

"""Events over real sockets: what other nodes write arrives, and a client that stops reading costs little and ends."""

from __future__ import annotations

import socket
import time
from pathlib import Path

import httpx
import pytest
import trio

from supervisor import web
from supervisor.settings import Settings
from tests.stores import Database, run_sql
from tests.stories.conftest import SERVICE_KEY, Service, running

REQUEST = (
    "GET /api/v1/events?tenant=demo&after=0 HTTP/1.1\r\n"
    f"Host: service\r\nAuthorization: Bearer {SERVICE_KEY}\r\n\r\n"
).encode()
LINES = 40_000
STALLED = 4
ROOM = 24 << 20
"""Bytes by which the process may grow: what its stalled clients do not take is more than twice as much."""


def write_lines(url: str, number: int) -> None:
    """Lines of the journal, as another node writes them."""
    run_sql(
        url,
        f"""insert into session_journal (tenant_id, app_id, version, message, from_state, to_state)
            select 'demo', 'main', n + (select count(*) from session_journal), 'StartQr', 'ABSENT', 'PENDING_QR'
              from generate_series(1, {number}) n""",  # noqa: S608 - a number of ours
    )


def memory() -> int:
    """Bytes that this process, which is the service too, has in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def stalled_client(url: httpx.URL) -> socket.socket:
    """It asks for everything and reads none of it."""
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    client.connect((url.host, url.port))
    client.sendall(REQUEST)
    return client


def taken(client: socket.socket) -> tuple[int, bool]:
    """How many bytes arrive at a client that begins to read at last, and whether it was cut off."""
    client.settimeout(5)
    number = 0
    while True:
        try:
            chunk = client.recv(1 << 16)
        except ConnectionResetError:
            return number, True
        except TimeoutError:
            return number, False
        if not chunk:
            return number, True
        number += len(chunk)


async def read_ids(service: Service, until: int) -> int:
    """The last id that a client gets who reads them all until this one; they come in order."""
    stream = await trio.open_tcp_stream(service.http.base_url.host, service.http.base_url.port or 0)
    async with stream:
        await stream.send_all(REQUEST)
        last, rest = 0, b""
        while last < until:
            got = await stream.receive_some()
            assert got, "the stream ended"
            *lines, rest = (rest + got).split(b"\n")
            for line in lines:
                if line.startswith(b"id: ") and line != b"id: 0":
                    assert int(line[4:]) == last + 1
                    last += 1
    return last


@pytest.mark.timeout(150)
@pytest.mark.parametrize("kernel_cuts", [True, False])
async def test_who_stops_reading_costs_little_is_cut_off_and_delays_nobody(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, *, kernel_cuts: bool
) -> None:
    monkeypatch.setattr(web, "STALLED", 3.0)
    if not kernel_cuts:  # as on macOS
        monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    await trio.to_thread.run_sync(write_lines, database.admin_url, LINES)
    async with running(settings) as service:
        await read_ids(service, 2000)  # what is imported and kept once is no matter of readers
        before = memory()
        clients = [stalled_client(service.http.base_url) for _ in range(STALLED)]
        await trio.sleep(2)
        began = time.monotonic()
        assert await read_ids(service, LINES) == LINES
        seconds = time.monotonic() - began
        await trio.sleep(6)
        grown = memory() - before
        found = [await trio.to_thread.run_sync(taken, client) for client in clients]
        for client in clients:
            client.close()
        assert await service.metric("bridge_orphans_total") == 0

    print(f"read {LINES} in {seconds:.1f} s, grown by {grown >> 10} kB, stalled took {found}")  # noqa: T201 - figures
    assert grown < ROOM
    whole = LINES * 200
    assert all(number < whole for number, _ in found)
    assert [cut for _, cut in found] == [True] * STALLED


async def test_what_another_node_writes_arrives_within_seconds(
    settings: Settings, database: Database
) -> None:
    async with running(settings) as service, trio.open_nursery() as nursery:

        async def write() -> None:
            await trio.sleep(1.5)
            await trio.to_thread.run_sync(write_lines, database.admin_url, 3)

        nursery.start_soon(write)
        with trio.fail_after(10):
            assert await read_ids(service, 3) == 3

"""Serves the Quart app with Hypercorn inside the bridge's loop, and stops it in good order."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from quart import Quart

from actors.bridge import in_asyncio
from supervisor.connections import STALLED, Connection, Connections, most_connections
from supervisor.settings import SettingsError

GRACE = 5.0
"""Seconds that requests in flight get when the service stops."""

LAST_WORDS = 1.0
"""Seconds that their handlers get to end once their connections are cut."""

KEEP_ALIVE = 75.0

BACKLOG = 512
AT_ONCE = 8
"""Connections taken before those that came earlier are looked at. To asyncio that is the backlog's number."""


@asynccontextmanager
async def serving(app: Quart, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port. From the first moment connections are queued.

    Raises SettingsError if the address cannot be had.
    """
    listener = _listening(host, port)
    actual_port = listener.getsockname()[1]
    stop = asyncio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, _serve, app, listener, stop)
        try:
            yield actual_port
        finally:
            stop.set()
            nursery.cancel_scope.deadline = trio.current_time() + GRACE + 2


def _config() -> Config:
    config = Config()
    config.keep_alive_timeout = KEEP_ALIVE
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.loglevel = "WARNING"
    config.include_server_header = False
    return config


async def _serve(app: Quart, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until told to stop. Hypercorn's own way of doing this has no bound to its connections."""
    connections, context = Connections(most_connections()), WorkerContext(None)
    fixed: tuple[Any, ...] = (ASGIWrapper(app), asyncio.get_running_loop(), _config(), context, {})
    serving: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            serving.add(task)
            task.add_done_callback(serving.discard)
        await Connection(connections, *fixed, reader, writer)

    await app.startup()
    server = await asyncio.start_server(connected, sock=listener, backlog=AT_ONCE)
    listener.listen(BACKLOG)
    cutting = asyncio.create_task(connections.keep_cutting(STALLED))
    try:
        await stop.wait()
    finally:
        server.close()
        await context.terminated.set()
        cutting.cancel()
        if serving:
            await asyncio.wait(serving, timeout=GRACE)
        connections.cut()
        if serving:
            await asyncio.wait(serving, timeout=LAST_WORDS)
        await app.shutdown()


def _listening(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), reuse_port=False, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(
            f"PORT: {host}:{port} cannot be used ({error.strerror}); set PORT or HOST"
        ) from error
    # By its descriptor Python finds out that it speaks TCP, which asyncio wants to know to switch Nagle's delay off.
    listener = socket.socket(fileno=listener.detach())
    # Every connection inherits it. The kernel sees what we cannot: whether anybody still takes what was sent.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED * 1000))
    return listener


def was_cut_off(error: BaseException | None) -> bool:
    """Whether this is how a stalled client's connection ended. Hypercorn takes it for a failure of its own."""
    return isinstance(error, TimeoutError) and error.errno == errno.ETIMEDOUT

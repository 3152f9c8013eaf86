"""Serves the Quart app with Hypercorn inside the bridge's loop, and stops it in good order."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from hypercorn.asyncio import serve
from hypercorn.config import Config
from quart import Quart

from actors.bridge import in_asyncio
from supervisor.settings import SettingsError

GRACE = 5.0
"""Seconds that requests in flight get when the service stops."""

KEEP_ALIVE = 75.0

STALLED = 30.0
"""Seconds after which a connection is cut whose client takes nothing of what we have sent."""


@asynccontextmanager
async def serving(app: Quart, host: str, port: int) -> AsyncIterator[int]:
    """Serve for the length of the block; yields the port. From the first moment connections are queued.

    Raises SettingsError if the address cannot be had.
    """
    listener = _listening(host, port)
    actual_port = listener.getsockname()[1]
    config = _config(listener.detach())  # Hypercorn closes it
    stop = asyncio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(in_asyncio, _serve, app, config, stop)
        try:
            yield actual_port
        finally:
            stop.set()
            nursery.cancel_scope.deadline = trio.current_time() + GRACE + 2


def _config(descriptor: int) -> Config:
    config = Config()
    config.bind = [f"fd://{descriptor}"]
    config.graceful_timeout = GRACE
    config.keep_alive_timeout = KEEP_ALIVE
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.loglevel = "WARNING"
    config.include_server_header = False
    return config


async def _serve(app: Quart, config: Config, stop: asyncio.Event) -> None:
    await serve(app, config, shutdown_trigger=stop.wait)


def _listening(host: str, port: int) -> socket.socket:
    try:
        listener = socket.create_server((host, port), reuse_port=False, backlog=512)
    except OSError as error:
        raise SettingsError(
            f"PORT: {host}:{port} cannot be used ({error.strerror}); set PORT or HOST"
        ) from error
    # Every connection inherits it. The kernel sees what we cannot: whether anybody still takes what was sent.
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED * 1000))
    return listener


def was_cut_off(error: BaseException | None) -> bool:
    """Whether this is how a stalled client's connection ended. Hypercorn takes it for a failure of its own."""
    return isinstance(error, TimeoutError) and error.errno == errno.ETIMEDOUT

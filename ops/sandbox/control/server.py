"""Serves the routes, asks everybody for the key, and answers mistakes with what is wrong."""

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from pydantic import ValidationError
from quart import Quart, jsonify, request

from ops.sandbox.control import faults, logins, looks
from ops.sandbox.control.request import Reply, world
from ops.sandbox.errors import RpcError
from ops.sandbox.world import World

_GRACE = 1.0


class ControlServer:
    """The control interface on a socket that is bound already."""

    def __init__(self, world: World, listener: socket.socket) -> None:
        self._app = _app(world)
        self._listener = listener
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to serve; the socket listens already, so nobody is turned away meanwhile."""
        config = Config()
        config.bind = [f"fd://{self._listener.detach()}"]
        config.graceful_timeout = _GRACE
        config.errorlog = None
        serving = hypercorn_serve(self._app, config, shutdown_trigger=self._stop.wait)
        self._task = asyncio.create_task(serving)

    async def stop(self) -> None:
        """Finish what is being answered, and stop."""
        self._stop.set()
        self._listener.close()
        if self._task is not None:
            await self._task


def _app(world: World) -> Quart:
    app = Quart("ops.sandbox.control")
    app.config["WORLD"] = world
    for part in (logins, faults, looks):
        app.register_blueprint(part.routes)
    app.before_request(_require_key)
    refusals: dict[type[Exception], Callable[[Any], Awaitable[Reply]]] = {
        ValidationError: _malformed,
        ValueError: _refused,
        LookupError: _not_found,
        RpcError: _refused,
    }
    for error, reply in refusals.items():
        app.register_error_handler(error, reply)
    return app


async def _require_key() -> Reply | None:
    expected = f"Bearer {world().description.control_key}"
    if hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
        return None
    return jsonify(error="send 'Authorization: Bearer <control_key of sandbox.json>'"), 401


async def _malformed(error: ValidationError) -> Reply:
    return jsonify(error=error.errors(include_input=False, include_url=False, include_context=False)), 400


async def _refused(error: Exception) -> Reply:
    return jsonify(error=error.name if isinstance(error, RpcError) else str(error)), 400


async def _not_found(error: LookupError) -> Reply:
    return jsonify(error=str(error.args[0])), 404

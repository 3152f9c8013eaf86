"""The control interface: the sandbox's operations over HTTP on loopback, for whoever has the bearer key.

The key keeps web pages out, which could reach a loopback port from the operator's own browser.
"""

import asyncio
import hmac
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeAlias, TypeVar

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config
from pydantic import TypeAdapter, ValidationError
from quart import Blueprint, Quart, Response, current_app, jsonify, request

from ops.sandbox import operations
from ops.sandbox.errors import RpcError
from ops.sandbox.faults import Rule
from ops.sandbox.world import World

Reply: TypeAlias = Response | tuple[Response, int]
T = TypeVar("T")

_GRACE = 1.0
routes = Blueprint("control", __name__)


@dataclass(frozen=True)
class NewAccount:
    """An account to make."""

    first_name: str
    phone: str | None = None
    dc_id: int = 2
    password: str | None = field(default=None, repr=False)
    hint: str | None = None
    is_bot: bool = False


@dataclass(frozen=True)
class Scan:
    """A login url, and whose phone scans it."""

    url: str = field(repr=False)
    phone: str


@dataclass(frozen=True)
class Whom:
    """An account."""

    phone: str


@dataclass(frozen=True)
class NewFault:
    """A rule to add; see `Faults.fail`."""

    method: str
    error: str
    code: int | None = None
    phone: str | None = None
    count: int | None = None


@dataclass(frozen=True)
class Revocation:
    """Which logins to end."""

    phone: str
    hash: int | None = None


@dataclass(frozen=True)
class Forgetting:
    """Whose auth key to forget."""

    session: str = field(repr=False)


@routes.get("/accounts")
async def list_accounts() -> Reply:
    """Every account, its 2FA password and bot token included: they guard nothing."""
    return jsonify([asdict(account) for account in _world().accounts])


@routes.post("/accounts")
async def add_account() -> Reply:
    """Make an account."""
    account = _world().accounts.add(**asdict(await _body(NewAccount)))
    return jsonify(asdict(account)), 201


@routes.post("/accept")
async def accept() -> Reply:
    """Scan a login url with an account's phone."""
    scan = await _body(Scan)
    operations.accept(_world(), scan.url, scan.phone)
    return jsonify({})


@routes.post("/provision")
async def provision() -> Reply:
    """A session string that is logged in already."""
    session = operations.provision(_world(), (await _body(Whom)).phone)
    return jsonify({"session": session}), 201


@routes.get("/faults")
async def list_faults() -> Reply:
    """The rules in force."""
    return jsonify([_shown(rule) for rule in _world().faults])


@routes.post("/faults")
async def add_fault() -> Reply:
    """Let methods fail."""
    wanted = asdict(await _body(NewFault))
    return jsonify(_shown(_world().faults.fail(wanted.pop("method"), wanted.pop("error"), **wanted))), 201


@routes.delete("/faults")
async def clear_faults() -> Reply:
    """Drop every rule."""
    _world().faults.clear()
    return jsonify({})


@routes.delete("/faults/<int:rule_id>")
async def clear_fault(rule_id: int) -> Reply:
    """Drop one rule."""
    _world().faults.clear(rule_id)
    return jsonify({})


@routes.get("/duplicates")
async def list_duplicates() -> Reply:
    """Each time one logged-in key spoke on two live connections at once."""
    return jsonify([asdict(duplicate) for duplicate in _world().duplicates])


@routes.post("/revoke")
async def revoke() -> Reply:
    """End one login of an account, or all."""
    wanted = await _body(Revocation)
    return jsonify({"revoked": operations.revoke(_world(), wanted.phone, wanted.hash)})


@routes.post("/forget")
async def forget() -> Reply:
    """Forget the auth key of a session string."""
    operations.forget(_world(), (await _body(Forgetting)).session)
    return jsonify({})


@routes.get("/connections")
async def list_connections() -> Reply:
    """Who is connected, and as whom."""
    world = _world()
    return jsonify(
        [
            {
                "dc_id": line.dc_id,
                "peer": line.peer,
                "since": line.since,
                "phone": world.accounts.by_id(key.user_id).phone if key.user_id else None,
                "device_model": key.device.device_model if key.device else None,
            }
            for key, line in world.live
        ]
    )


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
    app.register_blueprint(routes)
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
    expected = f"Bearer {_world().description.control_key}"
    if hmac.compare_digest(request.headers.get("Authorization", "").encode(), expected.encode()):
        return None
    return jsonify(error="send 'Authorization: Bearer <control_key of sandbox.json>'"), 401


async def _malformed(error: ValidationError) -> Reply:
    return jsonify(error=error.errors(include_input=False, include_url=False, include_context=False)), 400


async def _refused(error: Exception) -> Reply:
    return jsonify(error=error.name if isinstance(error, RpcError) else str(error)), 400


async def _not_found(error: LookupError) -> Reply:
    return jsonify(error=str(error.args[0])), 404


def _world() -> World:
    world: World = current_app.config["WORLD"]
    return world


async def _body(kind: type[T]) -> T:
    return TypeAdapter(kind).validate_json(await request.get_data())


def _shown(rule: Rule) -> dict[str, Any]:
    return asdict(rule)

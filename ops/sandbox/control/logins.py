"""Routes about accounts and their logins: how they begin, and how they end."""

from dataclasses import asdict, dataclass, field

from quart import Blueprint, jsonify

from ops.sandbox import operations
from ops.sandbox.control.request import Reply, body, world

routes = Blueprint("logins", __name__)


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
class Revocation:
    """Which logins to end, and whether their clients are left to find out by themselves."""

    phone: str
    hash: int | None = None
    silent: bool = False


@dataclass(frozen=True)
class Forgetting:
    """Which auth keys to forget: that of a session string, or all of an account."""

    session: str | None = field(default=None, repr=False)
    phone: str | None = None


@dataclass(frozen=True)
class Move:
    """Where an account shall live."""

    phone: str
    dc_id: int


@dataclass(frozen=True)
class NewMessage:
    """A message to deliver; from anybody when no sender is named."""

    phone: str
    text: str = field(repr=False)
    sender: str | None = None


@routes.get("/accounts")
async def list_accounts() -> Reply:
    """Every account, its 2FA password and bot token included: they guard nothing."""
    return jsonify([asdict(account) for account in world().accounts])


@routes.post("/accounts")
async def add_account() -> Reply:
    """Make an account."""
    account = world().accounts.add(**asdict(await body(NewAccount)))
    return jsonify(asdict(account)), 201


@routes.post("/accept")
async def accept() -> Reply:
    """Scan a login url with an account's phone."""
    scan = await body(Scan)
    operations.accept(world(), scan.url, scan.phone)
    return jsonify({})


@routes.post("/provision")
async def provision() -> Reply:
    """A session string that is logged in already."""
    session = operations.provision(world(), (await body(Whom)).phone)
    return jsonify({"session": session}), 201


@routes.post("/revoke")
async def revoke() -> Reply:
    """End one login of an account, or all."""
    wanted = await body(Revocation)
    return jsonify({"revoked": operations.revoke(world(), **asdict(wanted))})


@routes.post("/forget")
async def forget() -> Reply:
    """Forget auth keys; how many that were."""
    wanted = await body(Forgetting)
    if (wanted.session is None) == (wanted.phone is None):
        raise ValueError("say whose key: give a 'session' or a 'phone'")
    if wanted.phone is not None:
        return jsonify({"forgotten": operations.forget_keys_of(world(), wanted.phone)})
    operations.forget(world(), str(wanted.session))
    return jsonify({"forgotten": 1})


@routes.post("/burn")
async def burn() -> Reply:
    """Destroy an account's logins as if their keys had been used twice at once."""
    return jsonify({"burnt": operations.burn(world(), (await body(Whom)).phone)})


@routes.post("/migrate")
async def migrate() -> Reply:
    """Let an account live on another data centre."""
    move = await body(Move)
    world().accounts.move(move.phone, move.dc_id)
    return jsonify({})


@routes.post("/expire-tokens")
async def expire_tokens() -> Reply:
    """Let every living QR token expire."""
    return jsonify({"expired": world().tokens.expire_all()})


@routes.post("/message")
async def message() -> Reply:
    """Let an account receive a message."""
    new = await body(NewMessage)
    return jsonify({"pts": operations.message(world(), new.phone, new.text, new.sender)}), 201

"""Routes about what goes wrong: the rules in force, and what strikes everybody now."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from quart import Blueprint, jsonify

from ops.sandbox import operations
from ops.sandbox.control.logins import Whom
from ops.sandbox.control.request import Reply, body, world
from ops.sandbox.errors import usual_code
from ops.sandbox.faults import Fault, HangUp, Nonsense, Refusal, RpcFailure, Rule, Slow, Stall

routes = Blueprint("faults", __name__)


@dataclass(frozen=True)
class NewFault:
    """A rule to add; see `Faults`. `error` (and `code`) belong to a failure, `seconds` to a delay."""

    kind: Literal["fail", "nonsense", "drop", "reset", "stall", "slow", "refuse"] = "fail"
    method: str | None = None
    error: str | None = None
    code: int | None = None
    seconds: float | None = None
    phone: str | None = None
    dc_id: int | None = None
    count: int | None = None
    api_id: int | None = None


@dataclass(frozen=True)
class HangingUp:
    """Whose connections to end: an account's, a data centre's, or all."""

    phone: str | None = None
    dc_id: int | None = None


@dataclass(frozen=True)
class Seconds:
    """How long, or how far."""

    seconds: float = 0


def _failure(wanted: NewFault) -> Fault:
    if wanted.error is None:
        raise ValueError("say how it fails: give an 'error' such as FLOOD_WAIT_7")
    code = wanted.code if wanted.code is not None else usual_code(wanted.error)
    return RpcFailure(code, wanted.error)


_KINDS: Mapping[str, Callable[[NewFault], Fault]] = {
    "fail": _failure,
    "nonsense": lambda _: Nonsense(),
    "drop": lambda _: HangUp(),
    "reset": lambda _: HangUp(by_reset=True),
    "stall": lambda _: Stall(),
    "slow": lambda wanted: Slow(wanted.seconds or 0),
    "refuse": lambda _: Refusal(),
}


@routes.get("/faults")
async def list_faults() -> Reply:
    """The rules in force."""
    return jsonify([_shown(rule) for rule in world().faults])


@routes.post("/faults")
async def add_fault() -> Reply:
    """Put a rule in force."""
    new = await body(NewFault)
    fault = _KINDS[new.kind](new)
    # A number that nobody has would make a rule that never strikes.
    phone = world().accounts[new.phone].phone if new.phone else None
    rule = world().faults.add(
        fault, method=new.method, phone=phone, dc_id=new.dc_id, count=new.count, api_id=new.api_id
    )
    return _made(rule)


@routes.delete("/faults")
async def clear_faults() -> Reply:
    """Drop every rule, bans and freezes included."""
    world().faults.clear()
    return jsonify({})


@routes.delete("/faults/<int:rule_id>")
async def clear_fault(rule_id: int) -> Reply:
    """Drop one rule."""
    world().faults.clear(rule_id)
    return jsonify({})


@routes.post("/ban")
async def ban() -> Reply:
    """Ban an account until the rule is cleared."""
    return _made(operations.ban(world(), (await body(Whom)).phone))


@routes.post("/freeze")
async def freeze() -> Reply:
    """Freeze an account until the rule is cleared."""
    account = world().accounts[(await body(Whom)).phone]
    return _made(world().faults.freeze(account.phone))


@routes.post("/deny")
async def deny() -> Reply:
    """Say once, and wrongly, that an account's keys are not known."""
    return jsonify({"denied": operations.deny(world(), (await body(Whom)).phone)})


@routes.post("/drop")
async def drop() -> Reply:
    """Close connections now."""
    wanted = await body(HangingUp)
    return jsonify({"ended": operations.hang_up(world(), **asdict(wanted))})


@routes.post("/reset")
async def reset() -> Reply:
    """Reset connections now."""
    wanted = await body(HangingUp)
    return jsonify({"ended": operations.hang_up(world(), **asdict(wanted), by_reset=True)})


@routes.post("/rotate-salts")
async def rotate_salts() -> Reply:
    """Let every client learn a new salt."""
    operations.rotate_salts(world())
    return jsonify({})


@routes.post("/skew")
async def skew() -> Reply:
    """Let the server's clock be wrong by so many seconds; 0 mends it."""
    world().clock.set((await body(Seconds)).seconds)
    return jsonify({})


@routes.post("/restart")
async def restart() -> Reply:
    """Take the data centres away for so many seconds, and answer when they are back."""
    await world().restart((await body(Seconds)).seconds)
    return jsonify({})


def _made(rule: Rule) -> Reply:
    return jsonify(_shown(rule)), 201


def _shown(rule: Rule) -> dict[str, Any]:
    names = ("id", "method", "phone", "dc_id", "count", "api_id", "spares")
    kind = type(rule.fault).__name__
    return {name: getattr(rule, name) for name in names} | {"kind": kind, "fault": asdict(rule.fault)}

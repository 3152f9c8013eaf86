"""Tells a running sandbox what shall go wrong: `python -m ops.sandbox.script --directory DIR VERB …`."""

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from ops.sandbox.description import SandboxDescription
from ops.sandbox.remote import ask

_PATIENCE = 10.0


class Flag(NamedTuple):
    """One argument of a verb, as argparse takes it."""

    names: tuple[str, ...]
    options: dict[str, Any]


class Ask(NamedTuple):
    """What to ask of the control interface."""

    method: str
    path: str
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Verb:
    """One word of the command line: what it says of itself, what it takes, what it asks."""

    help: str
    flags: tuple[Flag, ...]
    ask: Callable[[argparse.Namespace], Ask]


def _flag(*names: str, **options: Any) -> Flag:
    return Flag(names, options)


_WHO = _flag("phone", metavar="PHONE", help="whose: a phone number of an account")
_PHONE = _flag("--phone", help="only this account's (default: anybody's)")
_DC = _flag("--dc", type=int, dest="dc_id", metavar="ID", help="only on this data centre (default: all)")
_APP = _flag("--api-id", type=int, dest="api_id", metavar="ID", help="only by this app (default: any)")
_TIMES = _flag("--times", type=int, dest="count", metavar="N", help="so often (default: until cleared)")
_METHOD = _flag("--method", metavar="PATTERN", help="only for these methods, such as 'auth.*'")
_AT = _flag("--method", metavar="PATTERN", help="not now, but whenever these methods are called: a rule")
_SECONDS = _flag("seconds", type=float, metavar="SECONDS")
_RULE = ("method", "error", "code", "seconds", "phone", "dc_id", "count", "api_id")


def _look(path: str) -> Callable[[argparse.Namespace], Ask]:
    return lambda _: Ask("GET", path)


def _tell(path: str, *fields: str) -> Callable[[argparse.Namespace], Ask]:
    return lambda said: Ask("POST", path, {field: getattr(said, field) for field in fields})


def _rule(kind: str) -> Callable[[argparse.Namespace], Ask]:
    def asked(said: argparse.Namespace) -> Ask:
        given = {field: getattr(said, field) for field in _RULE if hasattr(said, field)}
        return Ask("POST", "/faults", {"kind": kind} | given)

    return asked


def _hang_up(kind: str) -> Callable[[argparse.Namespace], Ask]:
    def asked(said: argparse.Namespace) -> Ask:
        if said.method is not None:
            return _rule(kind)(said)
        if said.count is not None:
            raise ValueError(f"without --method, {kind} happens now and once: leave --times away")
        return _tell(f"/{kind}", "phone", "dc_id")(said)

    return asked


def _forget(said: argparse.Namespace) -> Ask:
    if said.phone is not None:
        return _tell("/forget", "phone")(said)
    return Ask("POST", "/forget", {"session": sys.stdin.readline().strip()})


def _clear(said: argparse.Namespace) -> Ask:
    return Ask("DELETE", "/faults" if said.rule is None else f"/faults/{said.rule}")


_ENDS = "the connections of an account, of a data centre, or all"
_UNTIL = "until cleared"
VERBS: Mapping[str, Verb] = {
    "list": Verb("show the rules in force", (), _look("/faults")),
    "clear": Verb(
        "drop a rule, or all: bans, freezes and stalls end",
        (_flag("rule", type=int, nargs="?", metavar="ID", help="which one (default: all)"),),
        _clear,
    ),
    "fail": Verb(
        "answer methods with an RPC error",
        (
            _flag("method", metavar="METHOD", help="a method or pattern, such as 'auth.*'"),
            _flag("error", metavar="ERROR", help="an error's name, such as FLOOD_WAIT_7"),
            _flag("--code", type=int, help="its code (default: the one that Telegram sends)"),
            _PHONE,
            _DC,
            _APP,
            _TIMES,
        ),
        _rule("fail"),
    ),
    "nonsense": Verb(
        "answer methods with what no client can make sense of",
        (_flag("method", metavar="METHOD", help="a method or pattern"), _PHONE, _DC, _TIMES),
        _rule("nonsense"),
    ),
    "stall": Verb(f"keep connections open and send nothing {_UNTIL}", (_METHOD, _PHONE, _DC), _rule("stall")),
    "slow": Verb("send everything late", (_SECONDS, _METHOD, _PHONE, _DC, _TIMES), _rule("slow")),
    "refuse": Verb("close new connections at once", (_PHONE, _DC, _TIMES), _rule("refuse")),
    "drop": Verb(f"close {_ENDS}", (_AT, _PHONE, _DC, _TIMES), _hang_up("drop")),
    "reset": Verb(f"reset (TCP RST) {_ENDS}", (_AT, _PHONE, _DC, _TIMES), _hang_up("reset")),
    "restart": Verb(
        "take the data centres away, and return when they are back on their ports",
        (_SECONDS,),
        _tell("/restart", "seconds"),
    ),
    "revoke": Verb(
        "end an account's logins, as from another device",
        (
            _WHO,
            _flag("--hash", type=int, help="only this login (default: all)"),
            _flag("--silent", action="store_true", help="send no push: clients find out when they ask"),
        ),
        _tell("/revoke", "phone", "hash", "silent"),
    ),
    "ban": Verb(f"ban an account {_UNTIL}", (_WHO,), _tell("/ban", "phone")),
    "freeze": Verb(f"let an account only read {_UNTIL}", (_WHO,), _tell("/freeze", "phone")),
    "burn": Verb("destroy an account's logins with AUTH_KEY_DUPLICATED", (_WHO,), _tell("/burn", "phone")),
    "forget": Verb(
        "forget auth keys: an account's, or else that of the session string on standard input",
        (_flag("--phone", help="whose (default: read a session string)"),),
        _forget,
    ),
    "deny": Verb(
        "say once, and wrongly, that an account's keys are not known", (_WHO,), _tell("/deny", "phone")
    ),
    "expire-tokens": Verb("let every living QR token expire", (), _tell("/expire-tokens")),
    "migrate": Verb(
        "let an account live on another data centre",
        (_WHO, _flag("dc_id", type=int, metavar="DC", help="where")),
        _tell("/migrate", "phone", "dc_id"),
    ),
    "rotate-salts": Verb("let every client learn a new server salt", (), _tell("/rotate-salts")),
    "skew": Verb("let the server's clock be wrong; 0 mends it", (_SECONDS,), _tell("/skew", "seconds")),
    "message": Verb(
        "let an account receive a message",
        (
            _WHO,
            _flag("text", metavar="TEXT"),
            _flag("--from", dest="sender", metavar="PHONE", help="by whom"),
        ),
        _tell("/message", "phone", "text", "sender"),
    ),
    "duplicates": Verb("show each use of one auth key on two connections", (), _look("/duplicates")),
    "connections": Verb("show who is connected", (), _look("/connections")),
    "devices": Verb("show every login as its owner reads it under Devices", (), _look("/devices")),
    "counts": Verb("show what was counted since the start", (), _look("/counts")),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Do what the command line says, and print the answer as JSON."""
    parser = _parser()
    said = parser.parse_args(arguments)
    try:
        wanted = VERBS[said.verb].ask(said)
        patience = _PATIENCE + getattr(said, "seconds", 0)
        reply = ask(_description(said.directory), *wanted, patience=patience)
    except ConnectionError:
        parser.exit(2, f"SANDBOX is not running: start it with {_start(said.directory)}\n")
    except (OSError, ValueError, LookupError) as refusal:
        parser.exit(2, f"SANDBOX refuses: {refusal}\n")
    print(json.dumps(reply, indent=2))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ops.sandbox.script", description=__doc__)
    parser.add_argument("--directory", type=Path, required=True, help="where the sandbox's sandbox.json is")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    for name, verb in VERBS.items():
        one = verbs.add_parser(name, help=verb.help, description=verb.help)
        for names, options in verb.flags:
            one.add_argument(*names, **options)
    return parser


def _description(directory: Path) -> SandboxDescription:
    try:
        return SandboxDescription.from_json((directory / "sandbox.json").read_bytes())
    except FileNotFoundError:
        raise LookupError(f"no sandbox.json in {directory}: start one with {_start(directory)}") from None


def _start(directory: Path) -> str:
    return f"python -m ops.sandbox --directory {directory}"


if __name__ == "__main__":
    main()

"""The demo in the first terminal: a QR for demo/main, kept fresh, until somebody has scanned it."""

from __future__ import annotations

from typing import Any

from ops.launch.api import Api, Problem, read_qr
from ops.launch.screen import Redrawn, qr
from ops.launch.stack import Stack

TENANT, APP = "demo", "main"
POLL = 5
"""Seconds of one long poll; between two we look whether everything is still alive."""

NEXT = f"""
    Scan it with the pretend phone, in a second terminal:
        ops/start scan                      Anna, no 2FA
        ops/start scan --account boris      with a 2FA password: the login page asks for it
        ops/start scan --account clara      an account of another data centre
    Ctrl-C stops everything; the login of {TENANT}/{APP} stays."""


def watch_login(stack: Stack) -> None:
    """Show the way from QR to AUTHORIZED, then only watch that everything stays alive. Ends by an exception."""
    api = Api(stack.run)
    while not _logged_in(api, stack):
        pass
    while True:
        stack.wait(POLL)


def _logged_in(api: Api, stack: Stack) -> bool:
    """Go through one login; whether there is a session at its end."""
    try:
        started = api.start_qr(TENANT, APP)
    except Problem as problem:
        if problem.code == "already_authorized":
            print(f"\n  {TENANT}/{APP} is still logged in; no QR needed.\n", flush=True)
            return True
        print(f"\n  {TENANT}/{APP}: {problem.detail}", flush=True)
        stack.wait(POLL)
        return False
    return _follow(api, stack, started["ticket"])


def _follow(api: Api, stack: Stack, ticket: str) -> bool:
    block, shown, state = Redrawn(), "", "PENDING_QR"
    status = api.status(ticket)
    while True:
        if status["state"] != state:
            block.forget()
            state = status["state"]
            print(f"\n  {TENANT}/{APP} is {_described(status)}", flush=True)
        if state in {"AUTHORIZED", "ABSENT", "STALE", "REVOKED"}:
            return bool(state == "AUTHORIZED")
        picture = status.get("qr_base64")
        if picture is not None and picture != shown:
            shown = picture
            block.show(f"\n{qr(read_qr(picture))}\n    A QR for {TENANT}/{APP}, renewed by itself.\n{NEXT}")
        stack.require_alive()
        status = api.status(ticket, wait=POLL, since=status["sequence"])


def _described(status: dict[str, Any]) -> str:
    words = str(status["state"])
    if status.get("telegram_user_id"):
        words += f" as Telegram user {status['telegram_user_id']}"
    if status.get("reason"):
        words += f" ({status['reason']})"
    return words

"""A login in the terminal: the steps of /api/v1/login, one after the other, until it is over."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from ops.control.errors import Declined
from ops.control.screen import Screen, modules
from ops.control.service import Json, Service
from ops.launch.screen import Redrawn, qr_of

WAIT = 20
PROMPTS = {
    "code": "Login code (empty: send it again another way)",
    "password": "Cloud password of the account",
}


def log_in(service: Service, screen: Screen, flow: str, body: Json) -> None:
    """Begin a login, or go on with the live one, until the account is linked. Raises Declined."""
    reply = service.ask("POST", f"/api/v1/login/start/{flow}", body)
    ticket = {"X-Ticket": reply["login"]["ticket"]}
    block, shown, told = Redrawn(), "", ""
    while True:
        step = reply["step"]
        if screen.as_json:
            screen.show(_without_picture(step), "")
        match step["type"]:
            case "complete":
                if not screen.as_json:
                    screen.show(None, f"linked: Telegram user {step['telegram_user_id']}")
                return
            case "failed":
                raise Declined(f"{step['instructions']} ({step['reason']})", {"reason": step["reason"]})
            case "user_input":
                block.forget()
                reply = service.ask(
                    "POST", "/api/v1/login/current/step", _typed(screen, step), headers=ticket
                )
                continue
        if step["instructions"] != told and not screen.as_json:
            told = step["instructions"]
            screen.aside(told)
        picture = (step["qr"] or {}).get("png_base64")
        if picture and picture != shown and not screen.as_json:
            shown = picture
            block.show(qr_of(modules(picture)))
        query = {} if reply["sequence"] is None else {"wait": WAIT, "since": reply["sequence"]}
        reply = service.ask("GET", "/api/v1/login/current", query=query, headers=ticket)


def typed_secret(prompt: str) -> str:
    """What a person types unseen, or the next line of a pipe; never an argument, which others can see."""
    return getpass.getpass(f"{prompt}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _typed(screen: Screen, step: dict[str, Any]) -> Json:
    """The answer to a step that asks a person."""
    name = step["step_id"]
    if step["error"]:
        screen.aside(f"{step['error']['code']}: try again")
    if name == "password" and step["password"]["hint"]:
        screen.aside(f"hint: {step['password']['hint']}")
    answer = {"txn_id": step["txn_id"], "type": name}
    value = typed_secret(PROMPTS[name])
    if name == "code" and not value:
        return answer | {"type": "action", "action": "resend"}
    return answer | {name: value}


def _without_picture(step: dict[str, Any]) -> dict[str, Any]:
    """A QR opens a login, so it stands on a screen and in no log of a pipe."""
    return step | {"qr": None if step["qr"] is None else step["qr"] | {"png_base64": "***"}}

"""A login in the terminal: the steps of /api/v1/login, one after the other, until it is over."""

from __future__ import annotations

import getpass
import sys
from typing import Any

from actors.core.names import SessionKey
from ops.control.errors import Declined
from ops.control.screen import Screen, modules
from ops.control.service import Json, Service
from ops.launch.screen import Redrawn, qr_of

WAIT = 20
PROMPTS = {
    "code": "Login code (empty: send it again another way)",
    "password": "Cloud password of the account",
}


class Login:
    """A login under way: where it stands, and what the screen shows of it. Every method may raise Declined."""

    def __init__(self, service: Service, screen: Screen, flow: str, body: Json) -> None:
        """Begin it, or go on with the live one."""
        self._service, self._screen = service, screen
        self._reply = service.ask("POST", f"/api/v1/login/start/{flow}", body)
        self.summary: Json = self._reply["login"]
        self._ticket = {"X-Ticket": self.summary["ticket"]}
        self._block, self._picture, self._told = Redrawn(), "", ""

    @property
    def step(self) -> Json:
        """What the person does next."""
        step: Json = self._reply["step"]
        return step

    def show(self) -> None:
        """Put the step on the screen, and its QR if that is a new one."""
        step = self.step
        if self._screen.as_json:
            self._screen.show(_without_picture(step), "")
            return
        if step["type"] != "display_and_wait":
            return
        if step["instructions"] != self._told:
            self._told = step["instructions"]
            self._screen.aside(self._told)
        picture = (step["qr"] or {}).get("png_base64")
        if picture and picture != self._picture:
            self._picture = picture
            self._block.show(qr_of(modules(picture)))

    def follow(self) -> Json:
        """Show every step until a person has to type something, or it is over: that one is returned."""
        self.show()
        while self.step["type"] == "display_and_wait":
            sequence = self._reply["sequence"]
            query = {} if sequence is None else {"wait": WAIT, "since": sequence}
            self._reply = self._service.ask("GET", "/api/v1/login/current", query=query, headers=self._ticket)
            self.show()
        self._block.forget()
        return self.step

    def hand_in(self, answer: Json) -> None:
        """Answer the step."""
        self._reply = self._service.ask("POST", "/api/v1/login/current/step", answer, headers=self._ticket)


def log_in(service: Service, screen: Screen, flow: str, body: Json) -> None:
    """Log in, with all that a person has to type, until the account is linked. Raises Declined."""
    login = Login(service, screen, flow, body)
    while (step := login.follow())["type"] == "user_input":
        login.hand_in(_typed(screen, step))
    _end(screen, step, "linked")


def qr_login(service: Service, screen: Screen, key: SessionKey, *, follows: bool) -> None:
    """Show a ticket and its QR and, if so asked, follow the login to its end or to the password. Raises Declined."""
    login = Login(service, screen, "qr", {"tenant_id": key.tenant_id, "app_id": key.app_id})
    go_on = f"finalize --ticket {login.summary['ticket']}"
    screen.show(login.summary, f"ticket: {login.summary['ticket']}")
    if follows:
        login.follow()
    else:
        login.show()
    match login.step["step_id"]:
        case "qr" if login.step["qr"]["png_base64"]:
            screen.aside(
                f"The service renews its QR; this one is good for half a minute. Once scanned: {go_on}"
            )
        case "qr":
            screen.aside("Telegram has given no QR yet: run it again in a moment.")
        case "password":
            if not screen.as_json:
                screen.show(None, "PENDING_PASSWORD")
            screen.aside(f"The account has a cloud password. Go on with: {go_on}")
        case "complete" | "failed":
            _end(screen, login.step, "AUTHORIZED")
        case other:
            raise Declined(f"a login that waits for its {other} is under way: go on with sessionctl login")


def typed_secret(prompt: str) -> str:
    """What a person types unseen, or the next line of a pipe; never an argument, which others can see."""
    return getpass.getpass(f"{prompt}: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")


def _end(screen: Screen, step: Json, linked: str) -> None:
    if step["type"] == "failed":
        raise Declined(f"{step['instructions']} ({step['reason']})", {"reason": step["reason"]})
    if not screen.as_json:
        screen.show(None, f"{linked}: Telegram user {step['telegram_user_id']}")


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

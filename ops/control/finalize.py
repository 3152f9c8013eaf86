"""The second half of a login by QR: wait for the scan, hand in the cloud password, say where the login stands."""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from ops.control.errors import Declined, NotAsked
from ops.control.login import PROMPTS, WAIT, typed_secret
from ops.control.screen import Screen
from ops.control.service import Json, Service

LARGEST = 4096
WAYS = "give --password-file or --password-stdin, or run it in a terminal, where it is typed unseen"


@dataclass(frozen=True, slots=True)
class Password:
    """The cloud password, if one was given; without one, a person in a terminal is asked once it is needed."""

    given: str | None = field(default=None, repr=False)

    @classmethod
    def of(cls, argument: str | None, file: Path | None, *, stdin: bool) -> Password:
        """What the options say. Raises NotAsked."""
        if (argument is not None) + (file is not None) + stdin > 1:
            raise NotAsked("give one of --password, --password-file and --password-stdin")
        if file is not None:
            return cls(_first_line(file))
        return cls(sys.stdin.readline().rstrip("\r\n") if stdin else argument)

    def value(self, status: Json) -> str:
        """What to hand in to this login. Raises NotAsked."""
        if self.given is not None:
            return self.given
        hint = f" (hint: {status['hint']})" if status["hint"] else ""
        if not sys.stdin.isatty():
            raise NotAsked(f"PENDING_PASSWORD: the account has a cloud password{hint}: {WAYS}", _told(status))
        return typed_secret(f"{PROMPTS['password']}{hint}")


def finalize(service: Service, screen: Screen, ticket: str, password: Password, within: float) -> None:
    """Do it, and show the state. Raises Declined and NotAsked."""
    status = _past_the_scan(service, ticket, within)
    if status["requires_password"]:
        service.ask("POST", "/api/qr/password", {"ticket": ticket, "password": password.value(status)})
        status = _status(service, ticket)
    _judge(status, within)
    screen.show(_told(status), f"{status['state']}: Telegram user {status['telegram_user_id']}")


def _past_the_scan(service: Service, ticket: str, within: float) -> Json:
    """Where the login stands once it has been scanned, or once the time is over."""
    until = time.monotonic() + within
    status = _status(service, ticket)
    while status["step"]["type"] == "display_and_wait" and (wait := _next_wait(until - time.monotonic())):
        status = _status(service, ticket, wait=wait, since=status["sequence"])
    return status


def _next_wait(left: float) -> int:
    """How long to have the next question answered, in whole seconds: rounded up, so that the last part counts too."""
    return min(max(0, math.ceil(left)), WAIT)


def _status(service: Service, ticket: str, **query: int) -> Json:
    return service.ask("GET", "/api/qr/status", query=query, headers={"X-Ticket": ticket})


def _judge(status: Json, within: float) -> None:
    """Return if the account is linked."""
    state, step = status["state"], status["step"]
    if step["type"] == "failed":
        reason = status["reason"] or "another login has taken its place"
        raise Declined(
            f"{state}: this login is over ({reason}): begin a new one with qr-login", _told(status)
        )
    if step["type"] == "display_and_wait":
        why = f" ({status['reason']})" if status["reason"] else ""
        raise Declined(
            f"{state}: not scanned within {within:g} seconds{why}: scan the QR, then run finalize again",
            _told(status),
        )
    if step["type"] == "user_input":
        raise Declined(f"{state}: this login waits for its {step['kind']}", _told(status))


def _told(status: Json) -> Json:
    """What programs are told, which is all but the QR: it opens the login, and pipes end in logs."""
    return {name: value for name, value in status.items() if name != "qr_base64"}


def _first_line(file: Path) -> str:
    try:
        with file.open(encoding="utf-8") as lines:
            return lines.readline(LARGEST).rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise NotAsked(
            f"--password-file: {file} cannot be read ({type(error).__name__}): check path and rights"
        ) from None

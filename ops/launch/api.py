"""The service's own HTTP API, as the launcher and the pretend phone use it: like any backend of a tenant."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from typing import Any

from ops.launch.home import LaunchError, Run

PATIENCE = 40.0


@dataclass(frozen=True, slots=True)
class Problem(Exception):
    """The API's "no", by its stable code."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class Api:
    """A running service."""

    run: Run

    def start_qr(self, tenant_id: str, app_id: str) -> dict[str, Any]:
        """Begin a login by QR, or get the live one again. Raises Problem."""
        return self._send("POST", "/api/qr/start", {"tenant_id": tenant_id, "app_id": app_id})

    def status(self, ticket: str, *, wait: int = 0, since: int | None = None) -> dict[str, Any]:
        """Where the login stands; with `wait`, as soon as it changes after sequence `since`."""
        query = {"wait": wait} if since is None else {"wait": wait, "since": since}
        return self._send("GET", f"/api/qr/status?{urllib.parse.urlencode(query)}", ticket=ticket)

    def password(self, ticket: str, password: str) -> dict[str, Any]:
        """Hand in the 2FA password. Raises Problem."""
        return self._send("POST", "/api/qr/password", {"ticket": ticket, "password": password})

    def _send(
        self, method: str, path: str, body: dict[str, str] | None = None, ticket: str | None = None
    ) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self.run.service_key}", "Content-Type": "application/json"}
        if ticket is not None:
            headers["X-Ticket"] = ticket
        request = urllib.request.Request(  # noqa: S310 - the URL is our own
            self.run.api_url + path,
            None if body is None else json.dumps(body).encode(),
            headers,
            method=method,
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as reply:  # noqa: S310 - as above
                answer: dict[str, Any] = json.load(reply)
                return answer
        except urllib.error.HTTPError as refusal:
            with refusal:
                problem = json.load(refusal)
            raise Problem(problem["code"], problem.get("detail") or problem["title"]) from None
        except OSError as error:
            raise LaunchError(f"the service at {self.run.api_url} does not answer: {error}") from error


def read_qr(picture: str) -> str:
    """What a camera sees in this QR: the text in a PNG that came as base64."""
    import png  # noqa: PLC0415 - only the sandbox's own verbs need these two
    import zxingcpp  # noqa: PLC0415

    width, height, rows, _ = png.Reader(bytes=base64.b64decode(picture)).asRGB8()
    grey = b"".join(bytes(row[::3]) for row in rows)
    found = zxingcpp.read_barcode(memoryview(grey).cast("B", shape=[height, width]))
    if found is None:
        raise LaunchError("the picture shows no QR")
    return str(found.text)

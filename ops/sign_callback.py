"""`python -m ops.sign_callback`: what a tenant's backend needs to sign its callbacks, and one signed for a try.

It reads MINIAPP_HMAC_SECRET, and MINIAPP_HMAC_SECRET_NEXT if that is set, as the service does. A tenant is given its
own key, never the secret: it signs for that tenant and for nobody else.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated
from uuid import uuid4

from cyclopts import App, CycloptsError, Parameter

from actors.adapters.callback_keys import DerivedCallbackKeys
from actors.core.names import InvalidName, SessionKey
from actors.core.secret import Secret
from actors.guards import CallbackKey
from api.signatures import Signed, sign
from supervisor.secret_files import given_secret

PATH = "/api/qr/callback"
SECRETS = ("MINIAPP_HMAC_SECRET", "MINIAPP_HMAC_SECRET_NEXT")

app = App(name="python -m ops.sign_callback", help="Signs callbacks.", version_flags=[])

Tenant = Annotated[str, Parameter(help="Whose callbacks.")]
Next = Annotated[
    bool, Parameter(name="--next", negative="", help="The key of MINIAPP_HMAC_SECRET_NEXT instead.")
]


class SignError(Exception):
    """Cannot go on; the sentence names the fix."""


@app.command
def key(*, tenant: Tenant, upcoming: Next = False) -> None:
    """Show the tenant's key as JSON: its id, for X-Key-Id, and the secret in hex."""
    found = _key(tenant, upcoming=upcoming)
    print(json.dumps({"key_id": found.key_id, "secret": found.secret.hex()}))


@app.default
def sign_callback(
    *,
    tenant: Tenant,
    tg_user_id: Annotated[int, Parameter(help="The account that you believe was linked.")],
    two_fa_required: bool = False,
    url: Annotated[str, Parameter(help="Where the service is; shown only.")] = "http://127.0.0.1:8080",
    upcoming: Next = False,
) -> None:
    """Show a signed callback, ready to send: its headers and its body as JSON.

    The login's ticket is read from standard input: arguments can be seen by everybody on the machine.
    """
    ticket = sys.stdin.readline().strip()
    body = json.dumps({"ticket": ticket, "tg_user_id": tg_user_id, "two_fa_required": two_fa_required})
    headers = signed_headers(_key(tenant, upcoming=upcoming), body.encode(), time.time())
    print(json.dumps({"url": url.rstrip("/") + PATH, "headers": headers, "body": body}, indent=2))


def signed_headers(with_key: CallbackKey, body: bytes, now: float) -> dict[str, str]:
    """The headers of a callback with this body, signed now."""
    unsigned = Signed("POST", PATH, "", str(int(now)), str(uuid4()), with_key.key_id, body)
    signed = replace(unsigned, signature=sign(unsigned, with_key))
    return {
        "Content-Type": "application/json",
        "X-Miniapp-Signature": signed.signature,
        "X-Timestamp": signed.timestamp,
        "X-Request-Id": signed.request_id,
        "X-Key-Id": signed.key_id,
    }


def _key(tenant: str, *, upcoming: bool) -> CallbackKey:
    name = SECRETS[upcoming]
    try:
        secret = given_secret(os.environ, name)
    except ValueError as fault:
        raise SignError(str(fault)) from None
    if secret is None:
        raise SignError(f"set {name} or {name}_FILE, as for the service")
    try:
        SessionKey(tenant, "any")
    except InvalidName as error:
        raise SignError(f"--tenant: {error}") from None
    return DerivedCallbackKeys(Secret(secret)).of(tenant)[0]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and exit code 2."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2  # it has said why
    except SignError as error:
        print(f"ops.sign_callback: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

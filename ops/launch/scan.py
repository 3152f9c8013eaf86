"""The pretend phone: looks at the QR that the service shows, and accepts it as one of the sandbox's accounts."""

from __future__ import annotations

import asyncio

from ops.launch.api import Api, Problem, read_qr
from ops.launch.home import Home, LaunchError, Run
from ops.sandbox.description import SandboxDescription

PHONES = {"anna": "9996621001", "boris": "9996621002", "clara": "9996611003"}


def scan(home: Home, account: str, session: str) -> None:
    """Scan the live QR of `tenant/app`, and say what came of it. Raises LaunchError."""
    if account not in PHONES:
        raise LaunchError(f"the sandbox has no {account!r}: choose one of {', '.join(PHONES)}")
    tenant_id, _, app_id = session.partition("/")
    api = Api(Run.of(home))
    try:
        started = api.start_qr(tenant_id, app_id)
    except Problem as problem:
        raise LaunchError(f"{session}: {problem.detail} ({problem.code})") from None
    before = api.status(started["ticket"])
    _accept(home, account, read_qr(started["qr_base64"]))
    print(f"The phone of {account} accepted the QR of {session}.")
    status = api.status(started["ticket"], wait=10, since=before["sequence"])
    while status["state"] == "PENDING_QR":
        status = api.status(started["ticket"], wait=10, since=status["sequence"])
    print(f"{session} is {status['state']}")
    if status["state"] == "PENDING_PASSWORD":
        print(f"Type the 2FA password on the login page. Its hint: {status.get('hint')}")


def _accept(home: Home, account: str, url: str) -> None:
    from ops.sandbox import client, phone  # noqa: PLC0415 - Telethon takes a second to import

    description = SandboxDescription.from_json(home.sandbox_file.read_text())
    client.trust(description)
    asyncio.run(phone.scan(description, PHONES[account], url))

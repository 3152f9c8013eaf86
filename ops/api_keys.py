"""`python -m ops.api_keys`: give out keys for the HTTP API, list them, take them back.

It reads DATABASE_URL, as the service does. A key is shown once, when it is made; kept is only its hash.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Annotated, TypeVar

import trio
from cyclopts import App, CycloptsError, Parameter

from actors.adapters.api_keys import PostgresApiKeys
from actors.adapters.postgres import open_postgres
from actors.bridge import open_loop
from actors.core.names import InvalidName, SessionKey
from actors.errors import StoreRefused, StoreUnavailable
from actors.guards import ApiKey, KeyRole
from api.keys import new_key
from supervisor.secret_files import given_secret

DAY = 86_400.0
LONGEST_LABEL = 200

Result = TypeVar("Result")
app = App(name="python -m ops.api_keys", help="Keys for the HTTP API.", version_flags=[])


class ApiKeysError(Exception):
    """Cannot go on; the sentence names the fix."""


@app.command
def create(
    *,
    role: KeyRole,
    label: str,
    tenant: str | None = None,
    days: Annotated[int | None, Parameter(help="After so many days it stops working.")] = None,
) -> None:
    """Make a key and show it, once.

    Parameters
    ----------
    role
        admin: everything; operator: reads everything; tenant: one tenant.
    label
        What people call it, such as the backend that will hold it.
    tenant
        Whose key it is, for the role tenant.
    """
    _check(role, label, tenant, days)
    now = time.time()
    key, kept = new_key(role, tenant, label, now)
    kept = replace(kept, expires_at=None if days is None else now + days * DAY)
    _run(lambda keys: keys.add(kept))
    print(key.reveal())
    print("Keep it now: it is shown this once.", file=sys.stderr)


@app.command(name="list")
def list_keys() -> None:
    """Show every key that was given out, oldest first."""
    for key in _run(lambda keys: keys.all()):
        print(_line(key, time.time()))


@app.command
def revoke(key_id: str) -> None:
    """Let a key work no longer. Every node notices within five seconds.

    Parameters
    ----------
    key_id
        The key's id, which `list` shows: the part between the two underscores.
    """
    if not _run(lambda keys: keys.revoke(key_id)):
        raise ApiKeysError(f"there is no key {key_id!r}; see: python -m ops.api_keys list")
    print(f"{key_id} is revoked")


def _check(role: KeyRole, label: str, tenant: str | None, days: int | None) -> None:
    if (role is KeyRole.TENANT) != (tenant is not None):
        raise ApiKeysError("the role tenant needs --tenant, and the others must not have it")
    if days is not None and days < 1:
        raise ApiKeysError("--days must be 1 or more")
    if not 0 < len(label) <= LONGEST_LABEL or not label.isprintable():
        raise ApiKeysError(f"--label must be 1 to {LONGEST_LABEL} printable characters")
    try:
        SessionKey(tenant or "any", "any")
    except InvalidName as error:
        raise ApiKeysError(f"--tenant: {error}") from None


def _line(key: ApiKey, now: float) -> str:
    state = "works" if key.works(now) else "expired" if key.revoked_at is None else "revoked"
    made = time.strftime("%Y-%m-%d", time.gmtime(key.created_at))
    return f"{key.key_id}  {state:8} {key.role:9} {key.tenant_id or '-':20} {made}  {key.label}"


def _run(work: Callable[[PostgresApiKeys], Awaitable[Result]]) -> Result:
    """Do this with the database of DATABASE_URL. Raises ApiKeysError."""
    url = _database_url()

    async def run() -> Result:
        async with open_loop(), open_postgres(url, on_denied=lambda: None) as store:
            return await work(PostgresApiKeys(store.database))

    try:
        return trio.run(run)
    except* (StoreUnavailable, StoreRefused, ValueError) as errors:
        raise ApiKeysError(_first(errors)) from None


def _database_url() -> str:
    try:
        url = given_secret(os.environ, "DATABASE_URL")
    except ValueError as fault:
        raise ApiKeysError(str(fault)) from None
    if url is None:
        raise ApiKeysError("set DATABASE_URL or DATABASE_URL_FILE, as for the service")
    return url


def _first(errors: BaseException) -> str:
    while isinstance(errors, BaseExceptionGroup):
        errors = errors.exceptions[0]
    return str(errors)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and exit code 2."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2  # it has said why
    except ApiKeysError as error:
        print(f"ops.api_keys: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

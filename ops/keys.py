"""The keyring's command line, `python -m ops.keys`: make keys, change them while everything runs, check the seals.

Exit codes: 0 done, 1 something that is sealed could not be opened, 2 it could not be begun or ended as things are
(the sentence on standard error names the fix; run it again, nothing is done twice).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar

import trio
from cyclopts import App, Parameter

from actors.adapters.keyring import Keyring, KeyringError, KeyringFile, add_key
from actors.adapters.postgres import open_postgres
from actors.adapters.rekeying import Rekeying
from actors.adapters.sealing import Seals
from actors.bridge import open_loop
from actors.errors import StoreRefused, StoreUnavailable

SHOWN = 20
"""How many of those that could not be opened are named."""

Result = TypeVar("Result")

app = App(
    name="python -m ops.keys",
    help="The keyring: the keys that seal what the service keeps in its database and its backups.",
    version_flags=[],
)

KeyringPath = Annotated[
    Path, Parameter(env_var="BACKUP_ENCRYPTION_KEY_PATH", help="The keyring's file, as the service has it.")
]
Environment = Annotated[
    str,
    Parameter(
        env_var="ENVIRONMENT_NAME",
        help="The environment's name, as the service has it; a sandbox is `sandbox`.",
    ),
]


class KeysError(Exception):
    """Cannot go on; the sentence names the fix."""


@app.command
def add(path: Path, *, name: str | None = None) -> None:
    """Add a fresh key to a keyring, which seals from now on; make the keyring if there is none.

    Keep a copy of the file where neither this machine nor the database is: without it nothing that it sealed can
    ever be opened again. A running service notices the new key by itself. To change keys, give every node
    the new file, then run `rekey`.

    Example: python -m ops.keys add /etc/usm/keyring

    Example: python -m ops.keys add /etc/usm/keyring --name 2027-q1

    Parameters
    ----------
    path
        The keyring's file.
    name
        What to call the key; today's date, unless something else is said.
    """
    name = name or _todays_name(path)
    add_key(path, name)
    print(f"{path} seals with the key {name!r} from now on. Keep a copy of the file elsewhere.")


@app.command(name="list")
def list_(path: Path) -> None:
    """Show the names of a keyring's keys, oldest first. The keys themselves are never shown.

    Example: python -m ops.keys list /etc/usm/keyring

    Parameters
    ----------
    path
        The keyring's file.
    """
    ring = Keyring.read(path)
    for name in ring.names:
        print(f"{name}  (seals)" if name == ring.current else name)


@app.command
def rekey(*, keyring: KeyringPath, environment: Environment = "production") -> int:
    """Bring the database under the keyring's newest key, while the service runs.

    Every tenant's data key is wrapped anew, every credential gets its fingerprint under the newest key, and tenants'
    own apps are sealed anew. It can be stopped and run again. DATABASE_URL is the service's own. Afterwards keep the
    older keys in the file for as long as there are backups from their time.

    Example: python -m ops.keys rekey --keyring /etc/usm/keyring
    """
    done = _with_vault(keyring, environment, lambda rekeying: rekeying.rekey())
    print(
        f"rekeyed: {done.data_keys} data keys, {done.fingerprints} fingerprints; refused: {len(done.refused)}"
    )
    if done.apps:
        print(f"sealed anew: the apps of {done.apps} tenants")
    if done.webhooks:
        print(f"sealed anew: the secrets of {done.webhooks} webhooks")
    if done.left_behind:
        print(
            f"{done.left_behind} erased credentials are known by older keys only: keep these in the keyring, or a "
            "file with such a credential will be taken for a stranger's"
        )
    return _show(done.refused)


@app.command
def verify(*, keyring: KeyringPath, environment: Environment = "production") -> int:
    """Open every credential in the database, as the service would, and say which cannot be opened and why.

    Tenants' own apps are opened too. Nothing is changed, and nothing of what was opened is shown. DATABASE_URL is
    the service's own.

    Example: python -m ops.keys verify --keyring /etc/usm/keyring
    """
    seen = _with_vault(keyring, environment, lambda rekeying: rekeying.verify())
    print(f"opened: {seen.opened}; refused: {len(seen.refused)}")
    return _show(seen.refused)


def _todays_name(path: Path) -> str:
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    taken = Keyring.read(path).names if path.exists() else ()
    later = (f"{today}-{number}" for number in range(2, len(taken) + 2))
    return next(name for name in (today, *later) if name not in taken)


def _show(refused: dict[str, str]) -> int:
    for what, why in list(refused.items())[:SHOWN]:
        print(f"  {what}: {why.removeprefix(f'{what}: ')}")
    if len(refused) > SHOWN:
        print(f"  … and {len(refused) - SHOWN} more")
    return 1 if refused else 0


def _with_vault(path: Path, environment: str, work: Callable[[Rekeying], Awaitable[Result]]) -> Result:
    url = os.environ.get("DATABASE_URL")
    if not url:
        raise KeysError("set DATABASE_URL to the URL that the service itself logs in with")
    seals = Seals(environment, KeyringFile(path))
    return trio.run(partial(_work, url, seals, work))


async def _work(url: str, seals: Seals, work: Callable[[Rekeying], Awaitable[Result]]) -> Result:
    async with open_loop(), open_postgres(url, pool_size=1, on_denied=_nothing) as store:
        return await work(Rekeying(store.database, seals, lambda line: print(f"  {line}", flush=True)))


def _nothing() -> None:
    """A refusal by row level security is raised as well."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what the operator can mend becomes its sentence and exit code 2."""
    try:
        return app(arguments, result_action="return_value") or 0
    except* (KeyringError, KeysError, StoreRefused, StoreUnavailable) as refusals:
        for refusal in _leaves(refusals):
            print(f"ops.keys: {refusal}", file=sys.stderr)
    return 2


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in _leaves(part)]
    return [error]


if __name__ == "__main__":
    sys.exit(main())

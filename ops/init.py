"""`python -m ops.init`: write a .env with fresh secrets and a keyring for backups, both for our eyes only.

Neither is ever overwritten: whoever replaces a secret wants to do that with care, see ops/docs/secrets.md.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from actors.adapters.keyring import KeyringError, add_key

TEXT = """\
# Settings of UnifiedSessionManager, for: set -a; . ./.env; set +a
# Keep this file out of git and of backups that others read.

# Your app, from https://my.telegram.org (API development tools)
# TELEGRAM_API_ID_MASTER=
# TELEGRAM_API_HASH_MASTER=

# PostgreSQL and Redis or Valkey; ops/start brings its own servers for those that are not given.
# DATABASE_URL=
# REDIS_URL=

# Made by python -m ops.init, at random. On Supabase put its service role key here instead.
SUPABASE_SERVICE_ROLE_KEY={service_key}
MINIAPP_HMAC_SECRET={hmac_secret}
USM_APP_PASSWORD={app_password}

# Where session files lie; ops/start has a folder of its own for them.
# SESSIONS_BASE_PATH=/app/sessions
BACKUP_ENCRYPTION_KEY_PATH={keyring}
"""

app = App(name="python -m ops.init", version_flags=[])


class InitError(Exception):
    """Cannot go on; the sentence names the fix."""


@app.default
def init(
    *,
    env: Annotated[Path, Parameter(help="The file to write.")] = Path(".env"),
    keyring: Annotated[
        Path | None, Parameter(help="The keyring to make; beside the .env by default.")
    ] = None,
) -> None:
    """Write a .env and a keyring with fresh secrets. What is there already is left as it is."""
    env = env.absolute()
    keyring = (keyring or env.parent / "backup.key").absolute()
    text = TEXT.format(
        service_key=secrets.token_hex(32),
        hmac_secret=secrets.token_hex(32),
        app_password=secrets.token_hex(32),
        keyring=keyring,
    )
    _write_new(env, text)
    print(f"wrote {env}: fill in TELEGRAM_API_ID_MASTER and TELEGRAM_API_HASH_MASTER")
    if keyring.exists():
        print(f"left {keyring} as it is")
        return
    try:
        add_key(keyring, "first")
    except (KeyringError, OSError) as error:
        raise InitError(f"the keyring cannot be made: {error}") from None
    print(f"made {keyring}: keep a copy of it elsewhere, without it no backup can be opened")


def _write_new(path: Path, text: str) -> None:
    """Write a file that only we may read. Raises InitError if there is one, whoever made it and whenever."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        raise InitError(f"{path} is there already and is not touched; name another with --env") from None
    except OSError as error:
        raise InitError(f"{path} cannot be written ({error.strerror}); name another with --env") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and exit code 2."""
    try:
        app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return 2  # it has said why
    except InitError as error:
        print(f"ops.init: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

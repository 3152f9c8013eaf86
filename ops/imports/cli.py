"""What `ops/migrate_sessions.py` takes, and the exit codes that it answers with."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from actors.core.import_plan import Prefer
from ops.imports.place import Place, UsageError, read_accounts
from ops.imports.run import CannotRun, run
from ops.imports.screen import Screen
from supervisor.imports import Wishes

HELP = """Take over Telegram sessions that Telethon or Pyrogram have made: their keys go, sealed, into the database.

Nothing is connected, and no file is changed. A session that was taken over stays stopped until somebody starts it:
a key that two programs use at once is destroyed by Telegram. Stop the old program first."""
EPILOGUE = """
Examples:
  python ops/migrate_sessions.py --sessions-dir /app/sessions --dry-run
  python ops/migrate_sessions.py --sessions-dir /app/sessions --database-url URL --redis-url URL
  python ops/migrate_sessions.py --sessions-dir old --tenant acme --accounts whose.csv --prefer newest

Read are DIR/TENANT/APP.session, DIR/APP.session (for --tenant), and session strings in files APP.string.
Others on the machine can read arguments: let URLs stand in the environment.

Exit codes:
  0    every session is in the database, or would be
  1    some are not: refused, in each other's way, or in that of one in the database
  2    not tried, or not to the end: arguments, keyring, folder or database are not fit for it
  130  stopped with Ctrl-C; the next run goes on
"""

app = App(
    name="migrate_sessions.py",
    help=HELP,
    help_epilogue=EPILOGUE.strip("\n"),
    help_format="plaintext",
    version_flags=[],
)


@app.default
def migrate(
    *,
    sessions_dir: Annotated[Path, Parameter(env_var="SESSIONS_BASE_PATH")],
    database_url: Annotated[str | None, Parameter(env_var="DATABASE_URL")] = None,
    redis_url: Annotated[str | None, Parameter(env_var="REDIS_URL")] = None,
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    tenant: str = "default",
    accounts: Path | None = None,
    prefer: Prefer = Prefer.NONE,
    same_account: Annotated[bool, Parameter(negative="")] = False,
    start: Annotated[bool, Parameter(negative="")] = False,
    keyring: Annotated[Path | None, Parameter(env_var="BACKUP_ENCRYPTION_KEY_PATH")] = None,
    environment: Annotated[str | None, Parameter(env_var="ENVIRONMENT_NAME")] = None,
    sandbox: Annotated[Path | None, Parameter(env_var="TELEGRAM_SANDBOX")] = None,
    metrics_file: Path | None = None,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run it.

    Parameters
    ----------
    sessions_dir
        The folder of session files.
    database_url
        PostgreSQL's, as the service logs in.
    redis_url
        Redis keeps nothing of a session; if its URL is given, it has to answer.
    dry_run
        Only say what would become of each file; nothing is written.
    tenant
        Whose the files are that lie in no tenant's folder.
    accounts
        A CSV file of lines "path,user id", for files that do not say whose login they are.
    prefer
        Which of several files is taken that have one name, one auth key or one account: none of them, or the newest.
    same_account
        Let one account have several sessions, each with an auth key of its own, as Telegram does.
    start
        Let the sessions connect when the service is started next. Only if nothing else uses their keys any more!
    keyring
        The file of keys that seal credentials.
    environment
        Which environment's database it is: one does not open another's credentials.
    sandbox
        The sandbox's sandbox.json, if the sessions are of a sandbox.
    metrics_file
        Where to write session_conversion_total for node_exporter's textfile collector: a name ending in .prom.
    json
        One JSON object on standard output instead of a table.
    """
    wishes = Wishes(
        tenant=tenant,
        accounts=read_accounts(accounts) if accounts else {},
        prefer=prefer,
        same_account=same_account,
        start=start,
    )
    place = Place(sessions_dir, database_url, redis_url, keyring, environment, sandbox, metrics_file)
    return run(place, wishes, Screen(as_json=json, dry_run=dry_run), dry_run=dry_run)


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and an exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    screen = Screen(as_json="--json" in words, dry_run=False)
    try:
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError) as error:
        return screen.refuse("usage", str(error), 2)
    except CannotRun as error:
        return screen.refuse(error.code, str(error), 2)
    except KeyboardInterrupt:
        return screen.refuse("stopped", "stopped; what was imported stays, and the next run goes on", 130)
    return code if isinstance(code, int) else 0

"""What `ops/backup_scheduler.py` takes, and the exit codes that it answers with."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from ops.backups.asked import Asked
from ops.backups.place import Place, UsageError, session_named
from ops.backups.screen import Screen

EVERY = "all"
HELP = "Back up Telegram sessions: without a verb, run the schedule; with one, do that and end."
EPILOGUE = """
Examples:
  python ops/backup_scheduler.py --database-url URL --redis-url URL
  python ops/backup_scheduler.py --manual-backup tenant1:app1
  python ops/backup_scheduler.py --list-backups tenant1:app1 --json
  python ops/backup_scheduler.py --verify all
  python ops/backup_scheduler.py --restore tenant1:app1 [--backup ID]

Others on the machine can read arguments: let URLs stand in the environment.

Exit codes:
  0  all is well
  1  no: a backup was not made, found or good, or a restore was refused
  2  not tried: arguments, keyring or database are not fit for it
"""

app = App(
    name="backup_scheduler.py",
    help=HELP,
    help_epilogue=EPILOGUE.strip("\n"),
    help_format="plaintext",
    version_flags=[],
)

AtLeastOne = Number(gte=1)


@app.default
def run(
    *,
    manual_backup: Annotated[str | None, Parameter(group="Verbs")] = None,
    list_backups: Annotated[str | None, Parameter(group="Verbs")] = None,
    verify: Annotated[str | None, Parameter(group="Verbs")] = None,
    restore: Annotated[str | None, Parameter(group="Verbs")] = None,
    backup: str | None = None,
    database_url: Annotated[str | None, Parameter(env_var="DATABASE_URL")] = None,
    redis_url: Annotated[str | None, Parameter(env_var="REDIS_URL")] = None,
    supabase_url: Annotated[str | None, Parameter(env_var="SUPABASE_URL")] = None,
    supabase_key: Annotated[str | None, Parameter(env_var="SUPABASE_SERVICE_ROLE_KEY")] = None,
    sessions_dir: Annotated[Path, Parameter(env_var="SESSIONS_BASE_PATH")] = Path("/app/sessions"),
    backups_dir: Annotated[Path | None, Parameter(env_var="BACKUPS_PATH")] = None,
    keyring: Annotated[Path | None, Parameter(env_var="BACKUP_ENCRYPTION_KEY_PATH")] = None,
    environment: Annotated[str | None, Parameter(env_var="ENVIRONMENT_NAME")] = None,
    retention_days: Annotated[int, Parameter(env_var="BACKUP_RETENTION_DAYS", validator=AtLeastOne)] = 7,
    every_hours: Annotated[
        float, Parameter(env_var="BACKUP_EVERY_HOURS", validator=Number(gte=0.1, lte=168))
    ] = 24.0,
    json: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run it.

    Parameters
    ----------
    manual_backup
        Back this session up now, changed or not: tenant:app.
    list_backups
        Show this session's backups, newest first: tenant:app. Needs no database and no key.
    verify
        Open every backup of this session, or of all: tenant:app or "all". Needs no database.
    restore
        Put this session's newest backup back, or the one that --backup names: tenant:app. Nobody may be running it.
    backup
        Which backup to restore, as --list-backups names it.
    database_url
        PostgreSQL's, as the service logs in.
    redis_url
        Taken for uniformity: backups need no Redis.
    supabase_url
        Taken for uniformity: --database-url says where the database is.
    supabase_key
        Taken for uniformity.
    sessions_dir
        The folder of session files.
    backups_dir
        The folder of backups: `backups` beside the folder of session files if nothing is said.
    keyring
        The file of keys that seal credentials and backups.
    environment
        Which environment's backups: one does not open another's.
    retention_days
        For how many days the schedule keeps backups.
    every_hours
        How often the schedule runs.
    json
        One JSON object on standard output instead of tables.
    """
    del redis_url, supabase_url, supabase_key
    place = Place(sessions_dir, backups_dir, keyring, environment, database_url)
    screen = Screen(as_json=json)
    asked = Asked(place, screen, retention_days, every_hours)
    verbs: dict[str, tuple[str | None, Callable[[str], int]]] = {
        "--manual-backup": (manual_backup, lambda session: asked.back_up(session_named(session))),
        "--list-backups": (list_backups, lambda session: asked.list_backups(session_named(session))),
        "--verify": (verify, lambda said: asked.verify(None if said == EVERY else session_named(said))),
        "--restore": (restore, lambda session: asked.restore(session_named(session), backup)),
    }
    given = [(value, does) for value, does in verbs.values() if value is not None]
    if len(given) > 1:
        raise UsageError(f"give one of {', '.join(verbs)}, or none to run the schedule")
    if backup is not None and restore is None:
        raise UsageError("--backup goes with --restore")
    return given[0][1](given[0][0]) if given else asked.schedule()


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and an exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    screen = Screen(as_json="--json" in words)
    try:
        code = app(words, exit_on_error=False, print_error=False, result_action="return_value")
    except (CycloptsError, UsageError) as error:
        return screen.refuse("usage", str(error), 2)
    except KeyboardInterrupt:
        return 0
    return code if isinstance(code, int) else 0

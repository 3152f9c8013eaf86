"""The command line: `python -m ops.journal verify` and `python -m ops.journal show`."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter

from ops.journal import heads as head_files
from ops.journal.chain import Finding, Head
from ops.journal.errors import CannotRun
from ops.journal.progress import shown_progress
from ops.journal.rows import count, lines, open_journal
from ops.journal.show import readable
from ops.journal.verify import Report, Tally, follow
from ops.seen import shows_password

OK, TAMPERED, COULD_NOT_RUN = 0, 1, 2

EPILOGUE = """
Exit codes: 0 the journal is whole, 1 it was tampered with, 2 the command could not run.

Examples, with DATABASE_URL set:

    python -m ops.journal verify
    python -m ops.journal verify --heads >> /mnt/elsewhere/heads.txt
    python -m ops.journal verify --against /mnt/elsewhere/heads.txt
    python -m ops.journal verify --tenant acme
    python -m ops.journal show --tenant acme --app main | tail
"""

app = App(
    name="python -m ops.journal",
    help="Verify and read the journal of the sessions, a hash chain for each tenant.",
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version_flags=[],
)

DatabaseUrl = Annotated[
    str,
    Parameter(
        env_var="DATABASE_URL",
        help="Where the journal is; the login is usm_app or a superuser. Others of this machine see what is on a"
        " command line: leave a password to the variable.",
    ),
]


@app.command(help_epilogue=EPILOGUE)
def verify(
    *, database_url: DatabaseUrl, tenant: str | None = None, heads: bool = False, against: Path | None = None
) -> int:
    """Recompute the chains from the rows, and name every line that was changed, removed, inserted or moved.

    Parameters
    ----------
    tenant
        Only this tenant's chain.
    heads
        Print the head of every whole chain as `<tenant> <seq> <hash>`, to be kept where the database's
        administrators cannot write. Everything else goes to stderr then.
    against
        A file of such heads: a chain that does not lead to every one of them was cut off or rewritten.
    """
    return asyncio.run(_verify(database_url, tenant, against, heads=heads))


@app.command(help_epilogue=EPILOGUE)
def show(*, database_url: DatabaseUrl, tenant: str, app: str | None = None) -> int:
    """Print a tenant's lines, oldest first: seq, moment (UTC), session and version, transition, message, reason.

    Parameters
    ----------
    tenant
        Whose; nothing else can be seen while this runs.
    app
        Only this session's.
    """
    return asyncio.run(_show(database_url, tenant, app))


async def _verify(url: str, tenant: str | None, against: Path | None, *, heads: bool) -> int:
    kept = {} if against is None else head_files.read(against)
    if tenant is not None:
        kept = {name: those for name, those in kept.items() if name == tenant}
    told = sys.stderr if heads else sys.stdout

    def tell(finding: Finding) -> None:
        print(f"TAMPERED tenant {finding.tenant_id} seq {finding.seq}: {finding.what}", file=told)

    def note(tenant_id: str, head: Head) -> None:
        if heads:
            print(head_files.written(tenant_id, head))

    async with open_journal(url) as connection, aclosing(lines(connection, tenant)) as rows:
        with shown_progress(await count(connection, tenant)) as progress:
            tally = await follow(rows, kept, Report(tell, note, progress))
    if tenant is not None and not tally.chains:
        raise CannotRun(f"the tenant {tenant} has no line in the journal: check the name")
    print(_verdict(tally), file=told)
    return TAMPERED if tally.broken else OK


def _verdict(tally: Tally) -> str:
    if tally.broken:
        return f"TAMPERED: {tally.broken} of {tally.chains} chains; {tally.lines:,} lines read"
    return f"ok: {tally.lines:,} lines, {tally.chains} chains"


async def _show(url: str, tenant: str, app_id: str | None) -> int:
    number = 0
    async with (
        open_journal(url, as_tenant=tenant) as connection,
        aclosing(lines(connection, tenant, app_id)) as rows,
    ):
        async for line in rows:
            print(readable(line))
            number += 1
    if not number:
        print("no lines", file=sys.stderr)
    return OK


def _warn_of_passwords(arguments: Sequence[str]) -> None:
    if shows_password(arguments):
        print(
            "ops.journal: the password on the command line can be seen by others of this machine:"
            " put it into DATABASE_URL",
            file=sys.stderr,
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what keeps it from running becomes a sentence and exit code 2."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _warn_of_passwords(arguments)
    try:
        code = app(arguments, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return COULD_NOT_RUN  # it has said why
    except CannotRun as error:
        print(f"ops.journal: {error}", file=sys.stderr)
        return COULD_NOT_RUN
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_RUN
    except Exception:  # noqa: BLE001 - Python's own exit code, 1, would say that the journal was tampered with
        traceback.print_exc()
        return COULD_NOT_RUN
    return code if isinstance(code, int) else OK


if __name__ == "__main__":
    sys.exit(main())

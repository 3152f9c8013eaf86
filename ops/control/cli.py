"""What `ops/session_cli.py` takes, and the exit codes that it answers with."""

from __future__ import annotations

import json as json_text
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, CycloptsError, Parameter, UnusedCliTokensError
from cyclopts.validators import Number

from ops.control.errors import ControlError, NotAsked
from ops.seen import shows_password

if TYPE_CHECKING:
    from ops.control.place import Place
    from ops.control.screen import Screen

OK, NOT_TRIED = 0, 2
HERE = "http://127.0.0.1:8080"
NAME = "session_cli.py"
HELP = """Link accounts and look at sessions: a running service is asked, for nobody else may use its sessions.

`list` and `status` read PostgreSQL instead if no service answers, or no key for it is set."""
EPILOGUE = """
Examples:
  python ops/session_cli.py qr-login --tenant-id tenant1 --app-id app1
  python ops/session_cli.py finalize --ticket TICKET --password-file FILE
  python ops/session_cli.py --database-url URL --redis-url URL list
  python ops/session_cli.py health

The service is asked with the API key of SESSIONCTL_KEY or SESSIONCTL_KEY_FILE, or else with
SUPABASE_SERVICE_ROLE_KEY. Others on the machine can read arguments: let URLs with passwords stand in DATABASE_URL
and REDIS_URL, or in files that DATABASE_URL_FILE and REDIS_URL_FILE name, and type passwords unseen.

Exit codes:
  0    done
  1    the answer is no: not scanned, a wrong password, a login that is over, a part that is not well
  2    not tried; the sentence names the fix
  3    the service does not answer
  130  stopped with Ctrl-C
"""

app = App(name=NAME, help=HELP, help_epilogue=EPILOGUE.strip("\n"), help_format="plaintext", version_flags=[])


@dataclass(frozen=True, slots=True)
class Common:
    """What every verb needs."""

    screen: Screen
    place: Place


Given = Annotated[Common, Parameter(parse=False)]
TenantId = Annotated[str, Parameter(help="Whose session.")]
AppId = Annotated[str, Parameter(help="Which of the tenant's sessions.")]
Words = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]
Flag = Parameter(negative="")
Typed = Parameter(allow_leading_hyphen=True)  # a ticket may begin so, as may a password


@app.command(name="list")
def list_sessions(*, common: Given) -> int:
    """Show all sessions."""
    from ops.control.stores import saved_sessions  # noqa: PLC0415 - who looks at --help need not wait for it

    screen = common.screen
    screen.sessions(
        common.place.read(
            screen, lambda service: list(service.pages("/api/v1/sessions", "sessions")), saved_sessions
        )
    )
    return OK


@app.command
def status(*, tenant_id: TenantId, app_id: AppId, common: Given) -> int:
    """Tell how a session is."""
    from ops.control.service import path_of, session_of  # noqa: PLC0415 - as above
    from ops.control.stores import saved_session  # noqa: PLC0415

    key = session_of(tenant_id, app_id)
    common.screen.session(
        common.place.read(
            common.screen,
            lambda service: service.ask("GET", path_of(key)),
            lambda url: saved_session(url, key),
        )
    )
    return OK


@app.command
def qr_login(
    *, tenant_id: TenantId, app_id: AppId, no_wait: Annotated[bool, Flag] = False, common: Given
) -> int:
    """Begin a login, or go on with the live one: show its ticket and its QR for the phone to scan.

    In a terminal the QR is renewed until the account is linked, its cloud password is needed, or the ticket ends.

    Parameters
    ----------
    no_wait
        Show ticket and QR once, and end; also where standard output is no terminal.
    """
    from ops.control.login import qr_login as run  # noqa: PLC0415 - as above
    from ops.control.service import service_at, session_of  # noqa: PLC0415

    key, service = session_of(tenant_id, app_id), service_at(common.place.url)
    run(service, common.screen, key, follows=not no_wait and sys.stdout.isatty())
    return OK


@app.command
def finalize(
    *,
    ticket: Annotated[str, Typed],
    password: Annotated[str | None, Typed] = None,
    password_file: Path | None = None,
    password_stdin: Annotated[bool, Flag] = False,
    wait: Annotated[float, Parameter(validator=Number(gte=0, lte=600))] = 30,
    common: Given,
) -> int:
    """Wait for the scan, hand in the cloud password if the account has one, and show the state.

    Parameters
    ----------
    ticket
        What qr-login showed.
    password
        The account's cloud password. Others on the machine can read it here: better are the next two, or a terminal,
        where it is asked for if there is one.
    password_file
        A file whose first line is the password.
    password_stdin
        Read the password from standard input.
    wait
        For so many seconds at most.
    """
    from ops.control.finalize import Password  # noqa: PLC0415 - as above
    from ops.control.finalize import finalize as run  # noqa: PLC0415
    from ops.control.service import service_at  # noqa: PLC0415

    if password is not None:
        _warn("--password", "use --password-file or --password-stdin, or type it when asked")
    given = Password.of(password, password_file, stdin=password_stdin)
    run(service_at(common.place.url), common.screen, ticket, given, wait)
    return OK


@app.command
def health(*, common: Given) -> int:
    """Tell how the service is, PostgreSQL and its migrations, Redis or Valkey, and the keyring."""
    from ops.control.health import show_health  # noqa: PLC0415 - as above

    return show_health(common.screen, common.place)


@app.meta.default
def run(
    *words: Words,
    database_url: str | None = None,
    redis_url: str | None = None,
    url: Annotated[str, Parameter(env_var="SESSIONCTL_URL")] = HERE,
    json: Annotated[bool, Flag] = False,
) -> Any:
    """Run a verb, with the options that all of them take, wherever they stand.

    Parameters
    ----------
    database_url
        PostgreSQL's, as the service logs in; better in DATABASE_URL, if there is a password in it.
    redis_url
        Redis's or Valkey's, for `health`; better in REDIS_URL, if there is a password in it.
    url
        Where the service is.
    json
        JSON for programs.
    """
    from ops.control.place import Place  # noqa: PLC0415 - as above
    from ops.control.screen import Screen  # noqa: PLC0415

    command, bound, ignored = app.parse_args(words, exit_on_error=False, print_error=False)
    common = Common(Screen(as_json=json), Place(url, database_url, redis_url))
    return command(*bound.args, **bound.kwargs, **dict.fromkeys(ignored, common))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if shows_password(words):
        _warn("the password in a URL", "put the URL into DATABASE_URL or REDIS_URL")
    try:
        done = app.meta(words, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        return _refuse(words, NotAsked(f"{_usage(error)} See: python ops/{NAME} --help"))
    except ControlError as error:
        return _refuse(words, error)
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return done if isinstance(done, int) else OK


def _usage(error: CycloptsError) -> str:
    # One of the words may be a password whose option was forgotten.
    if isinstance(error, UnusedCliTokensError):
        return "There are words that belong to no option."
    return str(error)


def _refuse(words: Sequence[str], error: ControlError) -> int:
    if "--json" in words:
        print(json_text.dumps({"error": str(error)} | error.problem))
    print(f"{NAME}: {error}", file=sys.stderr)
    return error.code


def _warn(what: str, better: str) -> None:
    print(f"{NAME}: others of this machine can read {what} on a command line: {better}", file=sys.stderr)

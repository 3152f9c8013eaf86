"""`sessionctl`, or `python -m ops.sessionctl`: every command of the operator's under one name.

Those that work on this machine are the commands that there are, and take what those take. The others ask a running
service over HTTP.

Exit codes: 0 done, 1 the answer is no, 2 not tried (the sentence names the fix), 3 the service does not answer, 130
stopped with Ctrl-C. The commands of this machine say their own with --help.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

if not __package__:
    # Run as a script, Python looks for modules in the script's folder instead of in the checkout.
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from cyclopts import App, CycloptsError, Parameter

from ops.control.asking import make_sure
from ops.control.errors import ControlError
from ops.control.webhooks import webhooks

if TYPE_CHECKING:
    from ops.control.screen import Screen
    from ops.control.service import Service

OK, NOT_TRIED = 0, 2

EPILOGUE = """
The service is asked at --url or SESSIONCTL_URL, with the API key of SESSIONCTL_KEY or SESSIONCTL_KEY_FILE, or else
with SUPABASE_SERVICE_ROLE_KEY. Secrets are typed or read from a pipe: others on the machine can read arguments.

Exit codes: 0 done, 1 the answer is no, 2 not tried, 3 the service does not answer, 130 stopped with Ctrl-C.
"""

app = App(
    name="sessionctl",
    help="Run UnifiedSessionManager: its secrets, its database, its backups, and the sessions of a running service.",
    help_epilogue=EPILOGUE,
    help_format="plaintext",
    version_flags=[],
)
sessions = App(name="sessions", help="The sessions of a running service.")
login = App(name="login", help="Link an account in this terminal.")
backup = App(name="backup", help="Backups of sessions, on this machine.")
for _group in (sessions, login, webhooks, backup):
    app.command(_group)

Session = Annotated[str, Parameter(help="Which session, as tenant/app.")]
Url = Annotated[str, Parameter(env_var="SESSIONCTL_URL", help="Where the service is.")]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="JSON for programs.")]
Words = Annotated[str, Parameter(show=False, allow_leading_hyphen=True)]
HERE = "http://127.0.0.1:8080"


# -- on this machine


def _forwarded(module: str, *first: str) -> Callable[..., int]:
    """A command that gives its words to the command line of another module."""

    def forward(*words: Words) -> int:
        from importlib import import_module  # noqa: PLC0415 - one command need not wait for the others' imports

        code: int = import_module(module).main([*first, *words])
        return code

    return forward


def _forward(parent: App, name: str, module: str, help_text: str, *first: str) -> None:
    own = App(name=name, help=help_text, help_flags=[], version_flags=[])
    own.default(_forwarded(module, *first))
    parent.command(own)


_forward(app, "init", "ops.init", "Write a .env and a keyring with fresh secrets.")
_forward(app, "keys", "ops.keys", "The keyring: add, list, rekey, verify.")
_forward(app, "api-keys", "ops.api_keys", "Keys for the HTTP API: create, list, revoke.")
_forward(
    app, "sign-callback", "ops.sign_callback", "Sign a callback as a tenant's backend does, or show its key."
)
_forward(app, "migrate", "ops.migrate", "Bring the database up to date.")
_forward(app, "import", "ops.imports.cli", "Take over sessions that Telethon or Pyrogram have made.")
_forward(app, "journal", "ops.journal.__main__", "Verify and read the journal: verify, show.")
_forward(backup, "create", "ops.backups.cli", "Back a session up now: tenant:app.", "--manual-backup")
_forward(backup, "list", "ops.backups.cli", "A session's backups: tenant:app.", "--list-backups")
_forward(backup, "verify", "ops.backups.cli", 'Open every backup: tenant:app, or "all".', "--verify")
_forward(backup, "restore", "ops.backups.cli", "Put a backup back: tenant:app [--backup ID].", "--restore")
_forward(backup, "schedule", "ops.backups.cli", "Run the schedule.")

# -- the specification's verbs

_forward(app, "list", "ops.control.cli", "All sessions; from PostgreSQL if no service answers.", "list")
_forward(app, "status", "ops.control.cli", "Likewise one session: --tenant-id T --app-id A.", "status")
_forward(
    app, "qr-login", "ops.control.cli", "Show a QR and its ticket: --tenant-id T --app-id A.", "qr-login"
)
_forward(app, "finalize", "ops.control.cli", "Finish what qr-login began: --ticket T.", "finalize")


# -- at a running service


@sessions.command(name="list")
def list_sessions(*, tenant: str | None = None, url: Url = HERE, as_json: AsJson = False) -> int:
    """Show the sessions that run there.

    Parameters
    ----------
    tenant
        Only this tenant's.
    """
    screen, service = _reached(url, as_json=as_json)
    found = service.pages("/api/v1/sessions", "sessions")
    screen.sessions(row for row in found if tenant in (None, row["tenant_id"]))
    return OK


@sessions.command
def show(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Tell how a session is."""
    from ops.control.service import path_of, session_named  # noqa: PLC0415 - as below

    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, service.ask("GET", path_of(session_named(session))))


@sessions.command
def start(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Let a session run: a stopped one again, a sleeping one wakes, one in trouble tries at once."""
    return _command(session, "start", url, as_json=as_json)


@sessions.command
def stop(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Disconnect a session, and let it stay so until it is started."""
    return _command(session, "stop", url, as_json=as_json)


@sessions.command
def restart(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Stop and start a session."""
    return _command(session, "restart", url, as_json=as_json)


@sessions.command
def validate(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Ask Telegram whether it still knows the session."""
    return _command(session, "validate", url, as_json=as_json)


@sessions.command
def revoke(
    session: Session,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask back.")] = False,
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Log a session out at Telegram, for good."""
    if not yes:
        make_sure(f"{session} will have to be linked anew. Type its name to go on: ", session)
    return _command(session, "revoke", url, as_json=as_json)


@sessions.command
def history(session: Session, *, limit: int = 50, url: Url = HERE, as_json: AsJson = False) -> int:
    """Tell what happened to a session, newest first."""
    from ops.control.screen import event_line  # noqa: PLC0415 - as below
    from ops.control.service import path_of, session_named  # noqa: PLC0415

    screen, service = _reached(url, as_json=as_json)
    reply = service.ask("GET", f"{path_of(session_named(session))}/events", query={"limit": limit})
    for event in reply["events"]:
        screen.show(event, event_line(event))
    return OK


@app.command
def tree(*, url: Url = HERE, as_json: AsJson = False) -> int:
    """Show the supervision tree: what runs there, and how it is."""
    screen, service = _reached(url, as_json=as_json)
    screen.tree(service.ask("GET", "/api/v1/tree"))
    return OK


@app.command
def health(*, url: Url = HERE, as_json: AsJson = False) -> int:
    """Tell how the service is; and PostgreSQL, Redis and the keyring, where the environment names them."""
    from ops.control.health import show_health  # noqa: PLC0415 - as below
    from ops.control.place import Place  # noqa: PLC0415
    from ops.control.screen import Screen  # noqa: PLC0415

    return show_health(Screen(as_json=as_json), Place(url))


@app.command
def events(
    *,
    tenant: str | None = None,
    after: int | None = None,
    app: Annotated[tuple[str, ...], Parameter(name="--app", negative="")] = (),
    state: Annotated[tuple[str, ...], Parameter(name="--state", negative="")] = (),
    url: Url = HERE,
    as_json: AsJson = False,
) -> int:
    """Tell what happens to a tenant's sessions, as it happens; Ctrl-C ends it.

    Parameters
    ----------
    tenant
        Whose; needed where the key is no tenant's.
    after
        The id after which to begin; without it, with what happens now.
    app
        Of this app only; may be given more than once.
    state
        Only what led into this state, such as AUTHORIZED; may be given more than once.
    """
    from ops.control.screen import event_line  # noqa: PLC0415 - as below

    screen, service = _reached(url, as_json=as_json)
    for event in service.events(tenant, after, app, state):
        screen.show(event, event_line(event))
    return OK


def _log_in(
    flow: Literal["qr", "code", "bot"], session: str, url: str, *, as_json: bool, **asked: str
) -> int:
    from ops.control.login import log_in, typed_secret  # noqa: PLC0415 - as below
    from ops.control.service import session_named  # noqa: PLC0415

    screen, service = _reached(url, as_json=as_json)
    key = session_named(session)
    typed = {name: typed_secret(prompt) for name, prompt in asked.items()}
    log_in(service, screen, flow, {"tenant_id": key.tenant_id, "app_id": key.app_id} | typed)
    return OK


@login.command
def qr(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Show a QR for the phone to scan; it is renewed by itself. A cloud password is asked for if there is one."""
    return _log_in("qr", session, url, as_json=as_json)


@login.command
def code(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Ask for a phone number, then for the code that Telegram sends, and the cloud password if there is one."""
    return _log_in("code", session, url, as_json=as_json, phone="Phone number, with + and country code")


@login.command
def bot(session: Session, *, url: Url = HERE, as_json: AsJson = False) -> int:
    """Log a bot in; its token is asked for."""
    return _log_in("bot", session, url, as_json=as_json, bot_token="Token of the bot, from @BotFather")  # noqa: S106 - a prompt


def _command(session: str, name: str, url: str, *, as_json: bool) -> int:
    from ops.control.service import path_of, session_named  # noqa: PLC0415 - as below

    screen, service = _reached(url, as_json=as_json)
    return _shown(screen, service.ask("POST", f"{path_of(session_named(session))}/{name}"))


def _reached(url: str, *, as_json: bool) -> tuple[Screen, Service]:
    """What shows, and what is asked. Imported late: who only wants a backup need not wait for HTTP."""
    from ops.control.screen import Screen  # noqa: PLC0415 - see above
    from ops.control.service import service_at  # noqa: PLC0415

    return Screen(as_json=as_json), service_at(url)


def _shown(screen: Screen, session: dict[str, Any]) -> int:
    screen.session(session)
    return OK


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; what is wrong becomes a sentence and an exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        done = app(words, exit_on_error=False, result_action="return_value")
    except CycloptsError:
        return NOT_TRIED  # it has said why
    except ControlError as error:
        if "--json" in words:
            print(json.dumps({"error": str(error)} | error.problem))
        print(f"sessionctl: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:  # whoever read has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return done if isinstance(done, int) else OK


if __name__ == "__main__":
    sys.exit(main())

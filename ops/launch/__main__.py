"""The command line of `ops/start`."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from ops.launch import screen
from ops.launch.home import Home, Keys, LaunchError

DATA = Path(__file__).parents[2] / ".data"
OURS_TO_ANSWER = ("DATABASE_URL", "REDIS_URL")

app = App(name="ops/start", help="Run UnifiedSessionManager on this machine.", version_flags=[])

DataFolder = Annotated[Path, Parameter(help="Where servers, sessions, secrets and logs are kept.")]


@app.default
def start(*, sandbox: bool = False, data: DataFolder = DATA) -> None:
    """Start everything and show it; Ctrl-C stops it.

    Parameters
    ----------
    sandbox
        Use the sandbox Telegram instead of the real one: no account is needed, nothing leaves this machine.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell starts background jobs without it
        signal.signal(number, signal.default_int_handler)
    if sandbox:
        _refuse_real_credentials()
        print(screen.BANNER)
    else:
        _require_settings(Home.at(data.absolute(), sandbox=False))
    home = Home.at(data.absolute(), sandbox=sandbox)
    try:
        _run(home, sandbox=sandbox)
    except KeyboardInterrupt:
        print("\n  Stopped.")


def _run(home: Home, *, sandbox: bool) -> None:
    from ops.launch.demo import watch_login  # noqa: PLC0415 - after the banner: it takes a moment
    from ops.launch.stack import running  # noqa: PLC0415

    print("  Starting …", flush=True)
    with running(home, sandbox=sandbox) as stack:
        login_page = _login_page(stack.run.api_url, home, sandbox=sandbox)
        print(f"\n{screen.urls(stack.run, login_page, home, is_sandbox=sandbox)}")
        if sandbox:
            watch_login(stack)
        while True:
            stack.wait(5)


def _login_page(api_url: str, home: Home, *, sandbox: bool) -> str:
    if not sandbox:
        return f"{api_url}/miniapp"
    from actors.core.secret import Secret  # noqa: PLC0415 - after the banner
    from api.tokens import LONGEST_SESSION, short_session  # noqa: PLC0415

    token = short_session(Secret(Keys.of(home).hmac_secret), "demo", LONGEST_SESSION, time.time())
    return f"{api_url}/miniapp#tenant=demo&app=main&token={token.reveal()}"


def _refuse_real_credentials() -> None:
    real = [name for name in os.environ if name.startswith("TELEGRAM_API_")]
    if real:
        raise LaunchError(f"the sandbox refuses real credentials: unset {' and '.join(sorted(real))}")


def _require_settings(home: Home) -> None:
    from supervisor.settings import SettingsError, load_settings  # noqa: PLC0415 - the sandbox needs no check

    answered: dict[str, object] = {name.lower(): "ours" for name in OURS_TO_ANSWER if name not in os.environ}
    if not os.environ.get("BACKUP_ENCRYPTION_KEY_PATH"):
        answered["backup_encryption_key_path"] = home.keyring()
    try:
        load_settings(**answered)
    except SettingsError as error:
        raise LaunchError(str(error)) from None


@app.command
def scan(*, account: str = "anna", session: str = "demo/main", data: DataFolder = DATA) -> None:
    """Let the sandbox's pretend phone scan the QR that a session shows.

    Parameters
    ----------
    account
        Whose phone: anna, boris (has a 2FA password) or clara (lives in another data centre).
    session
        Whose QR, as tenant/app.
    """
    from ops.launch.scan import scan as scan_with_phone  # noqa: PLC0415 - start must not wait for it

    scan_with_phone(Home.at(data.absolute(), sandbox=True), account, session)


def main() -> int:
    """Run the command line; a LaunchError becomes its sentence and exit code 2."""
    try:
        app()
    except LaunchError as error:
        print(f"ops/start: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

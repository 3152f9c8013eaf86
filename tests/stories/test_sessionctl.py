"""Everything an operator does, with one command, at a running service: in a process of its own, as in a shell."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
import qrcode

from actors.core.secret import Secret
from api import pictures
from ops.control.screen import modules
from ops.sessionctl import main
from supervisor.settings import Settings
from tests.stories.conftest import BORIS, RunningSandbox, Service, running
from tests.stories.shell import Shell, read_picture, read_until, scanned

LOCAL = {
    "init": [],
    "keys": ["add", "list", "rekey", "verify"],
    "api-keys": ["create", "list", "revoke"],
    "sign-callback": ["--tenant"],
    "import": ["--dry-run"],
    "journal": ["verify", "show"],
    "list": ["--database-url"],
    "status": ["--tenant-id", "--database-url"],
    "qr-login": ["--no-wait"],
    "finalize": ["--ticket", "--password-file"],
    "backup create": ["--manual-backup"],
    "backup list": ["--list-backups"],
    "backup verify": ["--verify"],
    "backup restore": ["--restore"],
    "backup schedule": ["--every-hours"],
}


@dataclass(frozen=True, slots=True)
class Beside(Shell):
    """A shell, and the service beside which it is."""

    service: Service = field(kw_only=True)


@pytest.fixture
async def shell(settings: Settings) -> AsyncIterator[Beside]:
    async with running(settings) as service:
        yield Beside(str(service.http.base_url), service=service)


@pytest.mark.timeout(150)
async def test_an_account_is_linked_by_qr_and_password_and_its_session_operated(
    shell: Beside, sandbox: RunningSandbox
) -> None:
    async with shell.begin("login", "qr", "demo/main") as login:
        shown = await read_picture(login.stdout)
        await sandbox.accept(scanned(shown), BORIS)
        await login.type("wrong password\nsandbox-2fa\n")
        said = await read_until(login.stdout, b"linked: Telegram user")
        assert await login.ended() == 0
        errors = await read_until(login.stderr, b"password_invalid: try again")
    assert "wrong password" not in said + errors

    listed = await shell.run("sessions", "list", "--json")
    assert [(row["app_id"], row["state"]) for row in listed.json] == [("main", "AUTHORIZED")]
    assert "AUTHORIZED" in (await shell.run("sessions", "list", "--tenant", "demo")).out
    assert (await shell.run("sessions", "list", "--tenant", "other", "--json")).json == []
    for verb, desired in (("stop", "stopped"), ("start", "running"), ("restart", "running")):
        done = await shell.run("sessions", verb, "demo:main", "--json")
        assert (done.code, done.json["desired_state"]) == (0, desired)
    assert "demo/main is AUTHORIZED" in (await shell.run("sessions", "show", "demo/main")).out
    tree = await shell.run("tree")
    assert "demo/main state=AUTHORIZED" in tree.out
    assert "events stage=up" in tree.out
    history = await shell.run("sessions", "history", "demo/main", "--limit", "1")
    assert "AUTHORIZED" in history.out

    unsaid = await shell.run("sessions", "revoke", "demo/main")
    assert (unsaid.code, "--yes" in unsaid.err) == (2, True)
    revoked = await shell.run("sessions", "revoke", "demo/main", "--yes", "--json")
    assert (revoked.code, revoked.json["state"]) == (0, "REVOKED")


async def test_events_are_followed_until_ctrl_c(shell: Beside) -> None:
    async with shell.begin("events", "--tenant", "demo", "--after", "0", "--json") as events:
        await shell.service.start()
        line = await read_until(events.stdout, b"\n")
        events.process.send_signal(signal.SIGINT)
        code = await events.ended()

    assert json.loads(line)["after"] == "PENDING_QR"
    assert code == 130


async def test_every_kind_of_no_has_its_exit_code_and_a_sentence_that_names_the_fix(shell: Beside) -> None:
    unknown = await shell.run("sessions", "show", "demo/nobody", "--json")
    misspelt = await shell.run("sessions", "show", "demo")
    nonsense = await shell.run("sessions", "dance")
    keyless = await shell.run("tree", SESSIONCTL_KEY="", SUPABASE_SERVICE_ROLE_KEY="")
    refused = await shell.run("tree", SESSIONCTL_KEY="nobody's")
    nobody = await shell.run("tree", SESSIONCTL_URL="http://127.0.0.1:1")
    healthy = await shell.run("health", "--json", SESSIONCTL_KEY="")

    assert (unknown.code, unknown.json["code"]) == (1, "session_unknown")
    assert (misspelt.code, "tenant/app" in misspelt.err) == (2, True)
    assert nonsense.code == 2
    assert (keyless.code, "sessionctl api-keys create" in keyless.err) == (2, True)
    assert (refused.code, "unauthenticated" in refused.err) == (1, True)
    assert (nobody.code, "is --url right?" in nobody.err) == (3, True)
    assert (healthy.code, healthy.json["status"]) == (0, "ready")


@pytest.mark.parametrize("words", LOCAL, ids=str)
def test_each_command_of_this_machine_is_there_with_its_own_help(
    words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words.split(), "--help"]) == 0

    shown = capsys.readouterr().out
    assert all(part in shown for part in LOCAL[words])


@pytest.mark.parametrize(
    "words", ["init --nonsense", "api-keys nonsense", "sign-callback --nonsense", "migrate x"]
)
def test_what_a_command_of_this_machine_does_not_take_is_code_2(words: str) -> None:
    assert main(words.split()) == 2


@pytest.mark.parametrize("length", [20, 60, 200])
def test_a_picture_is_read_back_into_the_modules_that_it_was_drawn_from(length: int) -> None:
    text = f"tg://login?token={'x' * length}"
    code = qrcode.QRCode(border=0, mask_pattern=pictures.MASK)
    code.add_data(text)

    assert modules(pictures._draw(Secret(text))) == code.get_matrix()

"""The specification's command line, at a running service and without one: in a process of its own, as in a shell."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import pytest
import trio

from ops.control.finalize import _next_wait
from supervisor.settings import Settings
from tests.sandbox.clients import BORIS_PASSWORD as PASSWORD
from tests.stores import Database
from tests.stories.conftest import ANNA, BORIS, RunningSandbox, make_settings, running
from tests.stories.shell import SESSION_CLI, Shell, read_picture, read_until, scanned, ticket_in

MAIN = ("--tenant-id", "demo", "--app-id", "main")
NOBODY = "http://127.0.0.1:1"


@pytest.fixture
async def shell(settings: Settings, tmp_path: Path) -> AsyncIterator[Shell]:
    async with running(settings) as service:
        yield Shell(str(service.http.base_url), SESSION_CLI, tmp_path)


async def begun(shell: Shell, sandbox: RunningSandbox, phone: str) -> str:
    """The ticket of a login that this phone has scanned."""
    done = await shell.run("qr-login", *MAIN)
    assert done.code == 0, done.err
    await sandbox.accept(scanned(done.out), phone)
    return ticket_in(done.out)


async def has_connected(pid: int) -> None:
    """Return once this process has a socket: it has asked the service, or is about to."""
    with trio.fail_after(30):
        while not has_socket(pid):
            await trio.sleep(0.01)


def has_socket(pid: int) -> bool:
    with suppress(FileNotFoundError):  # closed while we look
        return any(str(fd.readlink()).startswith("socket:") for fd in Path(f"/proc/{pid}/fd").iterdir())
    return False


# -- two steps


async def test_the_specifications_journey_links_an_account(shell: Shell, sandbox: RunningSandbox) -> None:
    ticket = await begun(shell, sandbox, ANNA)

    done = await shell.run("finalize", "--ticket", ticket)
    again = await shell.run("finalize", "--ticket", ticket, "--json")
    listed = await shell.run("list")
    status = await shell.run("--json", "status", *MAIN)
    linked = await shell.run("qr-login", *MAIN)

    assert (done.code, done.err) == (0, "")
    assert re.fullmatch(r"AUTHORIZED: Telegram user \d+\n", done.out)
    assert (again.json["state"], again.json["requires_password"]) == ("AUTHORIZED", False)
    assert f"AUTHORIZED: Telegram user {again.json['telegram_user_id']}\n" == done.out
    assert re.search(r"^demo +main +AUTHORIZED", listed.out, flags=re.MULTILINE)
    assert (status.json["state"], status.json["app_id"]) == ("AUTHORIZED", "main")
    assert (linked.code, "already_authorized" in linked.err) == (1, True)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_finalize_waits_for_the_scan(shell: Shell, sandbox: RunningSandbox) -> None:
    done = await shell.run("qr-login", *MAIN, "--no-wait")
    early = await shell.run("finalize", "--ticket", ticket_in(done.out), "--wait", "0", "--json")
    async with shell.begin("finalize", "--ticket", ticket_in(done.out)) as waiting:
        await has_connected(waiting.process.pid)
        await sandbox.accept(scanned(done.out), ANNA)
        said = await read_until(waiting.stdout, b"\n")

    assert (early.code, early.json["state"]) == (1, "PENDING_QR")
    assert "qr_base64" not in early.json
    assert "scan the QR, then run finalize again" in early.err
    assert said.startswith("AUTHORIZED")


async def test_the_password_comes_from_a_file_a_pipe_or_an_argument_and_is_shown_nowhere(
    shell: Shell, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    ticket = await begun(shell, sandbox, BORIS)
    (tmp_path / "wrong").write_text("not this one\n")

    unsaid = await shell.run("finalize", "--ticket", ticket)
    wrong = await shell.run("finalize", "--ticket", ticket, "--password-file", "wrong")
    piped = await shell.run("finalize", "--ticket", ticket, "--password-stdin", "--json", typed="nor this\n")
    right = await shell.run("finalize", "--ticket", ticket, "--password", PASSWORD)

    assert (unsaid.code, "PENDING_PASSWORD" in unsaid.err, "--password-file" in unsaid.err) == (2, True, True)
    assert (wrong.code, "password_invalid" in wrong.err) == (1, True)
    assert (piped.code, piped.json["code"], piped.json["attempts_left"]) == (1, "password_invalid", 3)
    assert (right.code, right.out[:10]) == (0, "AUTHORIZED")
    assert right.err.count("\n") == 1
    assert "--password-stdin" in right.err
    said = "".join(done.out + done.err for done in (unsaid, wrong, piped, right))
    assert not [secret for secret in (PASSWORD, "not this one", "nor this") if secret in said]


def test_the_last_part_of_a_second_is_waited_for_too() -> None:
    assert [_next_wait(left) for left in (600, 19.5, 1.0, 0.2, 0, -1)] == [20, 20, 1, 1, 0, 0]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has /proc")
async def test_ps_shows_nothing_but_what_was_typed(shell: Shell, sandbox: RunningSandbox) -> None:
    done = await shell.run("qr-login", *MAIN)
    words = ("finalize", "--ticket", ticket_in(done.out), "--password-stdin")
    async with shell.begin(*words) as waiting:
        await waiting.type(f"{PASSWORD}\n")
        task = Path(f"/proc/{waiting.process.pid}")
        with trio.fail_after(5):
            while not (said := (task / "cmdline").read_text()):  # for a moment within exec there is none
                await trio.sleep(0.01)
        arguments = said.split("\0")
        children = (task / "task" / task.name / "children").read_text()
        await sandbox.accept(scanned(done.out), BORIS)
        said = await read_until(waiting.stdout, b"\n")

    assert said.startswith("AUTHORIZED")
    assert arguments[2:-1] == list(words)
    assert children == ""


async def test_a_ticket_that_has_expired_says_to_begin_anew(settings: Settings, tmp_path: Path) -> None:
    async with running(settings.model_copy(update={"qr_ticket_ttl": 2})) as service:
        shell = Shell(str(service.http.base_url), SESSION_CLI, tmp_path)
        shown = await shell.run("qr-login", *MAIN)
        over = await shell.run("finalize", "--ticket", ticket_in(shown.out), "--json")
        unknown = await shell.run("finalize", "--ticket", "-" + "x" * 42)

    assert (over.code, over.json["reason"]) == (1, "ticket_expired")
    assert "begin a new one with qr-login" in over.err
    assert (unknown.code, "ticket_unknown" in unknown.err) == (1, True)


# -- in a terminal


async def test_in_a_terminal_the_qr_is_renewed_until_the_password_is_needed(
    database: Database, redis_url: str, hasty_sandbox: RunningSandbox, tmp_path: Path
) -> None:
    settings = make_settings(database.app_url, redis_url, hasty_sandbox.file, tmp_path / "sessions")
    async with running(settings) as service:
        shell = Shell(str(service.http.base_url), SESSION_CLI, tmp_path)
        ours, theirs = os.openpty()
        async with (
            shell.begin("qr-login", *MAIN, stdout=theirs) as login,
            trio.lowlevel.FdStream(ours) as screen,
        ):
            os.close(theirs)
            shown = await read_picture(screen)
            renewed = (await read_picture(screen)).partition("\x1b[J")[2]
            first, second = (scanned(text.replace("\r", "")) for text in (shown, renewed))
            await hasty_sandbox.accept(second, BORIS)
            await read_until(screen, b"PENDING_PASSWORD")
            said = await read_until(login.stderr, b"cloud password. Go on with: finalize --ticket ")
            assert await login.ended() == 0
        ticket = ticket_in(shown.replace("\r", ""))
        done = await shell.run("finalize", "--ticket", ticket, "--password", PASSWORD)

    assert first != second
    assert "renew" not in said
    assert done.out.startswith("AUTHORIZED")


async def test_in_a_terminal_the_password_is_typed_unseen(shell: Shell, sandbox: RunningSandbox) -> None:
    ticket = await begun(shell, sandbox, BORIS)
    ours, theirs = os.openpty()
    echoed = b""
    async with (
        shell.begin("finalize", "--ticket", ticket, stdin=theirs) as asking,
        trio.lowlevel.FdStream(ours) as keyboard,
    ):
        os.close(theirs)
        prompt = await read_until(asking.stderr, b": ")
        await keyboard.send_all(f"{PASSWORD}\n".encode())
        said = await read_until(asking.stdout, b"\n")
        with suppress(trio.BrokenResourceError):  # once nobody has the terminal open
            echoed += await keyboard.receive_some()

    assert "Cloud password of the account (hint: " in prompt
    assert said.startswith("AUTHORIZED")
    assert PASSWORD not in echoed.decode()


async def test_ctrl_c_ends_the_picture_and_not_the_login(shell: Shell, sandbox: RunningSandbox) -> None:
    ours, theirs = os.openpty()
    async with shell.begin("qr-login", *MAIN, stdout=theirs) as login, trio.lowlevel.FdStream(ours) as screen:
        os.close(theirs)
        shown = (await read_picture(screen)).replace("\r", "")
        login.process.send_signal(signal.SIGINT)
        assert await login.ended() == 130
    await sandbox.accept(scanned(shown), ANNA)

    assert (await shell.run("finalize", "--ticket", ticket_in(shown))).code == 0


async def test_json_tells_the_ticket_and_no_qr(shell: Shell) -> None:
    done = await shell.run("qr-login", *MAIN, "--json")

    first, second = done.out.splitlines()
    assert re.search(r'"ticket": "\S{43}"', first)
    assert '"step_id": "qr"' in second
    assert '"png_base64": "***"' in second


# -- without a service


async def test_list_and_status_read_postgresql_while_no_service_runs(
    settings: Settings, database: Database, redis_url: str, sandbox: RunningSandbox, tmp_path: Path
) -> None:
    async with running(settings) as service:
        shell = Shell(str(service.http.base_url), SESSION_CLI, tmp_path)
        await shell.run("finalize", "--ticket", await begun(shell, sandbox, ANNA))
        asked = await shell.run("status", *MAIN, "--json")
    given = ("--database-url", database.app_url, "--redis-url", redis_url)

    listed = await shell.run(*given, "list", "--json")
    status = await shell.run("status", *given, *MAIN, "--json")
    keyless = await shell.run("list", SESSIONCTL_KEY="", DATABASE_URL=database.app_url)
    unknown = await shell.run(*given, "status", "--tenant-id", "demo", "--app-id", "other")
    unreachable = await shell.run("list", DATABASE_URL="postgresql://127.0.0.1:1/none")
    without = await shell.run("list")

    assert asked.json["substate"] is not None
    assert listed.json == [status.json]
    same = ("tenant_id", "app_id", "state", "reason", "desired_state", "user_action", "telegram_user_id")
    assert [status.json[name] for name in same] == [asked.json[name] for name in same]
    assert (status.code, status.json["substate"]) == (0, None)
    assert "Shown is what PostgreSQL has saved" in status.err
    assert "others of this machine can read the password in a URL" in status.err
    assert (keyless.code, "AUTHORIZED" in keyless.out) == (0, True)
    assert "sessionctl api-keys create" in keyless.err
    assert "command line" not in keyless.err
    assert (unknown.code, "session_unknown" in unknown.err) == (1, True)
    assert (unreachable.code, "check that it runs, and DATABASE_URL" in unreachable.err) == (3, True)
    assert (without.code, "--database-url" in without.err) == (3, True)
    password = database.app_url.partition("usm_app:")[2].partition("@")[0]
    assert not [done for done in (listed, status, unknown, without) if password in done.out + done.err]


async def test_ctrl_c_ends_a_look_at_a_database_that_does_not_answer(tmp_path: Path) -> None:
    asked = trio.Event()

    async def silent(_: trio.SocketStream) -> None:
        asked.set()
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        listeners = await nursery.start(trio.serve_tcp, silent, 0)
        url = f"postgresql://usm_app@127.0.0.1:{listeners[0].socket.getsockname()[1]}/usm"
        async with Shell(NOBODY, SESSION_CLI, tmp_path, {"DATABASE_URL": url}).begin("list") as looking:
            with trio.fail_after(30):
                await asked.wait()
            looking.process.send_signal(signal.SIGINT)
            assert await looking.ended() == 130
            said = await looking.stderr.receive_some()
        nursery.cancel_scope.cancel()

    assert b"Traceback" not in said


async def test_an_honest_no_of_the_service_is_not_walked_around(shell: Shell, database: Database) -> None:
    refused = await shell.run("list", SESSIONCTL_KEY="nobody's", DATABASE_URL=database.app_url)

    assert (refused.code, refused.out) == (1, "")
    assert "unauthenticated" in refused.err


# -- what is wrong


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (("list", "--nonsense"), "Unknown option: --nonsense"),
        (("lst",), 'Did you mean "list"?'),
        (("status", "--tenant-id", "demo"), "--app-id"),
        (("qr-login", "--tenant-id", "a/b", "--app-id", "main"), "--tenant-id or --app-id"),
        (("finalize", "--ticket", "t", "swordfish"), "words that belong to no option"),
        (("finalize", "--ticket", "t", "--password", "x", "--password-stdin"), "give one of --password"),
        (("finalize", "--ticket", "t", "--password-file", "nowhere"), "check path and rights"),
        (("finalize", "--ticket", "t", "--wait", "601"), "--wait"),
        (("--url", "http://host:port", "list"), "--url is no URL"),
    ],
)
async def test_what_cannot_be_tried_is_code_2_and_a_sentence_that_names_the_fix(
    words: tuple[str, ...], fix: str, tmp_path: Path
) -> None:
    done = await Shell(NOBODY, SESSION_CLI, tmp_path).run(*words)

    assert (done.code, fix in done.err) == (2, True), done.err
    assert done.out == ""
    assert "swordfish" not in done.err


@pytest.mark.parametrize("words", [("qr-login", *MAIN), ("finalize", "--ticket", "t"), ("list",)], ids=str)
async def test_without_a_key_the_sentence_says_how_to_get_one(words: tuple[str, ...], tmp_path: Path) -> None:
    keyless = await Shell(NOBODY, SESSION_CLI, tmp_path).run(*words, "--json", SESSIONCTL_KEY="")

    assert (keyless.code, "sessionctl api-keys create" in keyless.err) == (2, True)
    assert keyless.json["error"] in keyless.err


@pytest.mark.parametrize("words", [("qr-login", *MAIN), ("finalize", "--ticket", "t"), ("list",)], ids=str)
async def test_where_nobody_answers_it_says_where_it_looked(words: tuple[str, ...], tmp_path: Path) -> None:
    nobody = await Shell(NOBODY, SESSION_CLI, tmp_path).run(*words)

    assert (nobody.code, NOBODY in nobody.err) == (3, True)

"""What a newcomer sees: the two commands of the README's first screen, run as they stand there."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.stories.terminal import START, Terminal, environment, wait_until


def processes_of(data: Path) -> list[int]:
    """Everything that still runs out of this folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == os.getpid():
            continue
        try:
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            folder = str((entry / "cwd").readlink())
            environ = (entry / "environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if str(data) in command or folder.startswith(str(data)) or f"={data}" in environ:
            found.append(int(entry.name))
    return found


def nothing_runs(data: Path) -> Callable[[], bool]:
    return lambda: not processes_of(data)


def test_a_newcomer_logs_in_stops_and_finds_the_login_again(
    terminal: Callable[..., Terminal], data: Path
) -> None:
    first = terminal("--sandbox")
    first.wait_for("Ctrl-C stops everything")
    screen = first.screen
    order = ["SANDBOX", "real ", "simulated", "Login page", "API docs", "Metrics", "█", "ops/start scan"]
    assert [screen.index(text) for text in order] == sorted(screen.index(text) for text in order)

    scan = subprocess.run(
        [START, "scan", "--data", str(data)], capture_output=True, text=True, check=True, env=environment()
    )
    assert "demo/main is AUTHORIZED" in scan.stdout
    first.wait_for("demo/main is AUTHORIZED as Telegram user 7000000001")
    assert first.press_ctrl_c() == 0
    wait_until(nothing_runs(data), "every process to be gone")

    second = terminal("--sandbox")
    second.wait_for("demo/main is still logged in")
    assert second.press_ctrl_c() == 0


def test_a_killed_supervisor_costs_no_login(terminal: Callable[..., Terminal], data: Path) -> None:
    first = terminal("--sandbox")
    first.wait_for("Ctrl-C stops everything")
    subprocess.run([START, "scan", "--data", str(data)], capture_output=True, check=True, env=environment())
    first.wait_for("AUTHORIZED")

    os.kill(supervisor_of(first), signal.SIGKILL)
    assert first.process.wait(30) == 2
    assert "the supervisor ended by SIGKILL" in first.screen

    second = terminal("--sandbox")
    second.wait_for("demo/main is still logged in")
    assert second.press_ctrl_c() == 0


def test_a_killed_launcher_leaves_no_process_behind(terminal: Callable[..., Terminal], data: Path) -> None:
    first = terminal("--sandbox")
    first.wait_for("Ctrl-C stops everything")

    first.process.kill()
    first.process.wait()
    wait_until(nothing_runs(data), "every process to be gone")


def test_without_its_variables_the_real_thing_names_them_all(data: Path) -> None:
    run = subprocess.run(
        [START, "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "HOME": str(data)},
    )

    assert run.returncode == 2
    for name in (
        "MINIAPP_HMAC_SECRET",
        "SUPABASE_SERVICE_ROLE_KEY",
        "TELEGRAM_API_ID_MASTER",
        "TELEGRAM_API_HASH_MASTER",
    ):
        assert name in run.stderr
    assert "Traceback" not in run.stderr


def test_the_sandbox_refuses_real_credentials(data: Path) -> None:
    run = subprocess.run(
        [START, "--sandbox", "--data", str(data)],
        capture_output=True,
        text=True,
        check=False,
        env={**environment(), "TELEGRAM_API_ID_MASTER": "12345"},
    )

    assert run.returncode == 2
    assert "unset TELEGRAM_API_ID_MASTER" in run.stderr
    assert "12345" not in run.stderr


def supervisor_of(terminal: Terminal) -> int:
    """The launcher's child that runs the supervisor."""
    children = Path(f"/proc/{terminal.process.pid}/task/{terminal.process.pid}/children").read_text().split()
    for child in map(int, children):
        if b"supervisor" in Path(f"/proc/{child}/cmdline").read_bytes():
            return child
    raise AssertionError("no supervisor")

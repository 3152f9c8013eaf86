"""What a newcomer sees: the two commands of the README's first screen, run as they stand there."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
START = str(ROOT / "ops" / "start")
PATIENCE = 60.0


class Terminal:
    """A terminal in which `ops/start` runs."""

    def __init__(self, *arguments: str, output: Path) -> None:
        self._output = output
        with output.open("wb") as screen:
            self.process = subprocess.Popen(
                [START, *arguments], stdout=screen, stderr=subprocess.STDOUT, env=environment()
            )

    @property
    def screen(self) -> str:
        return self._output.read_text()

    def wait_for(self, text: str) -> None:
        def appeared() -> bool:
            assert text in self.screen or self.process.poll() is None, self.screen
            return text in self.screen

        wait_until(appeared, text)

    def press_ctrl_c(self) -> int:
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(30)


def wait_until(condition: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, f"still waiting for: {what}"
        time.sleep(0.05)


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("TELEGRAM_")}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def terminal(data: Path, tmp_path: Path) -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*arguments: str) -> Terminal:
        output = tmp_path / f"screen-{len(opened)}"
        opened.append(Terminal(*arguments, "--data", str(data), output=output))
        return opened[-1]

    yield open_one
    for one in opened:
        one.process.kill()
        one.process.wait()


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

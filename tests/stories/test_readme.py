"""The README's commands, taken from its text and run in its order."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.stories.terminal import ROOT, Terminal, environment

README = (ROOT / "README.md").read_text()


def commands() -> list[list[str]]:
    """Every line of every block that is marked as runnable."""
    blocks = re.findall(r"```bash\n(.*?)```", README, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines()]


def test_every_runnable_block_of_the_readme_runs(terminal: Callable[..., Terminal], data: Path) -> None:
    start, scan, test = commands()

    assert start[0] == "ops/start"
    first = terminal(*start[1:])
    first.wait_for("Ctrl-C stops everything")
    assert "AUTHORIZED" in output_of(*scan, "--data", str(data))
    assert first.press_ctrl_c() == 0
    # The whole suite would run itself within itself: one folder of it shows that the command works.
    assert " passed" in output_of(*test, "-q", "-p", "no:cacheprovider", "tests/core/test_names.py")


def test_every_file_that_the_readme_links_to_is_there() -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def output_of(*command: str) -> str:
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout

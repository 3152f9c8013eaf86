"""The house itself: its rooms are ours, and nothing lies about that should not."""

from __future__ import annotations

import importlib
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("actors", "api", "ops", "supervisor", "tests")
TOP_LEVEL = {*ROOMS, "pyproject.toml", "Procfile", "README.md", "LICENSE"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_foreign_distribution_owns_our_names(room: str) -> None:
    owners = packages_distributions().get(room, [])
    module = importlib.import_module(room)

    assert set(owners) <= {"unified-session-manager"}
    assert module.__file__ == str(ROOT / room / "__init__.py")


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    return listed.stdout.splitlines()


def test_the_top_level_is_what_was_chosen() -> None:
    found = {path.split("/")[0] for path in tracked()}

    assert {name for name in found if not name.startswith(".")} == TOP_LEVEL


def test_no_credential_is_tracked() -> None:
    suspects = re.compile(r"\.session(-journal|-wal|-shm)?$|(^|/)\.env$|\.key$|\.pem$")

    assert [path for path in tracked() if suspects.search(path)] == []

"""The short lane of `ops/unrest`: real supervisors are rolled, killed and cut off from their stores."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.timeout(300)
def test_no_key_is_used_twice_and_nothing_is_lost_while_supervisors_come_and_go() -> None:
    lane = [sys.executable, "-m", "ops.chaos", "--short", "--sessions", "30"]
    run = subprocess.run(lane, capture_output=True, text=True, check=False)

    assert run.returncode == 0, f"{run.stdout}\n{run.stderr[-3000:]}"
    assert "6 troubles, 3 supervisors, 30 sessions" in run.stdout
    assert "duplicates seen by the data centre: 0" in run.stdout
    assert "sessions that need a new login: 0" in run.stdout
    assert "commands acknowledged and lost: 0" in run.stdout


def test_a_trouble_that_does_not_exist_is_refused_with_those_that_do() -> None:
    lane = [sys.executable, "-m", "ops.chaos", "--only", "earthquake"]
    run = subprocess.run(lane, capture_output=True, text=True, check=False)

    assert run.returncode == 2
    assert "kill_postgres" in run.stdout + run.stderr

"""Two hundred worlds, one crowded one, and that each can be repeated."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.run import RuleBroken, simulate

SESSIONS = 12
HOURS = 2.0


@pytest.mark.parametrize("seed", range(200))
def test_every_rule_holds(seed: int) -> None:
    simulate(seed, SESSIONS, HOURS)


def test_every_rule_holds_for_a_thousand_sessions_at_once() -> None:
    outcome = simulate(1000, sessions=1000, hours=0.5)

    rare = ("deposit", "LifeCrashed", "SessionParked", "_end_credential", "confirmation lost", "log_out")
    assert all(outcome.counts[what] for what in rare), outcome.counts


def test_the_same_seed_is_the_same_run() -> None:
    assert simulate(7, SESSIONS, HOURS) == simulate(7, SESSIONS, HOURS)
    assert simulate(7, SESSIONS, HOURS).trace != simulate(8, SESSIONS, HOURS).trace


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    command = [sys.executable, "-m", "tests.simulation", "--seed", "7", "--sessions", "5", "--hours", "1"]
    root = Path(__file__).parents[2]

    def run(hash_seed: str) -> str:
        surroundings = {**os.environ, "PYTHONHASHSEED": hash_seed}
        told = subprocess.run(
            command, cwd=root, env=surroundings, check=True, capture_output=True, text=True
        ).stdout
        return told.split(" in ")[0]

    assert run("1") == run("2") == f"seed 7: {simulate(7, 5, 1.0).trace[:16]}"


def test_a_broken_rule_tells_how_to_see_it_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.actor.Actor._transition", lambda *_: None)

    with pytest.raises(RuleBroken, match=r"ops/simulate --seed 7 --sessions 5 --hours 1$"):
        simulate(7, 5, 1.0)

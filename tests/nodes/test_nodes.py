"""Three hundred clusters, that each can be repeated, and that taking a rule away is found."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.nodes.mutants import MUTANTS
from tests.nodes.run import simulate
from tests.simulation.run import RuleBroken

FOUND_BY = {
    "an owner that has nothing is asked too": 0,
    "a release in doubt is unclean": 16,
    "what was aborted is unclean": 16,
    "a death without farewell waits": 16,
    "a grant is used in time": 6,
    "the store checks epochs": 2,
    "no reconnect of the library": 1,
    "the data centre has timers": 0,
}
"""The first seed that misses each rule. `ops/simulate-nodes --mutants` looks for those of the other rules."""


@pytest.mark.parametrize("seed", range(300))
def test_no_auth_key_is_ever_open_twice(seed: int) -> None:
    simulate(seed)


def test_the_same_seed_is_the_same_run() -> None:
    assert simulate(7) == simulate(7)
    assert simulate(7).trace != simulate(8).trace


def test_the_same_seed_is_the_same_run_in_another_process() -> None:
    def told(hash_seed: str) -> str:
        surroundings = {**os.environ, "PYTHONHASHSEED": hash_seed}
        command = [sys.executable, "-m", "tests.nodes", "--seed", "7", "--trace"]
        root = Path(__file__).parents[2]
        return subprocess.run(
            command, cwd=root, env=surroundings, check=True, capture_output=True, text=True
        ).stdout

    lines: list[str] = []
    simulate(7, show=lines.append)
    assert told("1") == told("2") == "".join(lines)


@pytest.mark.parametrize("rule", FOUND_BY)
def test_a_rule_that_is_taken_away_is_missed(rule: str) -> None:
    (mutant,) = [mutant for mutant in MUTANTS if mutant.rule == rule]

    with pytest.raises(RuleBroken):
        simulate(FOUND_BY[rule], breaking=mutant.breaking)

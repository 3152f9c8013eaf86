"""Every interleaving of two nodes, one session and a data centre, over the shipping core.

Bad is a connection that opens at the data centre beside another of the same key; one that the same life has left
behind does not count. Three nodes and longer times: `ops/model`.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.ownership.mutants import FREEZES, MUTANTS, NO_LOCAL_FENCE, PAUSES, THE_ROUND_TRIP, Mutant
from tests.ownership.scene import Scene
from tests.ownership.search import Found, search
from tests.ownership.ticks import ticks

SCENES = {
    "machines freeze": FREEZES,
    "processes pause": PAUSES,
    "sessions are handed over": replace(FREEZES, hands_over=True),
    "another silence": Scene(ticks(delay=2, trust=2, unacknowledged=1, silence=1)),
}


def told(found: Found) -> str:
    assert found.story is not None
    return "\n".join(found.story)


@pytest.mark.parametrize("name", SCENES)
def test_no_connection_opens_beside_another(name: str) -> None:
    found = search(SCENES[name])

    assert found.is_safe, told(found)
    assert found.states > 3000


@pytest.mark.parametrize("name", ["machines freeze", "processes pause"])
def test_a_tick_less_is_too_little(name: str) -> None:
    timings = SCENES[name].timings
    less = ticks(
        int(timings.delay), int(timings.trust), int(timings.unacknowledged), int(timings.silence), short_by=1
    )

    found = search(replace(SCENES[name], timings=less))

    assert not found.is_safe
    assert "beside another" in told(found)


@pytest.mark.parametrize("mutant", MUTANTS, ids=str)
def test_each_rule_is_needed(mutant: Mutant, monkeypatch: pytest.MonkeyPatch) -> None:
    if mutant.module is not None:
        monkeypatch.setattr(mutant.module, mutant.function, mutant.by)

    assert not search(mutant.scene).is_safe


def test_the_local_fence_is_a_second_line(monkeypatch: pytest.MonkeyPatch) -> None:
    assert NO_LOCAL_FENCE.module is not None
    monkeypatch.setattr(NO_LOCAL_FENCE.module, NO_LOCAL_FENCE.function, NO_LOCAL_FENCE.by)

    assert search(NO_LOCAL_FENCE.scene).is_safe


def test_a_freeze_within_the_round_trip_of_a_connect_is_not_covered() -> None:
    story = told(search(THE_ROUND_TRIP))

    assert "is granted a connect" in story
    assert "frozen" in story


def test_a_counterexample_is_a_story_that_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.rule == "a release in quarantine is unclean")
    assert mutant.module is not None
    monkeypatch.setattr(mutant.module, mutant.function, mutant.by)

    story = search(mutant.scene).story

    assert story is not None
    assert story[0].split() == ["0", "A", "acquires", "the", "session"]
    assert story[-1].endswith("CONNECTS   <- beside another")
    assert any("the session is free, clean" in line for line in story)

"""The restart policy as a table of numbers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supervisor.policy import Park, Restart, RestartPolicy

NOW = 10_000.0
POLICY = RestartPolicy()
MIDDLE = 0.5


@pytest.mark.parametrize(
    ("ages", "verdict"),
    [
        ([0], Restart(2)),
        ([1, 0], Restart(4)),
        ([2, 1, 0], Restart(8)),
        ([3, 2, 1, 0], Restart(16)),
        ([4, 3, 2, 1, 0], Restart(32)),
        ([5, 4, 3, 2, 1, 0], Park(NOW + 300)),
        ([9, 8, 7, 6, 5, 4, 3, 2, 1, 0], Park(NOW + 300)),
        # what is 600 seconds old is forgotten
        ([599.9, 0], Restart(4)),
        ([600, 0], Restart(2)),
        ([900, 800, 700, 601, 600, 0], Restart(2)),
        ([600, 599, 598, 597, 596, 0], Restart(32)),
        ([599, 598, 597, 596, 595, 0], Park(NOW + 300)),
    ],
    ids=repr,
)
def test_the_default_policy(ages: list[float], verdict: Restart | Park) -> None:
    assert POLICY.verdict([NOW - age for age in ages], NOW, MIDDLE) == verdict


@pytest.mark.parametrize(
    ("chance", "delay"), [(0.0, 1.6), (0.25, 1.8), (0.5, 2.0), (0.75, 2.2), (1.0, 2.4)], ids=repr
)
def test_jitter_is_a_fifth_to_either_side(chance: float, delay: float) -> None:
    verdict = POLICY.verdict([NOW], NOW, chance)

    assert isinstance(verdict, Restart)
    assert verdict.after == pytest.approx(delay)


def test_delays_double_up_to_the_longest() -> None:
    patient = RestartPolicy(limit=20)
    delays = []
    for crashes in range(1, 9):
        verdict = patient.verdict([NOW] * crashes, NOW, MIDDLE)
        assert isinstance(verdict, Restart)
        delays.append(verdict.after)

    assert delays == [2, 4, 8, 16, 32, 60, 60, 60]


def test_a_healthy_life_makes_earlier_crashes_forgotten() -> None:
    assert POLICY.recent([NOW - 601, NOW - 600, NOW - 599, NOW], NOW) == [NOW - 599, NOW]


def test_a_session_that_crashes_once_in_two_minutes_is_never_parked() -> None:
    crashes: list[float] = []
    for number in range(100):
        now = NOW + 120.0 * number
        crashes = [*POLICY.recent(crashes, now), now]
        assert isinstance(POLICY.verdict(crashes, now, MIDDLE), Restart)
    assert len(crashes) == 5


@given(
    st.lists(st.floats(0, 2 * NOW), min_size=1, max_size=12).map(sorted),
    st.floats(0, 1),
)
def test_a_verdict_lies_in_the_future_and_within_bounds(crashes: list[float], chance: float) -> None:
    now = crashes[-1]

    match POLICY.verdict(crashes, now, chance):
        case Restart(after):
            assert 0.8 * 2.0 <= after <= 1.2 * 60.0
            assert len(POLICY.recent(crashes, now)) <= POLICY.limit
        case Park(until):
            assert until == now + POLICY.cooldown
            assert len(POLICY.recent(crashes, now)) > POLICY.limit

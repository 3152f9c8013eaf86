from __future__ import annotations

from dataclasses import replace

import pytest

from supervisor.ownership.timings import PROFILE_L, PROFILE_S, Timings, UnsafeTimings


def test_the_profiles_wait_as_long_as_they_say() -> None:
    assert (PROFILE_S.wait, PROFILE_L.wait) == (47, 185)
    assert PROFILE_S.bound == pytest.approx(46.9)
    assert PROFILE_L.bound == pytest.approx(184.6)


@pytest.mark.parametrize("profile", [PROFILE_S, PROFILE_L])
def test_a_second_less_of_quarantine_cannot_be_had(profile: Timings) -> None:
    with pytest.raises(UnsafeTimings, match="lengthen quarantine"):
        replace(profile, quarantine=profile.quarantine - 1)


@pytest.mark.parametrize("name", ["delay", "unacknowledged", "trust", "drift", "margin"])
def test_whatever_lengthens_the_bound_needs_a_longer_wait(name: str) -> None:
    with pytest.raises(UnsafeTimings, match="below the bound"):
        replace(PROFILE_S, **{name: getattr(PROFILE_S, name) + 15})


def test_pauses_of_processes_count_where_they_outlast_three_delays() -> None:
    timings = Timings(5, trust=40, delay=10, unacknowledged=8, silence=30, quarantine=31, drift=0)

    assert timings.bound == 40 + 10 + 8 + 1


def test_renewals_must_be_more_frequent_than_what_they_keep_alive() -> None:
    with pytest.raises(UnsafeTimings, match="shorten it"):
        replace(PROFILE_S, period=13)


def test_after_a_death_only_the_data_centres_timer_is_left() -> None:
    assert PROFILE_S.last_breath == pytest.approx(15 * 1.02 + 1)

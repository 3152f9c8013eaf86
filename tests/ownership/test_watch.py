from __future__ import annotations

from actors.core.owners import Heartbeat, NodeEpoch, Poll
from supervisor.ownership.attest import Death, may_attest
from supervisor.ownership.claim import Past
from supervisor.ownership.timings import PROFILE_S
from supervisor.ownership.watch import Watch, broken, fenced, past_of, polled, silent

LIFE = NodeEpoch("node-b", 3)
OTHER = NodeEpoch("node-c", 1)


def seen(*beats: tuple[float, int], source: str = "one", life: NodeEpoch = LIFE) -> Watch:
    """After looks at these times, which showed so many heartbeats."""
    watch = Watch()
    for at, number in beats:
        watch = polled(watch, Poll((Heartbeat(life, number),), source), at, PROFILE_S)
    return watch


def test_who_stands_still_long_enough_is_silent() -> None:
    watch = seen((0, 5), (5, 5), (10, 5), (15, 5))

    assert silent(watch, 14.9, PROFILE_S) == []
    assert silent(watch, 15.0, PROFILE_S) == [Heartbeat(LIFE, 5)]


def test_who_renews_is_not() -> None:
    assert silent(seen((0, 5), (5, 5), (10, 6), (15, 6)), 24.9, PROFILE_S) == []


def test_another_life_with_the_same_count_is_news() -> None:
    watch = seen((0, 5), (5, 5), (10, 5))
    reborn = Poll((Heartbeat(NodeEpoch("node-b", 4), 5),), "one")

    assert silent(polled(watch, reborn, 14, PROFILE_S), 20, PROFILE_S) == []


def test_silence_begins_anew_after_a_gap() -> None:
    assert silent(seen((0, 5), (15, 5), (30, 5)), 30, PROFILE_S) != []
    assert silent(seen((0, 5), (15.1, 5), (30, 5)), 30, PROFILE_S) == []


def test_silence_begins_anew_when_the_connection_was_lost() -> None:
    watch = broken(seen((0, 5), (5, 5), (10, 5)))
    assert silent(watch, 30, PROFILE_S) == []

    watch = polled(watch, Poll((Heartbeat(LIFE, 5),), "one"), 12, PROFILE_S)
    assert silent(watch, 26.9, PROFILE_S) == []
    assert silent(watch, 27, PROFILE_S) != []


def test_silence_begins_anew_with_another_history_of_the_server() -> None:
    watch = seen((0, 5), (5, 5), (10, 5))

    watch = polled(watch, Poll((Heartbeat(LIFE, 5),), "promoted"), 14, PROFILE_S)

    assert silent(watch, 28.9, PROFILE_S) == []
    assert silent(watch, 29, PROFILE_S) != []


def test_a_node_that_is_gone_from_the_arbiter_is_forgotten() -> None:
    assert polled(seen((0, 5)), Poll((), "one"), 5, PROFILE_S).sightings == ()


def test_only_of_a_life_that_i_have_ended_do_i_know_the_past() -> None:
    watch = fenced(seen((0, 5)), LIFE)

    assert past_of(watch, LIFE) is Past.WATCHED
    assert past_of(watch, OTHER) is Past.UNKNOWN
    assert past_of(watch, NodeEpoch("node-b", 4)) is Past.UNKNOWN
    assert past_of(watch, None) is Past.UNKNOWN


def test_what_i_know_of_a_past_outlives_a_lost_connection() -> None:
    assert past_of(broken(fenced(Watch(), LIFE)), LIFE) is Past.WATCHED


def test_a_death_with_farewells_may_be_attested_at_once() -> None:
    assert may_attest(Death(gone_at=10, said_farewell=True), 10, PROFILE_S)


def test_a_death_without_waits_for_the_last_breath() -> None:
    death = Death(gone_at=10, said_farewell=False)

    assert not may_attest(death, 10 + PROFILE_S.last_breath - 0.1, PROFILE_S)
    assert may_attest(death, 10 + PROFILE_S.last_breath, PROFILE_S)

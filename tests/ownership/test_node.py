from __future__ import annotations

import pytest

from actors.core.owners import NodeEpoch
from supervisor.ownership.node import (
    Cause,
    FenceAll,
    GraceEnded,
    Node,
    NodeEvent,
    RenewalConfirmed,
    RenewalDenied,
    RenewalSent,
    Ticked,
    booted,
    fresh,
    is_trusted,
    step,
)
from supervisor.ownership.timings import PROFILE_S

ME = NodeEpoch("node-a", 7)
BOOTED = booted(ME, 100.0, PROFILE_S)
WALL = 1_795_000_000.0


def after(node: Node, *events: NodeEvent) -> Node:
    for event in events:
        node, _ = step(node, event, PROFILE_S)
    return node


def tick(at: float, *, jump: float = 0.0, lag: float = 0.0) -> Ticked:
    return Ticked(at, WALL + at + jump, lag)


def test_a_new_life_is_trusted_from_the_moment_it_asked() -> None:
    assert is_trusted(BOOTED, 111.9)
    assert not is_trusted(BOOTED, 112.0)


def test_the_deadline_counts_from_the_sending_not_from_the_answer() -> None:
    node = after(BOOTED, RenewalSent(105.0), RenewalConfirmed(1, 108.0))

    assert node.deadline == 105.0 + PROFILE_S.trust


def test_a_renewal_without_an_answer_changes_no_deadline() -> None:
    assert after(BOOTED, RenewalSent(105.0)).deadline == BOOTED.deadline


def test_an_answer_to_an_older_renewal_is_void() -> None:
    node = after(BOOTED, RenewalSent(105.0), RenewalSent(110.0), RenewalConfirmed(1, 111.0))

    assert node.deadline == BOOTED.deadline
    assert fresh(node) is None


def test_a_confirmation_can_be_spent_until_the_next_renewal_is_sent() -> None:
    confirmed = after(BOOTED, RenewalSent(105.0), RenewalConfirmed(1, 105.1))

    assert fresh(confirmed) == 1
    assert fresh(after(confirmed, RenewalSent(110.0))) is None


@pytest.mark.parametrize(
    ("event", "cause"),
    [
        (tick(112.0), Cause.DEADLINE),
        (tick(103.0, jump=2.1), Cause.CLOCK),
        (tick(103.0, jump=-2.1), Cause.CLOCK),
        (tick(103.0, lag=4.1), Cause.LAG),
        (RenewalDenied(), Cause.DENIED),
        (GraceEnded(), Cause.STOPPED),
    ],
)
def test_a_node_fences_itself_once(event: NodeEvent, cause: Cause) -> None:
    node, effect = step(after(BOOTED, tick(101.0)), event, PROFILE_S)
    again = step(node, tick(113.0), PROFILE_S)[1]

    assert effect == FenceAll(cause)
    assert not is_trusted(node, 103.0)
    assert again is None


@pytest.mark.parametrize("event", [tick(111.9), tick(103.0, jump=1.9), tick(103.0, lag=3.9)])
def test_a_little_is_no_reason(event: NodeEvent) -> None:
    assert step(after(BOOTED, tick(101.0)), event, PROFILE_S)[1] is None


def test_a_fence_for_the_time_being_ends_with_a_renewal_sent_after_it() -> None:
    fenced = after(BOOTED, RenewalSent(111.0), tick(112.0))

    late = after(fenced, RenewalConfirmed(1, 112.5))
    renewed = after(fenced, RenewalSent(113.0), RenewalConfirmed(fenced.sent + 1, 113.1))

    assert not is_trusted(late, 112.5)
    assert is_trusted(renewed, 113.1)


def test_a_confirmation_that_comes_after_its_own_deadline_ends_no_fence() -> None:
    fenced = after(BOOTED, tick(112.0), RenewalSent(113.0))

    assert not is_trusted(after(fenced, RenewalConfirmed(fenced.sent, 125.0)), 125.0)


@pytest.mark.parametrize("event", [RenewalDenied(), GraceEnded()])
def test_a_life_that_is_over_stays_so(event: NodeEvent) -> None:
    over = after(BOOTED, event)

    assert after(over, RenewalSent(103.0), RenewalConfirmed(over.sent + 1, 103.1)) == over


def test_only_what_lasts_is_final() -> None:
    assert {cause for cause in Cause if FenceAll(cause).is_final} == {Cause.DENIED, Cause.STOPPED}

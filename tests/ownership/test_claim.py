from __future__ import annotations

from dataclasses import replace

import pytest

from actors.core.owners import NodeEpoch
from supervisor.ownership import claim as rules
from supervisor.ownership import events as c
from supervisor.ownership.claim import Claim, Past, Socket, claimed
from supervisor.ownership.node import Node, RenewalConfirmed, RenewalSent, booted
from supervisor.ownership.node import step as node_step
from supervisor.ownership.timings import PROFILE_S

NODE = booted(NodeEpoch("node-a", 7), 1000.0, PROFILE_S)
NOW = 1001.0
CLEAN = claimed(3, Past.CLEAN, 1000.0, PROFILE_S)
OPEN = replace(CLEAN, socket=Socket.OPEN, spent=0)


def step(claim: Claim, event: c.ClaimEvent, node: Node = NODE) -> rules.Outcome:
    return rules.step(claim, event, node, PROFILE_S)


def kept(claim: Claim, *events: c.ClaimEvent, node: Node = NODE) -> Claim:
    """The claim after these events, which must not end it."""
    for event in events:
        after, _ = step(claim, event, node)
        assert after is not None
        claim = after
    return claim


def effects(claim: Claim, event: c.ClaimEvent, node: Node = NODE) -> tuple[c.ClaimEffect, ...]:
    return step(claim, event, node)[1]


def renewed(node: Node, at: float) -> Node:
    node, _ = node_step(node, RenewalSent(at), PROFILE_S)
    return node_step(node, RenewalConfirmed(node.sent, at), PROFILE_S)[0]


# -- quarantine


@pytest.mark.parametrize(
    ("past", "seconds"),
    [(Past.CLEAN, 0), (Past.WATCHED, PROFILE_S.quarantine), (Past.UNKNOWN, PROFILE_S.wait)],
)
def test_the_quarantine_is_what_the_past_asks_for(past: Past, seconds: float) -> None:
    claim = claimed(3, past, 1000.0, PROFILE_S)
    node = replace(NODE, deadline=2000.0)

    assert effects(claim, c.ConnectWanted(1000.0 + seconds), node) == (c.Verify(is_clean=True),)
    if seconds:
        assert step(claim, c.ConnectWanted(999.9 + seconds), node) == (claim, ())


def test_a_release_in_quarantine_is_unclean() -> None:
    claim = claimed(3, Past.WATCHED, 1000.0, PROFILE_S)

    assert step(claim, c.ReleaseWanted(1031.9)) == (None, (c.Release(is_clean=False, next_owner=None),))
    assert step(claim, c.ReleaseWanted(1032.0)) == (None, (c.Release(is_clean=True, next_owner=None),))


# -- connect


def test_a_connect_asks_the_arbiter_and_then_writes_the_first_packet() -> None:
    asking, asked = step(CLEAN, c.ConnectWanted(NOW))
    assert asking is not None
    opened, written = step(asking, c.Verified(NOW))

    assert asked == (c.Verify(is_clean=True),)
    assert written == (c.SendFirst(),)
    assert opened is not None
    assert opened.socket is Socket.OPEN


def test_nobody_connects_twice_or_without_trust() -> None:
    asking = kept(CLEAN, c.ConnectWanted(NOW))

    assert effects(asking, c.ConnectWanted(NOW)) == ()
    assert effects(OPEN, c.ConnectWanted(NOW)) == ()
    assert effects(CLEAN, c.ConnectWanted(NODE.deadline)) == ()


def test_a_grant_that_comes_too_late_opens_nothing() -> None:
    asking = kept(CLEAN, c.ConnectWanted(NOW))

    after, done = step(asking, c.Verified(NODE.deadline))

    assert done == (c.Abort(),)
    assert after is not None
    assert after.socket is Socket.NONE


def test_a_grant_that_nobody_waits_for_opens_nothing() -> None:
    given_up = kept(CLEAN, c.ConnectWanted(NOW), c.VerifyFailed())

    assert step(given_up, c.Verified(NOW)) == (given_up, ())


def test_a_session_that_is_lost_is_let_go_of_with_its_socket() -> None:
    assert step(kept(CLEAN, c.ConnectWanted(NOW)), c.SessionLost()) == (None, (c.Abort(),))
    assert step(OPEN, c.SessionLost()) == (None, (c.Abort(),))
    assert step(CLEAN, c.SessionLost()) == (None, ())


# -- pings


def test_each_confirmed_renewal_allows_one_ping() -> None:
    node = renewed(NODE, 1005.0)

    once = kept(OPEN, c.PingDue(1005.0), c.PongCame(), node=node)

    assert effects(OPEN, c.PingDue(1005.0), node) == (c.SendPing(),)
    assert effects(once, c.PingDue(1005.1), node) == ()
    assert effects(once, c.PingDue(1010.0), renewed(node, 1010.0)) == (c.SendPing(),)


def test_no_ping_while_a_renewal_is_on_its_way() -> None:
    node, _ = node_step(renewed(NODE, 1005.0), RenewalSent(1010.0), PROFILE_S)

    assert effects(OPEN, c.PingDue(1010.0), node) == ()


def test_no_ping_before_the_pong() -> None:
    first = kept(OPEN, c.PingDue(1005.0), node=renewed(NODE, 1005.0))
    node = renewed(renewed(NODE, 1005.0), 1010.0)

    assert effects(first, c.PingDue(1010.0), node) == ()
    assert effects(kept(first, c.PongCame()), c.PingDue(1010.0), node) == (c.SendPing(),)


def test_the_first_packet_is_a_ping_too() -> None:
    opened = kept(CLEAN, c.ConnectWanted(NOW), c.Verified(NOW))

    assert effects(opened, c.PingDue(1005.0), renewed(NODE, 1005.0)) == ()
    assert effects(kept(opened, c.PongCame()), c.PingDue(1005.0), renewed(NODE, 1005.0)) == (c.SendPing(),)


def test_a_confirmation_from_before_the_connect_is_spent() -> None:
    node = renewed(NODE, NOW)
    opened = kept(CLEAN, c.ConnectWanted(NOW), c.Verified(NOW), c.PongCame(), node=node)

    assert effects(opened, c.PingDue(NOW), node) == ()


def test_no_ping_without_trust_or_socket() -> None:
    node = renewed(NODE, 1005.0)

    assert effects(OPEN, c.PingDue(node.deadline), node) == ()
    assert effects(CLEAN, c.PingDue(1005.0), node) == ()


# -- what happens to sockets


@pytest.mark.parametrize("event", [c.SocketBroken(NOW), c.NodeFenced(NOW)])
def test_an_aborted_connection_may_be_replaced_at_once_but_leaves_doubt(event: c.ClaimEvent) -> None:
    after, done = step(OPEN, event)

    assert done == (c.Abort(),)
    assert after is not None
    assert effects(after, c.ConnectWanted(NOW)) == (c.Verify(is_clean=False),)
    assert effects(after, c.ReleaseWanted(NOW)) == (c.Release(is_clean=False, next_owner=None),)
    settled = NOW + PROFILE_S.wait
    assert effects(after, c.ReleaseWanted(settled)) == (c.Release(is_clean=True, next_owner=None),)


def test_a_connection_that_the_data_centre_closed_leaves_none() -> None:
    after = kept(OPEN, c.SocketClosed(NOW))

    assert effects(after, c.ReleaseWanted(NOW)) == (c.Release(is_clean=True, next_owner=None),)


def test_a_doubt_that_is_over_is_noted_once() -> None:
    reopened = kept(OPEN, c.SocketBroken(NOW), c.ConnectWanted(NOW), c.Verified(NOW))
    settled = NOW + PROFILE_S.wait

    assert effects(reopened, c.CleanDue(settled - 0.1)) == ()
    assert effects(reopened, c.CleanDue(settled)) == (c.NoteClean(),)
    assert effects(kept(reopened, c.CleanDue(settled)), c.CleanDue(settled)) == ()


def test_a_fence_gives_up_a_connect_that_is_being_asked_for() -> None:
    asking = kept(CLEAN, c.ConnectWanted(NOW))

    assert effects(asking, c.NodeFenced(NOW)) == (c.Abort(),)
    assert effects(kept(asking, c.NodeFenced(NOW)), c.Verified(NOW)) == ()


# -- release


def test_a_graceful_release_waits_for_the_other_end() -> None:
    closing, done = step(OPEN, c.ReleaseWanted(NOW, "node-b"))
    assert closing is not None

    assert done == (c.HalfClose(),)
    assert step(closing, c.SocketClosed(NOW)) == (
        None,
        (c.Abort(), c.Release(is_clean=True, next_owner="node-b")),
    )


@pytest.mark.parametrize("event", [c.FarewellOver(NOW), c.SocketBroken(NOW), c.NodeFenced(NOW)])
def test_a_release_whose_end_nobody_saw_is_unclean(event: c.ClaimEvent) -> None:
    closing = kept(OPEN, c.ReleaseWanted(NOW, "node-b"))

    assert step(closing, event) == (None, (c.Abort(), c.Release(is_clean=False, next_owner="node-b")))


def test_a_graceful_release_does_not_whitewash_an_earlier_abort() -> None:
    closing = kept(OPEN, c.SocketBroken(NOW), c.ConnectWanted(NOW), c.Verified(NOW), c.ReleaseWanted(NOW + 1))

    assert effects(closing, c.SocketClosed(NOW + 1))[-1] == c.Release(is_clean=False, next_owner=None)


def test_events_out_of_turn_change_nothing() -> None:
    out_of_turn: list[tuple[Claim, c.ClaimEvent]] = [
        (CLEAN, c.Verified(NOW)),
        (CLEAN, c.VerifyFailed()),
        (CLEAN, c.SocketBroken(NOW)),
        (CLEAN, c.FarewellOver(NOW)),
        (OPEN, c.Verified(NOW)),
        (OPEN, c.VerifyFailed()),
        (OPEN, c.FarewellOver(NOW)),
    ]
    for claim, event in out_of_turn:
        assert step(claim, event) == (claim, ())

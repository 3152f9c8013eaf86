"""Where free sessions should go: nobody gets too many, and nobody's move when a node goes."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from actors.core.names import SessionKey
from actors.core.owners import Heartbeat, NodeEpoch
from supervisor.ownership.placement import SLACK, place, surplus

KEYS = [SessionKey(f"tenant-{number % 7}", f"app-{number}") for number in range(300)]
names = st.lists(
    st.from_regex(r"[a-z]{1,6}-[0-9a-f]{8}", fullmatch=True), min_size=1, max_size=8, unique=True
)


def beat(node_id: str, load: int = 0, capacity: int = 0, *, is_draining: bool = False) -> Heartbeat:
    return Heartbeat(NodeEpoch(node_id, 1), 0, is_draining, load, capacity)


loads = st.builds(
    lambda each: [beat(name, load, capacity, is_draining=drains) for name, (load, capacity, drains) in each],
    names.flatmap(
        lambda found: st.tuples(
            *(
                st.tuples(
                    st.just(name),
                    st.tuples(st.integers(0, 1000), st.sampled_from([0, 10, 500]), st.booleans()),
                )
                for name in found
            )
        )
    ),
)
keys = st.sampled_from(KEYS)


def placed(nodes: list[Heartbeat], count: int) -> list[Heartbeat]:
    """The nodes after so many sessions went where they should, one after the other."""
    loads = {node.node.node_id: node for node in nodes}
    for key in KEYS[:count]:
        chosen = place(key, loads.values())
        assert chosen is not None
        loads[chosen] = replace(loads[chosen], load=loads[chosen].load + 1)
    return list(loads.values())


@given(names, st.integers(1, len(KEYS)))
def test_nobody_is_given_more_than_the_bound(found: list[str], count: int) -> None:
    after = placed([beat(name) for name in found], count)

    assert sum(node.load for node in after) == count
    assert max(node.load for node in after) <= ceil(SLACK * count / len(found))


@given(loads, keys)
def test_a_node_that_is_above_its_share_or_draining_is_given_nothing(
    nodes: list[Heartbeat], key: SessionKey
) -> None:
    chosen = place(key, nodes)

    fit = {node.node.node_id: node for node in nodes if not node.is_draining}
    if not fit:
        assert chosen is None
        return
    assert chosen in fit
    roomy = [node for node in fit.values() if not node.capacity or node.load < node.capacity]
    if roomy:
        assert fit[chosen] in roomy
        share = SLACK * (sum(node.load for node in fit.values()) + 1) / len(fit)
        assert fit[chosen].load < ceil(share) or all(node.load >= ceil(share) for node in roomy)


@given(loads, keys, st.randoms(use_true_random=False))
def test_all_who_see_the_same_nodes_say_the_same(
    nodes: list[Heartbeat], key: SessionKey, chance: object
) -> None:
    shuffled = list(nodes)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert place(key, shuffled) == place(key, nodes)


@given(names.filter(lambda found: len(found) > 1), st.data())
def test_when_a_node_goes_only_its_own_sessions_find_another_place(
    found: list[str], data: st.DataObject
) -> None:
    gone = data.draw(st.sampled_from(found))
    before = {key: place(key, [beat(name) for name in found]) for key in KEYS}

    after = {key: place(key, [beat(name) for name in found if name != gone]) for key in KEYS}

    assert all(after[key] == where for key, where in before.items() if where != gone)
    assert gone not in after.values()


def test_sessions_spread() -> None:
    counts = Counter(place(key, [beat("a"), beat("b"), beat("c")]) for key in KEYS)

    assert min(counts.values()) > len(KEYS) / 5


def test_where_all_are_full_somebody_takes_it_all_the_same() -> None:
    full = [beat("a", 10, 10), beat("b", 10, 10)]

    assert {place(key, full) for key in KEYS} == {"a", "b"}


def test_what_is_beyond_a_fair_share_is_surplus() -> None:
    assert surplus("a", [beat("a", 100)]) == 0
    assert surplus("a", [beat("a", 100), beat("b", 0)]) == 50
    assert surplus("b", [beat("a", 100), beat("b", 0)]) == 0
    assert surplus("a", [beat("a", 60), beat("b", 50)]) == 0
    assert surplus("a", [beat("a", 100), beat("b", 0, is_draining=True)]) == 0
    assert surplus("a", [beat("a", 100, is_draining=True), beat("b", 0)]) == 0
    assert surplus("c", [beat("a", 100), beat("b", 0)]) == 0

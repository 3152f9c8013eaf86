"""The grid: every state meets every message, so that nobody can forget a pair."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, get_args

import pytest

from actors.core import effects as e
from actors.core import messages as m
from actors.core.decide import decide
from actors.core.decision import Decision
from actors.core.states import State
from actors.core.transitions import TRANSITIONS, AnotherLogin, MustWait, Refused
from tests.core.examples import (
    COMMAND_TYPES,
    EVERY_MESSAGE,
    EVERY_STATE,
    MESSAGE_TYPES,
    SIGNAL_TYPES,
    STATE_TYPES,
)

Meeting = tuple[State, m.Message]


def meetings(state_type: type[State], message_type: type[m.Message]) -> Iterator[Meeting]:
    for state in EVERY_STATE:
        for message in EVERY_MESSAGE:
            if type(state) is state_type and type(message) is message_type:
                yield state, message


def pairs(*, lawful: bool) -> list[Any]:
    return [
        pytest.param(state, message, id=f"{state.name}-{message.__name__}")
        for state in STATE_TYPES
        for message in MESSAGE_TYPES
        if (message in TRANSITIONS[state]) is lawful
    ]


@pytest.mark.parametrize(("state_type", "message_type"), pairs(lawful=True))
def test_a_lawful_pair_leads_exactly_where_the_table_says(
    state_type: type[State], message_type: type[m.Message]
) -> None:
    reached = set()
    for state, message in meetings(state_type, message_type):
        try:
            reached.add(type(decide(state, message).state))
        except (AnotherLogin, MustWait):
            assert type(message) in COMMAND_TYPES, "only a person can be told to come another time"

    assert reached == TRANSITIONS[state_type][message_type]


@pytest.mark.parametrize(("state_type", "message_type"), pairs(lawful=False))
def test_an_unlawful_pair_is_refused_and_changes_nothing(
    state_type: type[State], message_type: type[m.Message]
) -> None:
    for state, message in meetings(state_type, message_type):
        before = deepcopy(state)

        with pytest.raises(Refused) as refused:
            decide(state, message)

        assert type(refused.value) is Refused
        assert (refused.value.state, refused.value.message) == (state, message)
        assert str(refused.value) == f"{state.name} does not take {message_type.__name__}"
        assert state == before


def test_the_table_has_an_entry_for_every_state() -> None:
    assert set(TRANSITIONS) == set(STATE_TYPES)


def test_the_table_speaks_of_known_messages_and_states_only() -> None:
    for moves in TRANSITIONS.values():
        assert set(moves) <= set(MESSAGE_TYPES)
        assert set().union(*moves.values()) <= set(STATE_TYPES)


def test_every_message_is_lawful_somewhere() -> None:
    assert set().union(*TRANSITIONS.values()) == set(MESSAGE_TYPES)


def test_a_message_is_either_a_command_or_a_signal() -> None:
    assert set(COMMAND_TYPES) | set(SIGNAL_TYPES) == set(MESSAGE_TYPES)
    assert not set(COMMAND_TYPES) & set(SIGNAL_TYPES)


def test_the_examples_leave_out_no_type() -> None:
    assert {type(state) for state in EVERY_STATE} == set(STATE_TYPES)
    assert {type(message) for message in EVERY_MESSAGE} == set(MESSAGE_TYPES)


@pytest.mark.parametrize(
    "kind", [*STATE_TYPES, *MESSAGE_TYPES, *get_args(e.Effect), Decision], ids=lambda kind: str(kind.__name__)
)
def test_every_value_is_frozen_and_slotted(kind: type[Any]) -> None:
    assert dataclasses.is_dataclass(kind)
    assert kind.__dataclass_params__.frozen  # type: ignore[attr-defined]  # typeshed keeps it private
    assert "__slots__" in vars(kind)


def test_a_rule_that_leaves_the_table_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    state, message = next(iter(meetings(STATE_TYPES[0], m.StartQr)))
    monkeypatch.setitem(TRANSITIONS[type(state)], m.StartQr, frozenset())

    with pytest.raises(AssertionError, match=r"ABSENT \+ StartQr led to PENDING_QR"):
        decide(state, message)

"""What one node writes, another reads: every wish and every answer there is, and those that are yet to come."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.adapters import wire_format
from actors.adapters.wire_format import read_answer, read_wish, write_answer, write_wish
from actors.core import messages as m
from actors.core.secret import Secret
from actors.core.states import Absent, Authorized, State, Substate
from actors.core.transitions import MustWait, Refused
from actors.errors import NotUnderstood, Unanswered
from actors.post import TELLABLE, Ask, Look, WaitChange, Wish
from actors.published import Snapshot
from tests.core.examples import COMMAND_TYPES, EVERY_MESSAGE, EVERY_STATE, MESSAGE_TYPES, STATE_TYPES

EVERY_COMMAND = [message for message in EVERY_MESSAGE if isinstance(message, COMMAND_TYPES)]
st.register_type_strategy(float, st.floats(allow_nan=False))


def subclasses(kind: type[Exception]) -> Iterator[type[Exception]]:
    yield kind
    for each in kind.__subclasses__():
        yield from subclasses(each)


def made(kind: type[Exception], *, with_number: bool) -> Exception:
    """An error of this class, as any code of ours makes one."""
    number = [7.5] if with_number else []
    if issubclass(kind, MustWait):
        return kind(Absent(), m.Validate(), 7.5)
    if issubclass(kind, Refused):
        return kind(Authorized(4242, Substate.ONLINE), m.SubmitCode("login-1", Secret("12345")))
    return kind("a sentence, “quoted”", *(number if issubclass(kind, Unanswered) else []))


# -- everything there is


@pytest.mark.parametrize("kind", MESSAGE_TYPES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_message_is_read_as_it_was_written(kind: type[m.Message], data: st.DataObject) -> None:
    refused = Refused(Absent(), data.draw(st.from_type(kind)))

    read = read_answer(write_answer(refused))

    assert vars(read) == vars(refused)


@pytest.mark.parametrize("kind", COMMAND_TYPES)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_every_command_is_read_as_it_was_written(kind: type[m.Command], data: st.DataObject) -> None:
    wish = Ask(data.draw(st.from_type(kind)))

    assert read_wish(write_wish(wish)) == wish


@pytest.mark.parametrize("kind", STATE_TYPES)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_every_state_is_read_as_it_was_written(kind: type[State], data: st.DataObject) -> None:
    state = data.draw(st.from_type(kind))
    snapshot = Snapshot(state, *data.draw(st.tuples(st.integers(0), st.floats(0), st.integers(0))))

    assert read_answer(write_answer(state)) == state
    assert read_answer(write_answer(snapshot)) == snapshot


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_every_case_of_a_state_keeps_its_type_and_those_of_its_parts(state: State) -> None:
    read = read_answer(write_answer(state))

    assert repr(read) == repr(state)
    assert read == state


@pytest.mark.parametrize("wish", [Look(), WaitChange(2**53 - 1, 25.0), *map(Ask, EVERY_COMMAND)], ids=repr)
def test_every_wish_is_read_as_it_was_written(wish: Wish) -> None:
    assert read_wish(write_wish(wish)) == wish


@pytest.mark.parametrize("kind", [*subclasses(Unanswered), *subclasses(Refused), *TELLABLE.values()])
@pytest.mark.parametrize("with_number", [True, False])
def test_every_error_is_raised_as_it_was(kind: type[Exception], with_number: bool) -> None:
    error = made(kind, with_number=with_number)

    read = read_answer(write_answer(error))

    assert type(read) is kind
    assert str(read) == str(error)
    assert vars(read) == vars(error)


def test_no_two_classes_travel_under_one_name() -> None:
    for union in (Wish, m.Message, wire_format.Travelling):
        names = [kind.__name__ for kind in get_args(union)]
        assert len(set(names)) == len(names)
    assert len({kind.__name__ for kind in TELLABLE.values()}) == len(TELLABLE)


def test_an_error_that_nobody_expects_is_not_told() -> None:
    with pytest.raises(TypeError, match="ZeroDivisionError"):
        write_answer(ZeroDivisionError("canary"))


# -- other releases


def rewritten(text: Secret, **changes: Any) -> Secret:
    return Secret(json.dumps(json.loads(text.reveal()) | changes))


@pytest.mark.parametrize("tag", ["Dance", "", "x" * 999, "canary 12345", 7, None, ["Ask"]])
def test_a_wish_of_a_kind_that_is_not_known_is_told_so(tag: object) -> None:
    with pytest.raises(NotUnderstood, match="same release") as refused:
        read_wish(rewritten(write_wish(Look()), _type=tag))

    assert "canary" not in str(refused.value)
    assert len(str(refused.value)) < 200


def test_the_kind_that_is_not_known_is_named() -> None:
    with pytest.raises(NotUnderstood, match="the Dance of another node"):
        read_wish(rewritten(write_wish(Look()), _type="Dance"))


def test_an_error_that_is_not_known_is_named() -> None:
    text = rewritten(write_answer(Unanswered("no")), error="Tired")

    with pytest.raises(NotUnderstood, match="the Tired of another node"):
        read_answer(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"_type": "Ask", "command": {"_type": "Dance", "secret": "canary"}}',
        '{"_type": "Ask", "command": {"_type": "SubmitCode", "login_id": "a", "code": "canary", "more": 1}}',
        '{"_type": "Ask", "command": {"_type": "SubmitCode", "login_id": "canary"}}',
        '{"_type": "Ask", "command": {"_type": "SubmitCode", "login_id": "canary", "code": 7}}',
        '{"_type": "Ask"}',
        '{"_type": "WaitChange", "sequence": "canary", "within": 1}',
        '{"canary": 1}',
        '["canary"]',
        "canary",
        "",
    ],
)
def test_what_cannot_be_read_is_told_without_a_word_of_it(text: str) -> None:
    with pytest.raises(NotUnderstood) as refused:
        read_wish(Secret(text))

    error: BaseException | None = refused.value
    while error is not None:
        assert "canary" not in f"{error!r}"
        error = error.__cause__ or error.__context__


def test_what_is_at_its_default_is_not_written_so_a_new_field_is_no_trouble_until_it_is_used() -> None:
    assert json.loads(write_answer(Snapshot(Absent())).reveal()) == {
        "_type": "Snapshot",
        "state": {"_type": "Absent"},
    }


def test_what_is_written_does_not_show_by_itself() -> None:
    written = write_wish(Ask(m.SubmitPassword("login-1", Secret("correct horse"))))

    assert "horse" in written.reveal()
    assert "horse" not in f"{written} {written!r}"

"""What holds on every way that a session can go."""

from __future__ import annotations

import json
from dataclasses import replace
from random import Random

from hypothesis import given, settings

from actors.core import messages as m
from actors.core.record import from_record, to_record
from actors.core.states import (
    Authorized,
    Pending,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Revoked,
    Stale,
    State,
    UserAction,
    account_of,
    is_stopped,
    login_of,
    user_action,
)
from actors.core.steps import Complete, Failed, step_for
from actors.core.transitions import TRANSITIONS
from tests.core.examples import COMMAND_TYPES, MESSAGE_TYPES
from tests.core.walks import LONGEST, MAKE, MARKER, Step, walk, walks

thorough = settings(max_examples=300, deadline=None)


def without_history(state: State) -> State:
    assert isinstance(state, Stale | Revoked)
    return replace(state, last_login=None)


def test_a_walk_can_take_every_message() -> None:
    assert set(MAKE) == set(MESSAGE_TYPES)


def test_walks_get_to_every_lawful_pair() -> None:
    dice = Random(0)
    met = {
        (type(step.before), type(step.message))
        for _ in range(300)
        for step in walk(LONGEST, dice.randbytes(3 * LONGEST))
        if step.decision is not None
    }

    assert met == {(state, message) for state, moves in TRANSITIONS.items() for message in moves}


@thorough
@given(walks)
def test_only_commands_are_refused_on_a_lawful_way(steps: list[Step]) -> None:
    for step in steps:
        assert step.decision is not None or type(step.message) in COMMAND_TYPES


@thorough
@given(walks)
def test_a_credential_is_only_lost_by_request_or_by_a_definitive_error(steps: list[Step]) -> None:
    for step in steps:
        match step.before, step.after:
            case (Authorized() | Stale()) as before, (Authorized() | Stale()) as after:
                assert after.account_id == before.account_id
            case (Authorized() | Stale()) as before, Revoked() as after:
                assert isinstance(step.message, m.Revoke | m.CredentialLost)
                assert after.account_id == before.account_id
            case Stale() as before, (PendingQr() | PendingCode() | PendingBot() | PendingPassword()) as after:
                assert after.login.fallback == before
            case before, after:
                assert not isinstance(before, Authorized | Stale), f"{before} led to {after}"


@thorough
@given(walks)
def test_a_login_in_place_keeps_its_fallback_to_its_end(steps: list[Step]) -> None:
    for step in steps:
        match step.before, step.after:
            case (
                (PendingQr() | PendingCode() | PendingBot() | PendingPassword()) as before,
                (PendingQr() | PendingCode() | PendingBot() | PendingPassword()) as after,
            ):
                assert after.login.fallback == before.login.fallback
            case (PendingQr() | PendingCode() | PendingBot() | PendingPassword()) as before, (
                Stale() | Revoked()
            ) as after:
                assert without_history(after) == without_history(before.login.fallback)
                assert after.reason is before.login.fallback.reason


@thorough
@given(walks)
def test_the_last_login_is_remembered_until_the_next(steps: list[Step]) -> None:
    for step in steps:
        if not isinstance(step.before, Pending) and not isinstance(step.after, Pending):
            assert step.after.last_login == step.before.last_login


@thorough
@given(walks)
def test_only_a_login_that_was_let_in_or_taken_over_names_another_account(steps: list[Step]) -> None:
    for step in steps:
        if not isinstance(step.message, m.SignedIn | m.ImportLogin):
            assert account_of(step.after) == account_of(step.before)


@thorough
@given(walks)
def test_every_login_learns_how_it_ended(steps: list[Step]) -> None:
    for step in steps:
        login_id = login_of(step.before)
        if isinstance(step.before, Pending) and not isinstance(step.after, Pending):
            assert login_id is not None
            assert isinstance(step_for(step.after, login_id), Complete | Failed)


@thorough
@given(walks)
def test_somebody_can_always_do_something_about_a_session_that_does_not_run(steps: list[Step]) -> None:
    for step in steps:
        action = user_action(step.after)
        if is_stopped(step.after):
            assert action is UserAction.NONE
        elif isinstance(step.after, Stale | Revoked):
            assert action in {UserAction.WAIT, UserAction.RELOGIN, UserAction.CONTACT_ADMIN}
        if action is UserAction.WAIT and isinstance(step.after, Stale):
            assert step.after.deadline is not None


@thorough
@given(walks)
def test_a_record_brings_back_what_matters(steps: list[Step]) -> None:
    for step in steps:
        state = step.after
        read = from_record(to_record(state))

        assert read.name is state.name
        assert read.reason is state.reason
        assert account_of(read) == account_of(state)
        assert login_of(read) == login_of(state)
        assert to_record(read) == to_record(state)


@thorough
@given(walks)
def test_a_record_is_json_and_holds_no_secret(steps: list[Step]) -> None:
    for step in steps:
        record = to_record(step.after)
        text = json.dumps(record.details)

        assert json.loads(text) == record.details
        assert MARKER not in f"{text}{record!r}"


@thorough
@given(walks)
def test_nothing_on_the_way_shows_a_secret_when_printed(steps: list[Step]) -> None:
    assert MARKER not in f"{steps!r}{steps}"

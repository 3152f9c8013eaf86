"""Records: what is written down of a state, and what is read back."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.core.record import Record, from_record, to_record
from actors.core.states import (
    Absent,
    Authorized,
    PastLogin,
    PendingCode,
    PendingPassword,
    PendingQr,
    Reason,
    Revoked,
    SessionState,
    Stale,
    State,
    Substate,
    account_of,
    login_of,
)
from tests.core.examples import ANNA, BOT_TOKEN, CODE, EVERY_STATE, LOGIN, NOW, PASSWORD, PHONE, STALE, token

LAST = PastLogin("login-0", Reason.CANCELLED)


def written_and_read(state: State) -> State:
    """The state as it comes back through JSON, as any store keeps it."""
    record = to_record(state)
    return from_record(replace(record, details=json.loads(json.dumps(record.details))))


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_every_state_can_be_read_back(state: State) -> None:
    read = written_and_read(state)

    assert (read.name, read.reason) == (state.name, state.reason)
    assert account_of(read) == account_of(state)
    assert login_of(read) == login_of(state)


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_a_record_does_not_change_by_being_read_and_written_again(state: State) -> None:
    assert to_record(written_and_read(state)) == to_record(state)


@pytest.mark.parametrize("state", EVERY_STATE, ids=repr)
def test_no_record_holds_a_secret(state: State) -> None:
    record = to_record(state)

    text = f"{record!r}{json.dumps(record.details)}"
    for secret in (PHONE, CODE, PASSWORD, BOT_TOKEN, token().url):
        assert secret.reveal() not in text


@pytest.mark.parametrize(
    "state",
    [
        Absent(LAST),
        Authorized(ANNA, last_login=LAST),
        Authorized(ANNA, Substate.FLOOD_WAIT, NOW + 60),
        Stale(ANNA, Reason.UNREACHABLE, NOW + 60, last_login=LAST),
        Revoked(ANNA, Reason.REQUESTED, last_login=LAST),
        PendingQr(replace(LOGIN, fallback=STALE, expected_account_id=ANNA)),
        PendingQr(LOGIN, reason=Reason.FLOOD_WAIT),
        PendingPassword(LOGIN, "a colour", attempts_left=2, reason=Reason.UNREACHABLE),
    ],
    ids=repr,
)
def test_nothing_that_a_restart_needs_is_lost(state: State) -> None:
    assert written_and_read(state) == state


def test_what_describes_a_connection_is_not_written_down() -> None:
    troubled = Authorized(ANNA, Substate.RECONNECTING, NOW + 4, troubled_since=NOW, attempts=3)

    assert written_and_read(troubled) == Authorized(ANNA)
    assert written_and_read(PendingQr(LOGIN, token(), NOW + 30, issued=7)) == PendingQr(LOGIN)


def test_a_number_and_what_was_typed_is_forgotten() -> None:
    read = written_and_read(PendingCode(LOGIN, PHONE, "sms", rejected=2))

    assert isinstance(read, PendingCode)
    assert (read.phone.reveal(), read.delivery, read.rejected) == ("", "sms", 0)


@pytest.mark.parametrize(
    "record",
    [
        Record(SessionState.AUTHORIZED),
        Record(SessionState.STALE, Reason.UNREACHABLE),
        Record(SessionState.REVOKED, Reason.REQUESTED),
        Record(SessionState.PENDING_QR),
        Record(SessionState.PENDING_CODE, details={"login_id": "login-1", "expires_at": NOW}),
        Record(SessionState.PENDING_PASSWORD, details=to_record(PendingQr(LOGIN)).details),
        Record(SessionState.ABSENT, details={"last_login": {}}),
        Record(SessionState.ABSENT, details={"last_login": None}),
        Record(SessionState.ABSENT, details={"last_login": {"login_id": "login-0", "ended": "boredom"}}),
        Record(
            SessionState.PENDING_QR,
            details={
                **to_record(PendingQr(LOGIN)).details,
                "fallback": {"state": "AUTHORIZED", "account_id": ANNA, "details": {}},
            },
        ),
    ],
    ids=repr,
)
def test_a_row_that_nobody_wrote_is_refused(record: Record) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - what it says depends on what is wrong
        from_record(record)


json_values = st.sampled_from(
    [None, True, 7, 2.5, "", "STALE", "AUTHORIZED", [], ["login_id"], {}, {"details": 1}]
)


def damaged(value: Any, where: list[int], by: Any) -> Any:
    """The same JSON with one value, found by going down by these numbers, exchanged or (by ...) taken out."""
    if not where or not isinstance(value, dict) or not value:
        return by
    name = sorted(value)[where[0] % len(value)]
    inner = damaged(value[name], where[1:], by)
    rest = {key: kept for key, kept in value.items() if key != name}
    return rest if inner is ... else {**rest, name: inner}


@settings(max_examples=400, deadline=None)
@given(
    st.sampled_from(EVERY_STATE),
    st.lists(st.integers(0, 9), min_size=1, max_size=4),
    json_values | st.just(...),
    st.sampled_from(SessionState),
)
def test_no_damaged_row_does_worse_than_being_refused(
    state: State, where: list[int], by: Any, name: SessionState
) -> None:
    record = to_record(state)
    for damage in (
        replace(record, details=damaged(record.details, where, by)),
        replace(record, state=name),
        replace(record, account_id=None),
    ):
        try:
            read = from_record(damage)
        except ValueError:
            continue
        assert read.name is damage.state

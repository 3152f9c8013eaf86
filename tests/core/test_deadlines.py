"""Time in the rules: a deadline that has come leads to something, and never to a tight loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings

from actors.core import effects as e
from actors.core import messages as m
from actors.core.decide import decide
from actors.core.states import Pending, PendingQr, QrToken, Reason, State
from actors.core.transitions import Refused
from tests.core.examples import ANNA, BERT, END, EVERY_STATE, LOGIN, NOW, signed_in, token
from tests.core.walks import MARKER, Step, walks

thorough = settings(max_examples=300, deadline=None)

Answers = Callable[[float], tuple[m.Signal, ...]]


def troubles(now: float) -> tuple[m.Signal, ...]:
    return m.Unreachable(now), m.Unreachable(now, Reason.APP_REFUSED), m.FloodWaited(now + 1)


def outcomes(now: float) -> tuple[m.Signal, ...]:
    lost = m.CredentialLost(Reason.SESSION_REVOKED)
    return m.CredentialUnusable(Reason.CREDENTIAL_MISSING), lost, m.AccountFrozen(now), *troubles(now)


def fetched(now: float) -> tuple[m.Signal, ...]:
    tokens = (token(), QrToken(token(2).url, now + 30), QrToken(token(3).url, now))
    let_in = (signed_in(ANNA), signed_in(BERT), m.PasswordNeeded(now, None))
    return *(m.TokenIssued(now, each) for each in tokens), *let_in, m.LoginFailed(Reason.LOGIN_REFUSED)


# What the port may answer to an effect that a passed deadline asks for.
ANSWERS: dict[type[Any], Answers] = {
    e.ExportToken: lambda now: (*fetched(now), *troubles(now)),
    e.SendCode: lambda now: (m.CodeSent("app"), m.LoginFailed(Reason.PHONE_NUMBER_INVALID), *troubles(now)),
    e.ImportBot: lambda now: (
        signed_in(ANNA),
        signed_in(BERT),
        m.LoginFailed(Reason.BOT_TOKEN_INVALID),
        *troubles(now),
    ),
    e.Connect: lambda now: (m.Online(ANNA, now), m.Online(BERT, now), *outcomes(now)),
}


def end_of_login(state: State) -> float | None:
    return state.login.expires_at if isinstance(state, Pending) else None


def effects_of(step: Step) -> tuple[e.Effect, ...]:
    return () if step.decision is None else step.decision.effects


def has_fallen_back(state: State, rest: State) -> bool:
    """A login that ends may find the session it falls back to overdue: it is that session's turn then."""
    return isinstance(state, Pending) and not isinstance(rest, Pending)


def ways(state: State, first: m.Message, now: float) -> Iterator[State]:
    """Every state that the actor may come to rest in, whatever the port answers."""
    todo: deque[tuple[State, m.Message]] = deque([(state, first)])
    while todo:
        before, message = todo.popleft()
        try:
            decision = decide(before, message)
        except Refused:
            yield before  # an answer that means nothing here is ignored
            continue
        asked = [effect for effect in decision.effects if type(effect) in ANSWERS]
        if not asked:
            yield decision.state
        for effect in asked:
            todo.extend((decision.state, answer) for answer in ANSWERS[type(effect)](now))


@pytest.mark.parametrize("state", [state for state in EVERY_STATE if state.deadline is not None], ids=repr)
def test_time_goes_on_whatever_is_answered_to_a_passed_deadline(state: State) -> None:
    assert state.deadline is not None
    now = max(state.deadline, NOW)

    for rest in ways(state, m.TimePassed(now), now):
        assert rest.deadline is None or rest.deadline > now or has_fallen_back(state, rest)


@thorough
@given(walks)
def test_time_goes_on_from_wherever_a_walk_leads(steps: list[Step]) -> None:
    now, state = steps[-1].now, steps[-1].after
    if state.deadline is not None:
        now = max(state.deadline, now)
        for rest in ways(state, m.TimePassed(now), now):
            assert rest.deadline is None or rest.deadline > now or has_fallen_back(state, rest)


@thorough
@given(walks)
def test_a_message_that_asks_for_nothing_sets_no_deadline_in_the_past(steps: list[Step]) -> None:
    for step in steps:
        deadline = step.after.deadline
        is_overdue = step.before.deadline is not None and step.before.deadline < step.now
        if deadline is not None and not is_overdue and not effects_of(step):
            assert deadline >= step.now or deadline == end_of_login(step.after)


def test_the_same_token_again_and_again_makes_strictly_advancing_deadlines() -> None:
    state: State = PendingQr(LOGIN, token(), issued=1)
    deadlines = []
    while isinstance(state, PendingQr):
        now = state.deadline
        deadlines.append(now)
        decision = decide(state, m.TimePassed(now))
        state = decision.state
        if decision.effects == (e.ExportToken(),):
            state = decide(state, m.TokenIssued(now, token())).state

    assert deadlines[:3] == [NOW + 27, NOW + 30.5, NOW + 31.5]
    assert all(later - earlier >= 1.0 for earlier, later in pairwise(deadlines[:-1]))
    assert deadlines[-1] == END
    assert state.reason is Reason.TICKET_EXPIRED


def test_tokens_that_are_dead_on_arrival_are_fetched_once_a_second() -> None:
    state: State = PendingQr(LOGIN)
    fetches = 0
    now = NOW
    while isinstance(state, PendingQr):
        decision = decide(state, m.TimePassed(now))
        state = decision.state
        if decision.effects == (e.ExportToken(),):
            fetches += 1
            state = decide(state, m.TokenIssued(now, QrToken(token(fetches).url, now - 60))).state
        now = max(now, state.deadline or now)

    assert fetches == END - NOW


def test_the_marker_of_the_walks_is_no_part_of_any_name() -> None:
    assert MARKER not in repr(EVERY_STATE)

"""What each state does with each lawful message: the rules of `login` and `life`, held to the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from actors.core import messages as m
from actors.core.decision import Decision
from actors.core.life import authorized, revoked, stale
from actors.core.login import absent, pending_bot, pending_code, pending_password, pending_qr
from actors.core.states import (
    Absent,
    Authorized,
    PendingBot,
    PendingCode,
    PendingPassword,
    PendingQr,
    Revoked,
    Stale,
    State,
)
from actors.core.transitions import TRANSITIONS, Refused


def decide(state: State, message: m.Message) -> Decision:
    """Answer a message with a Decision. Raises Refused, and so changes nothing, when it is out of turn."""
    lawful = TRANSITIONS[type(state)].get(type(message))
    if lawful is None:
        raise Refused(state, message)
    decision = RULES[type(state)](state, message)
    if type(decision.state) not in lawful:
        raise AssertionError(f"{state.name} + {type(message).__name__} led to {decision.state.name}")
    return decision


RULES: Mapping[type[State], Callable[[Any, m.Message], Decision]] = {
    Absent: absent,
    PendingQr: pending_qr,
    PendingCode: pending_code,
    PendingBot: pending_bot,
    PendingPassword: pending_password,
    Authorized: authorized,
    Stale: stale,
    Revoked: revoked,
}

"""Random lives of a session: lawful messages, one after the other, in a time that only goes on.

Hypothesis draws a length and a string of bytes, each of which is one choice. That is fast, and what it shows in
the end is a short walk of first choices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any, TypeVar

from hypothesis import strategies as st

from actors.core import messages as m
from actors.core.decide import decide
from actors.core.decision import Decision
from actors.core.secret import Secret
from actors.core.states import Absent, QrToken, Reason, State
from actors.core.transitions import TRANSITIONS, Refused
from tests.core.examples import ANNA, BERT, NOW, credential, signed_in

MARKER = "leaked!"
"""What no record, repr or log may ever show: every secret of a walk begins with it."""

LONGEST = 60
"""Steps of a walk."""

SPANS = (1.0, 0.0, 0.25, 2.0, 27.0, 30.0, 60.0, 179.0, 600.0, 4000.0)
TOKEN_LIVES = (30.0, 10.0, 3.5, 2.0, 0.5, -10.0)
ACCOUNTS = (ANNA, BERT)
LOGIN_IDS = ("login-1", "login-2")
SECRETS = tuple(Secret(f"{MARKER}{number}") for number in range(3))
UNUSABLE = (Reason.CREDENTIAL_MISSING, Reason.CREDENTIAL_TAMPERED, Reason.CREDENTIAL_SEALED)
ENDS = (Reason.SESSION_REVOKED, Reason.AUTH_KEY_UNREGISTERED, Reason.AUTH_KEY_DUPLICATED)

Option = TypeVar("Option")


class Choices:
    """Turns a string of bytes into choices; after its end they are always the first option."""

    def __init__(self, choices: bytes) -> None:
        self._left: Iterator[int] = chain(choices, repeat(0))

    def of(self, options: Sequence[Option]) -> Option:
        """One of these."""
        return options[next(self._left) % len(options)]

    def later(self, now: float) -> float:
        """A moment from now on."""
        return now + self.of(SPANS)

    def token(self, now: float) -> QrToken:
        """A token as Telegram might give it, also one that died on its way."""
        return QrToken(self.of(SECRETS), now + self.of(TOKEN_LIVES))


MAKE: dict[type[Any], Callable[[Choices, float], m.Message]] = {
    m.StartQr: lambda any_, now: m.StartQr(any_.of(LOGIN_IDS), any_.later(now), any_.of((None, *ACCOUNTS))),
    m.StartCode: lambda any_, now: m.StartCode(
        any_.of(LOGIN_IDS), any_.later(now), any_.of(SECRETS), any_.of((None, *ACCOUNTS))
    ),
    m.StartBot: lambda any_, now: m.StartBot(
        any_.of(LOGIN_IDS), any_.later(now), any_.of(SECRETS), any_.of((None, *ACCOUNTS))
    ),
    m.ImportLogin: lambda any_, _: m.ImportLogin(credential(any_.of(ACCOUNTS)), any_.of((True, False))),
    m.SubmitCode: lambda any_, _: m.SubmitCode(any_.of(LOGIN_IDS), any_.of(SECRETS)),
    m.ResendCode: lambda any_, _: m.ResendCode(any_.of(LOGIN_IDS)),
    m.SubmitPassword: lambda any_, _: m.SubmitPassword(any_.of(LOGIN_IDS), any_.of(SECRETS)),
    m.CancelLogin: lambda any_, _: m.CancelLogin(any_.of(LOGIN_IDS)),
    m.Validate: lambda _, __: m.Validate(),
    m.StartSession: lambda _, __: m.StartSession(),
    m.StopSession: lambda _, __: m.StopSession(),
    m.Revoke: lambda _, __: m.Revoke(),
    m.Woken: lambda _, now: m.Woken(now),
    m.TimePassed: lambda _, now: m.TimePassed(now),
    m.TokenIssued: lambda any_, now: m.TokenIssued(now, any_.token(now)),
    m.TokenAccepted: lambda _, __: m.TokenAccepted(),
    m.CodeSent: lambda any_, now: m.CodeSent(
        any_.of(("app", "sms")), 5, any_.of((None, "call")), any_.of((None, any_.later(now)))
    ),
    m.CodeRejected: lambda _, __: m.CodeRejected(),
    m.PasswordNeeded: lambda any_, now: m.PasswordNeeded(now, any_.of((None, "a colour"))),
    m.PasswordRejected: lambda _, __: m.PasswordRejected(),
    m.SignedIn: lambda any_, _: signed_in(any_.of(ACCOUNTS)),
    m.LoginFailed: lambda any_, _: m.LoginFailed(any_.of(list(Reason))),
    m.Online: lambda any_, now: m.Online(any_.of(ACCOUNTS), now),
    m.ConnectionLost: lambda _, now: m.ConnectionLost(now),
    m.Unreachable: lambda any_, now: m.Unreachable(now, any_.of((Reason.UNREACHABLE, Reason.UNKNOWN_ERROR))),
    m.FloodWaited: lambda any_, now: m.FloodWaited(any_.later(now)),
    m.AccountFrozen: lambda _, now: m.AccountFrozen(now),
    m.Idle: lambda _, now: m.Idle(now),
    m.CredentialUnusable: lambda any_, _: m.CredentialUnusable(any_.of(UNUSABLE)),
    m.CredentialLost: lambda any_, _: m.CredentialLost(any_.of(ENDS)),
    m.LoggedOut: lambda _, __: m.LoggedOut(),
}
"""For every message, how one is made at a moment."""


@dataclass(frozen=True, slots=True)
class Step:
    """One message of a walk. `decision` is None if it was Refused."""

    now: float
    before: State
    message: m.Message
    decision: Decision | None

    @property
    def after(self) -> State:
        """The state it led to."""
        return self.before if self.decision is None else self.decision.state


def walk(length: int, choices: bytes) -> list[Step]:
    """The walk from ABSENT that these choices make. Whatever `decide` raises but Refused comes out of it."""
    any_ = Choices(choices)
    steps = [_step(any_, NOW, Absent())]
    for _ in range(length):
        now = _next_moment(any_, steps[-1])
        steps.append(_step(any_, now, steps[-1].after))
    return steps


def _next_moment(any_: Choices, last: Step) -> float:
    """Some time later, often exactly when the state's deadline comes."""
    deadline = last.after.deadline
    span = any_.of((None, *SPANS))
    if span is None:
        return last.now if deadline is None else max(last.now, deadline)
    return last.now + span


def _step(any_: Choices, now: float, state: State) -> Step:
    message = MAKE[any_.of(list(TRANSITIONS[type(state)]))](any_, now)
    try:
        return Step(now, state, message, decide(state, message))
    except Refused:
        return Step(now, state, message, None)


walks = st.builds(walk, st.integers(0, LONGEST), st.binary(min_size=3 * LONGEST, max_size=3 * LONGEST))

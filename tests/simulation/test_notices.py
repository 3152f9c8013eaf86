"""The simulation can fail: whoever breaks a rule of the program on purpose is found out within a few seeds."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from actors.actor import Actor
from actors.core import decide as rules
from actors.core import messages as m
from actors.core.decision import Decision
from actors.core.states import Authorized, Reason, State
from tests.simulation.run import RuleBroken, simulate

SEEDS = 10
"""How many seeds a breach may stay unseen."""

Break = Callable[[pytest.MonkeyPatch], None]


def first_seen(breach: Break, monkeypatch: pytest.MonkeyPatch) -> tuple[int, str]:
    """The first seed that notices, and what it says."""
    breach(monkeypatch)
    for seed in range(SEEDS):
        try:
            simulate(seed, sessions=20, hours=2.0)
        except RuleBroken as broken:
            return seed, str(broken)
    pytest.fail(f"nobody noticed in {SEEDS} seeds")


def answer_without_saving(monkeypatch: pytest.MonkeyPatch) -> None:
    async def save(*_: object) -> None:
        pass

    monkeypatch.setattr(Actor, "_save", save)


def take_a_bad_network_for_a_lost_login(monkeypatch: pytest.MonkeyPatch) -> None:
    def decide(state: State, message: m.Message) -> Decision:
        if isinstance(state, Authorized) and isinstance(message, m.Unreachable):
            message = m.CredentialLost(Reason.SESSION_REVOKED)
        return rules.decide(state, message)

    monkeypatch.setattr("actors.actor.decide", decide)


def forget_the_mailbox_at_a_restart(monkeypatch: pytest.MonkeyPatch) -> None:
    live = Actor.live

    async def forgetful(actor: Actor) -> None:
        actor._mailbox._commands.clear()
        await live(actor)

    monkeypatch.setattr(Actor, "live", forgetful)


def leave_the_old_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    left: list[AbstractAsyncContextManager[Any]] = []
    live = Actor.live

    class NeverLeft:
        def __init__(self, line: AbstractAsyncContextManager[Any]) -> None:
            self._line = line

        async def __aenter__(self) -> object:
            left.append(self._line)
            return await self._line.__aenter__()

        async def __aexit__(self, *_: object) -> None:
            pass

    async def careless(actor: Actor) -> None:
        opens: Any = actor._open_telegram
        monkeypatch.setattr(actor, "_open_telegram", lambda *of_whom: NeverLeft(opens(*of_whom)))
        await live(actor)

    monkeypatch.setattr(Actor, "live", careless)


def take_in_everybody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.mailbox.Mailbox._make_room", lambda _: None)


def write_no_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Actor, "_transition", lambda *_: None)


def stop_when_it_suits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("supervisor.sessions.DRAIN", 90.0)


@pytest.mark.parametrize(
    ("breach", "sentence"),
    [
        (answer_without_saving, "only what is saved is told"),
        (take_a_bad_network_for_a_lost_login, "a credential is only lost by a definitive error"),
        (forget_the_mailbox_at_a_restart, "no ask is forgotten"),
        (leave_the_old_connection_open, "a session has one line at a time"),
        (take_in_everybody, "a mailbox keeps to its bound"),
        (write_no_journal, "no change without a line in the journal"),
        (stop_when_it_suits, "a process stops within 15.0 s"),
    ],
    ids=lambda breach: getattr(breach, "__name__", ""),
)
def test_the_simulation_notices(breach: Break, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _, said = first_seen(breach, monkeypatch)

    assert re.match(re.escape(sentence), said)

"""Twins of the ports that need neither network nor servers, and take trio's virtual time."""

from __future__ import annotations

from collections.abc import Callable

from actors.clock import Clock
from actors.ports import Answers, Debts, OpenTelegram, Store, Tickets, Vault
from tests.fakes.stores import FakeAnswers, FakeStore, FakeTickets, FakeVault
from tests.fakes.telegram import FakeAccount, FakeSession, FakeTelegram, Stall

__all__ = [
    "FakeAccount",
    "FakeAnswers",
    "FakeSession",
    "FakeStore",
    "FakeTelegram",
    "FakeTickets",
    "FakeVault",
    "Stall",
]

# For mypy: each keeps to its port.
_STORE: Callable[[], Store] = FakeStore
_ANSWERS: Callable[[], Answers] = FakeAnswers
_TICKETS: Callable[[], Tickets] = FakeTickets
_VAULT: Callable[[], Vault] = FakeVault
_DEBTS: Callable[[], Debts] = FakeVault
_OPEN_TELEGRAM: Callable[[Clock, FakeVault], OpenTelegram] = FakeTelegram

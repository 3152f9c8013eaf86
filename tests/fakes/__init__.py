"""Twins of the ports that need neither network nor servers, and take trio's virtual time."""

from __future__ import annotations

from collections.abc import Callable

from actors.arbiter import Arbiter
from actors.clock import Clock
from actors.guards import ApiKeys, Limits
from actors.ports import Answers, Apps, Farewells, Journal, OpenTelegram, Store, Tickets, Vault
from actors.post import Doorbell, Post
from actors.webhooks import Outbox, Webhooks
from tests.fakes.apps import SERVICE, FakeApps
from tests.fakes.arbiter import FakeArbiter
from tests.fakes.guards import FakeApiKeys, FakeLimits
from tests.fakes.post import FakeDoorbell, FakePost
from tests.fakes.stores import FakeAnswers, FakeJournal, FakeStore, FakeTickets
from tests.fakes.telegram import FakeAccount, FakeSession, FakeTelegram, Stall
from tests.fakes.vault import FakeVault
from tests.fakes.webhooks import FakeOutbox, FakeWebhooks

__all__ = [
    "SERVICE",
    "FakeAccount",
    "FakeAnswers",
    "FakeApiKeys",
    "FakeApps",
    "FakeArbiter",
    "FakeDoorbell",
    "FakeJournal",
    "FakeLimits",
    "FakeOutbox",
    "FakePost",
    "FakeSession",
    "FakeStore",
    "FakeTelegram",
    "FakeTickets",
    "FakeVault",
    "FakeWebhooks",
    "Stall",
]

# For mypy: each keeps to its port.
_ARBITER: Callable[[], Arbiter] = FakeArbiter
_POST: Callable[[FakeArbiter], Post] = FakePost
_DOORBELL: Callable[[], Doorbell] = FakeDoorbell
_STORE: Callable[[], Store] = FakeStore
_API_KEYS: Callable[[], ApiKeys] = FakeApiKeys
_LIMITS: Callable[[], Limits] = FakeLimits
_ANSWERS: Callable[[], Answers] = FakeAnswers
_APPS: Callable[[], Apps] = FakeApps
_JOURNAL: Callable[[FakeStore], Journal] = FakeJournal
_TICKETS: Callable[[], Tickets] = FakeTickets
_OPEN_TELEGRAM: Callable[[Clock, FakeVault], OpenTelegram] = FakeTelegram

_OUTBOX: Callable[[], Outbox] = FakeOutbox
_WEBHOOKS: Callable[[], Webhooks] = FakeWebhooks


def _vault() -> Vault:
    return FakeStore().vault


def _farewells() -> Farewells:
    return FakeStore().vault

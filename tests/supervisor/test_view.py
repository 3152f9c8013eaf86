"""The live tree: what an operator reads of children, sessions, breakers and the brake."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from trio.testing import wait_all_tasks_blocked

from actors.core.names import SessionKey
from actors.ports import Shared
from supervisor.breaker import Circuit
from supervisor.events import (
    CircuitChanged,
    Event,
    NodeBraked,
    NodeReleased,
    Sampled,
    Scope,
    SessionParked,
    SessionUnparked,
)
from supervisor.gate import ConnectGate, new_breakers
from supervisor.metrics import Metrics
from supervisor.pace import Pace
from supervisor.policy import RestartPolicy
from supervisor.sessions import Sessions
from supervisor.tree import Child, standing
from supervisor.view import View
from tests.fakes import Stall
from tests.supervisor.service import KEY, PATIENCE, Service

OTHER = SessionKey("tenant-b", "app")


class Boom(Exception):
    pass


class Node:
    """A process of two children, with a view of it."""

    def __init__(self) -> None:
        self.service = Service()
        self.sessions: Sessions = self.service.sessions()
        breakers = new_breakers(self.service.told.append)
        gate = ConnectGate(Pace(50, burst=50), breakers, self.service.clock)
        children = [Child("stores", self._stores), Child("sessions", self.sessions.open)]
        self.children = children
        policy = RestartPolicy(jitter=0.0)
        self.breakers = breakers
        self.view = View(children, self.sessions, gate, breakers.dcs, policy, self.service.clock)

    @asynccontextmanager
    async def _stores(self) -> AsyncIterator[None]:
        await trio.sleep(7)
        yield

    async def log_in(self, key: SessionKey) -> None:
        await self.sessions.ask(key, self.service.start_qr(), PATIENCE)
        self.service.telegram[key].accept()
        await wait_all_tasks_blocked()

    def tree(self) -> Any:
        """The tree as it comes out of JSON."""
        return json.loads(json.dumps(self.view.tree()))

    def session(self, key: SessionKey) -> Any:
        """What the tree says of this session."""
        (seen,) = (
            session
            for session in self.tree()["children"][1]["children"]
            if (session["tenant"], session["app"]) == (key.tenant_id, key.app_id)
        )
        return seen


async def test_children_are_shown_in_order_with_how_long_they_are_up() -> None:
    node = Node()
    assert [child["stage"] for child in node.tree()["children"]] == ["waiting", "waiting"]
    async with standing(node.children):
        await trio.sleep(5)

        assert node.tree()["children"] == [
            {"name": "stores", "stage": "up", "up": 5.0},
            {"name": "sessions", "stage": "up", "up": 5.0, "children": []},
        ]
    assert [(c["stage"], c["up"]) for c in node.tree()["children"]] == [("stopped", None), ("stopped", None)]


async def test_a_session_that_is_well() -> None:
    node = Node()
    async with standing(node.children):
        await node.log_in(KEY)
        await node.sessions.ask(OTHER, node.service.start_qr("login-2"), PATIENCE)
        await trio.sleep(2)

        seen = node.session(KEY)
        due = seen.pop("next_retry")
        assert due is None or due > 0
        assert seen == {
            "tenant": "tenant",
            "app": "app",
            "state": "AUTHORIZED",
            "substate": "online",
            "reason": None,
            "phase": "running",
            "uptime": 2.0,
            "restarts": 0,
            "last_error": None,
            "mailbox_depth": 0,
            "breaker": "closed",
        }
        assert node.session(OTHER)["state"] == "PENDING_QR"
        assert node.session(OTHER)["substate"] is None
        assert node.tree()["totals"] == {"AUTHORIZED": 1, "PENDING_QR": 1}


async def test_a_session_that_crashes_until_it_rests_and_is_tried_again() -> None:
    node = Node()
    async with standing(node.children):
        await node.log_in(KEY)
        node.service.telegram[KEY].answer(*[Boom()] * 6, to="connect")
        node.service.telegram[KEY].drop_connection()
        await wait_all_tasks_blocked()
        seen = node.session(KEY)
        assert (seen["phase"], seen["uptime"], seen["restarts"]) == ("backing_off", None, 1)
        assert (seen["last_error"], seen["next_retry"], seen["breaker"]) == ("Boom", 2.0, "closed")

        await trio.sleep(2 + 4 + 8 + 16 + 32 + 1)
        seen = node.session(KEY)
        assert (seen["phase"], seen["restarts"], seen["breaker"]) == ("parked", 6, "open")
        assert seen["next_retry"] == 299.0

        await trio.sleep(300)
        seen = node.session(KEY)
        assert (seen["phase"], seen["substate"], seen["breaker"]) == ("running", "online", "half_open")
        await trio.sleep(600)
        assert node.session(KEY)["breaker"] == "closed"


async def test_breakers_and_the_brake_are_shown() -> None:
    node = Node()
    with node.breakers.dcs[Scope.DC4].attempt("somebody") as attempt:
        attempt.refused()
    for number in range(5):
        node.sessions.brake.note_crash(SessionKey("tenant", f"app-{number}"))
    await trio.sleep(10)

    tree = node.tree()
    assert tree["breakers"]["dc4"] == {"state": "open", "retry_after": 20.0}
    assert tree["breakers"]["dc2"] == {"state": "closed", "retry_after": 0.0}
    assert tree["breakers"]["proxy"] == {"state": "closed", "each": []}
    assert tree["brake"] == {"on": True, "ends_in": 50.0}
    assert tree["connects_waiting"] == 0


async def test_apps_and_proxies_in_trouble_are_shown_with_whose_they_are_and_nothing_more() -> None:
    node = Node()
    with node.breakers.apps.attempt(Shared("acme", ("acme", 12345, "canary-hash")), KEY) as attempt:
        attempt.refused()
    with node.breakers.proxies.attempt(Shared("other", "socks5://canary-proxy"), KEY) as attempt:
        attempt.refused()
    await trio.sleep(10)

    tree = node.tree()
    assert tree["breakers"]["api_id"] == {
        "state": "open",
        "each": [{"of": "acme", "state": "open", "retry_after": 20.0}],
    }
    assert tree["breakers"]["proxy"]["each"] == [{"of": "other", "state": "open", "retry_after": 20.0}]
    assert "canary" not in json.dumps(tree)
    assert "12345" not in json.dumps(tree)


async def test_commands_that_wait_are_counted() -> None:
    node = Node()
    node.service.telegram[KEY].answer(Stall(), to="export_token")
    async with standing(node.children), trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(node.sessions.ask, KEY, node.service.start_qr(), PATIENCE)
        await wait_all_tasks_blocked()

        assert node.session(KEY)["mailbox_depth"] == node.sessions.fullest_mailbox == 3
        nursery.cancel_scope.cancel()


# -- the same as metrics


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def observed(*events: Event) -> Metrics:
    metrics = Metrics(sandbox=True)
    for event in events:
        metrics.observe(event)
    return metrics


def test_every_circuit_is_shown_from_the_start() -> None:
    metrics = observed()
    assert {scope: value(metrics, "circuit_state", scope=scope) for scope in Scope} == dict.fromkeys(Scope, 0)


def test_circuits_are_shown_as_they_change() -> None:
    opened = CircuitChanged(Scope.DC3, Circuit.OPEN)
    tried = CircuitChanged(Scope.DC3, Circuit.HALF_OPEN)
    assert value(observed(opened), "circuit_state", scope="dc3") == 2
    assert value(observed(opened, tried), "circuit_state", scope="dc3") == 1


def test_of_many_apps_the_worst_and_how_many_are_not_closed_are_shown() -> None:
    half = CircuitChanged(Scope.API_ID, Circuit.HALF_OPEN, "acme", 2, Circuit.OPEN)
    some = observed(half)
    assert (value(some, "circuit_state", scope="api_id"), value(some, "circuits_open", scope="api_id")) == (
        2,
        2,
    )
    some.observe(CircuitChanged(Scope.API_ID, Circuit.CLOSED, "acme", 0, Circuit.CLOSED))
    assert (value(some, "circuit_state", scope="api_id"), value(some, "circuits_open", scope="api_id")) == (
        0,
        0,
    )
    assert value(some, "circuits_open", scope="proxy") == 0


def test_the_sessions_circuit_is_open_while_any_session_rests() -> None:
    parked, unparked = SessionParked(KEY, Boom(), 300), SessionUnparked(KEY)
    other_parked = SessionParked(OTHER, Boom(), 300)
    some = observed(parked, other_parked, unparked)
    none = observed(parked, other_parked, unparked, SessionUnparked(OTHER))

    assert (value(some, "circuit_state", scope="session"), value(some, "session_parked")) == (2, 1)
    assert (value(none, "circuit_state", scope="session"), value(none, "session_parked")) == (0, 0)


def test_the_brake_and_the_samples_are_shown() -> None:
    metrics = observed(NodeBraked(6, 20), Sampled(mailbox_depth=7, connects_waiting=31))

    assert value(metrics, "node_brake") == 1
    assert value(metrics, "mailbox_depth") == 7
    assert value(metrics, "connects_waiting") == 31
    metrics.observe(NodeReleased())
    assert value(metrics, "node_brake") == 0


def test_no_new_metric_names_a_tenant() -> None:
    metrics = observed(
        SessionParked(KEY, Boom(), 300),
        CircuitChanged(Scope.DC3, Circuit.OPEN),
        CircuitChanged(Scope.PROXY, Circuit.OPEN, KEY.tenant_id, 1, Circuit.OPEN),
    )
    labels = {
        (name, label)
        for metric in metrics.registry.collect()
        for sample in metric.samples
        for name, label in sample.labels.items()
    }
    assert not {label for _, label in labels} & {KEY.tenant_id, KEY.app_id, str(KEY)}

"""The live tree as one JSON value: what stands, since when, and how each session is. For operators only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import trio

from actors.clock import Clock
from actors.core.names import SessionKey
from actors.core.states import Authorized, State
from supervisor.breaker import Breaker, Circuit
from supervisor.circuits import Circuits
from supervisor.events import Scope
from supervisor.gate import ConnectGate
from supervisor.keep_alive import Health, Phase
from supervisor.policy import RestartPolicy
from supervisor.sessions import Session, Sessions
from supervisor.tree import Child


@dataclass(frozen=True, slots=True)
class View:
    """What is looked at."""

    children: Sequence[Child]
    sessions: Sessions
    gate: ConnectGate
    breakers: Mapping[Scope, Breaker]
    policy: RestartPolicy
    clock: Clock
    node: Callable[[], Mapping[str, Any]] = dict
    """This node as its watch tells of it."""

    def tree(self) -> dict[str, Any]:
        """Children in the order of their start, the sessions under theirs, totals, breakers, and the nodes."""
        running = self.sessions.running
        return {
            "children": [self._child(child) for child in self.children],
            "totals": dict(Counter(session.published.snapshot.state.name for session in running.values())),
            "breakers": self._breakers(),
            "brake": {"on": self.sessions.brake.is_on, "ends_in": round(self.sessions.brake.left, 1)},
            "connects_waiting": self.gate.waiting,
            "node": self.node(),
        }

    def _breakers(self) -> dict[str, Any]:
        shared = self.gate.breakers
        return {
            **{scope: _breaker(breaker) for scope, breaker in self.breakers.items()},
            Scope.API_ID: _circuits(shared.apps),
            Scope.PROXY: _circuits(shared.proxies),
        }

    def _child(self, child: Child) -> dict[str, Any]:
        seen: dict[str, Any] = {"name": child.name, "stage": child.stage, "up": _ago(child.up_since)}
        if child.name == "sessions":
            running = sorted(self.sessions.running.items())
            seen["children"] = [self._session(key, session) for key, session in running]
        return seen

    def _session(self, key: SessionKey, session: Session) -> dict[str, Any]:
        state, health = session.published.snapshot.state, session.health
        recent = self.policy.recent(health.crashes, trio.current_time())
        return {
            "tenant": key.tenant_id,
            "app": key.app_id,
            "state": state.name,
            "substate": state.substate if isinstance(state, Authorized) else None,
            "reason": state.reason,
            "phase": health.phase,
            "uptime": _ago(health.phase_since) if health.phase is Phase.RUNNING else None,
            "restarts": len(recent),
            "last_error": health.last_error,
            "next_retry": self._next_retry(state, health),
            "mailbox_depth": len(session.mailbox),
            "breaker": self._own_breaker(health, len(recent)),
        }

    def _next_retry(self, state: State, health: Health) -> float | None:
        """Seconds until the session is started again, or until its state has something due."""
        due = health.next_start
        if due is None and state.deadline is not None:
            due = self.clock.to_trio(state.deadline)
        return None if due is None else round(max(0.0, due - trio.current_time()), 1)

    def _own_breaker(self, health: Health, crashes: int) -> str:
        """A parked session's is open; the start that is tried after the rest is its probe."""
        if health.phase is Phase.PARKED:
            return _name(Circuit.OPEN)
        return _name(Circuit.HALF_OPEN if crashes > self.policy.limit else Circuit.CLOSED)


def _breaker(breaker: Breaker) -> dict[str, Any]:
    return {"state": _name(breaker.circuit), "retry_after": round(breaker.retry_after, 1)}


def _circuits(circuits: Circuits) -> dict[str, Any]:
    """Whose are in trouble, and how the worst is."""
    each = [{"of": of, **_breaker(breaker)} for of, breaker in circuits.in_trouble()]
    return {"state": _name(circuits.worst), "each": each}


def _name(circuit: Circuit) -> str:
    return circuit.name.lower()


def _ago(moment: float | None) -> float | None:
    return None if moment is None else round(trio.current_time() - moment, 1)

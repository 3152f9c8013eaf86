"""From events to Prometheus metrics: the only place that counts, with labels from closed sets only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, start_http_server

from actors import events as a
from actors.core.states import SessionState
from api import events as h
from supervisor import events as s


class Metrics:
    """The process's metrics. `observe` is given every event."""

    def __init__(self, *, sandbox: bool) -> None:
        self.registry = registry = CollectorRegistry()
        self._info = Gauge(
            "session_manager_info",
            "Constant 1; the label says what it talks to.",
            ["environment"],
            registry=registry,
        )
        self._info.labels("sandbox" if sandbox else "production").set(1)
        self._transitions = Counter(
            "session_state_transitions_total",
            "State changes that were saved.",
            ["from_state", "to_state", "reason"],
            registry=registry,
        )
        self._states = Gauge(
            "session_states_gauge", "Sessions that this process runs, by state.", ["state"], registry=registry
        )
        for state in SessionState:
            self._states.labels(state).set(0)
        self._qr_starts = Counter(
            "qr_auth_start_total", "Requests for a QR login.", ["outcome"], registry=registry
        )
        self._passwords = Counter(
            "login_password_total", "2FA passwords that people sent.", ["outcome"], registry=registry
        )
        self._requests = Counter(
            "http_requests_total",
            "Answered requests.",
            ["method", "route", "status", "code"],
            registry=registry,
        )
        self._rotations = Counter(
            "qr_token_rotations_total", "QR codes replaced before they expired.", registry=registry
        )
        self._crashes = Counter(
            "session_restarts_total",
            "Lives of actors that ended with an error.",
            ["error"],
            registry=registry,
        )
        self._parked = Gauge(
            "session_parked", "Sessions that rest after too many crashes.", registry=registry
        )
        self._ignored = Counter(
            "session_signals_ignored_total",
            "Signals that came too late.",
            ["state", "signal"],
            registry=registry,
        )
        self._orphans = Counter(
            "bridge_orphans_total", "Asyncio failures that nobody awaited.", registry=registry
        )
        self._denied = Counter(
            "rls_denied_total", "Statements of ours that row level security refused.", registry=registry
        )

    def observe(self, event: s.Event) -> None:
        """Count it."""
        match event:
            case a.Loaded(state=state):
                self._states.labels(state).inc()
            case a.Left(state=state):
                self._states.labels(state).dec()
            case a.Transitioned():
                self._moved(event)
            case a.TokenRotated():
                self._rotations.inc()
            case a.SignalIgnored(state=state, signal=signal):
                self._ignored.labels(state, signal).inc()
            case s.LifeCrashed(error=error):
                self._crashes.labels(type(error).__name__).inc()
            case s.SessionParked(error=error):
                self._crashes.labels(type(error).__name__).inc()
                self._parked.inc()
            case s.SessionUnparked():
                self._parked.dec()
            case s.Orphaned():
                self._orphans.inc()
            case s.RowDenied():
                self._denied.inc()
            case h.QrStarted(outcome=outcome):
                self._qr_starts.labels(outcome).inc()
            case h.PasswordTried(outcome=outcome):
                self._passwords.labels(outcome).inc()
            case h.RequestAnswered():
                status = str(event.status)
                self._requests.labels(event.method, event.route, status, event.code or "none").inc()

    def _moved(self, event: a.Transitioned) -> None:
        self._transitions.labels(event.before, event.after, event.reason or "none").inc()
        self._states.labels(event.before).dec()
        self._states.labels(event.after).inc()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve /metrics on its own port from a thread; yields the port."""
        server, thread = start_http_server(port, host, registry=self.registry)
        try:
            yield server.server_port
        finally:
            await trio.to_thread.run_sync(server.shutdown)
            server.server_close()
            await trio.to_thread.run_sync(thread.join)

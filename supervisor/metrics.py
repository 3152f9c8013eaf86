"""From events to Prometheus metrics: the only place that counts, with labels from closed sets only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from actors import events as a
from actors.core.import_plan import Outcome
from actors.core.names import SessionKey
from actors.core.states import Reason, SessionState
from supervisor import events as s
from supervisor.breaker import Circuit
from supervisor.counting import counter
from supervisor.http_metrics import HttpMetrics
from supervisor.owner.metrics import OwnershipMetrics
from supervisor.settings import SettingsError

ENDS = (
    Reason.REQUESTED,
    Reason.SESSION_REVOKED,
    Reason.AUTH_KEY_UNREGISTERED,
    Reason.AUTH_KEY_DUPLICATED,
    Reason.ACCOUNT_DELETED,
    Reason.ACCOUNT_BANNED,
)
"""How logins are lost: what alerts watch is there from the start."""

QUARANTINED, UNWRITTEN = FILE_TROUBLES = ("quarantined", "unwritten")


def conversions(registry: CollectorRegistry) -> Counter:
    """The counter of sessions taken over from files, also for imports that are no process to be scraped."""
    return counter(
        "session_conversion_total",
        "Files of sessions that other programs had made, by what became of them.",
        "outcome",
        Outcome,
        registry,
    )


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
        for reason in ENDS:
            self._transitions.labels(SessionState.AUTHORIZED, SessionState.REVOKED, reason)
        self._states = Gauge(
            "session_states_gauge", "Sessions that this process runs, by state.", ["state"], registry=registry
        )
        for state in SessionState:
            self._states.labels(state).set(0)
        self._rotations = Counter(
            "qr_token_rotations_total", "QR codes replaced before they expired.", registry=registry
        )
        self._crashes = Counter(
            "session_restarts_total",
            "Lives of actors that ended with an error.",
            ["error"],
            registry=registry,
        )
        self._node_requests = Counter(
            "node_requests_total",
            "Requests to the nodes that own sessions, by what came instead of an answer.",
            ["kind", "error"],
            registry=registry,
        )
        self._node_seconds = Histogram(
            "node_request_duration_seconds",
            "How long requests to the nodes that own sessions took.",
            ["kind"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
            registry=registry,
        )
        self._node_crashes = Counter(
            "node_requests_crashed_total",
            "Requests of other nodes that ended with an error which nobody expected.",
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
        self._file_trouble = counter(
            "session_file_trouble_total",
            "Session files that were put in quarantine, or could not be written.",
            "trouble",
            FILE_TROUBLES,
            registry,
        )
        self._locks = Counter(
            "session_lock_acquired_total",
            "Session files that were locked for the time of a session's use.",
            registry=registry,
        )
        self._locks_refused = Counter(
            "session_lock_failed_total",
            "Connects put off because another program has the session's file open.",
            registry=registry,
        )
        self._fingerprints = Histogram(
            "fingerprint_computation_duration_seconds",
            "How long it took to take the fingerprint of a session's file.",
            buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0),
            registry=registry,
        )
        self._drifts = Counter(
            "fingerprint_drift_total",
            "Session files that hold the right auth key and are not as they were written.",
            registry=registry,
        )
        self._unopened = Counter(
            "credential_unopened_total", "Sealed credentials that could not be opened.", registry=registry
        )
        self._farewells = counter(
            "farewells_total",
            "Tries to log out keys that nobody uses any more.",
            "outcome",
            s.FarewellOutcome,
            registry,
        )
        self._conversions = conversions(registry)
        self._orphans = Counter(
            "bridge_orphans_total", "Asyncio failures that nobody awaited.", registry=registry
        )
        self._denied = Counter(
            "rls_denied_total", "Statements of ours that row level security refused.", registry=registry
        )
        self._circuits = Gauge(
            "circuit_state",
            "Breakers: 0 closed, 1 half-open, 2 open; of those of sessions, apps and proxies, the worst.",
            ["scope"],
            registry=registry,
        )
        for scope in s.Scope:
            self._circuits.labels(scope).set(Circuit.CLOSED)
        self._circuits_open = Gauge(
            "circuits_open", "Breakers of apps and proxies that are not closed.", ["scope"], registry=registry
        )
        for scope in (s.Scope.API_ID, s.Scope.PROXY):
            self._circuits_open.labels(scope).set(0)
        self._resting: set[SessionKey] = set()
        self._brake = Gauge(
            "node_brake", "1 while restarts wait because many sessions crashed at once.", registry=registry
        )
        self._mailbox_depth = Gauge(
            "mailbox_depth", "Commands that wait in the fullest mailbox.", registry=registry
        )
        self._connects_waiting = Gauge(
            "connects_waiting", "Connects to Telegram that wait for their turn.", registry=registry
        )
        self._backups = counter(
            "session_backup_total",
            "Sessions' backups, by what became of them.",
            "outcome",
            s.BackupOutcome,
            registry,
        )
        self._ownership = OwnershipMetrics(registry)
        self._http = HttpMetrics(registry)
        self._webhook_deliveries = counter(
            "webhook_deliveries_total",
            "Tries to deliver webhooks; dead are those that were given up.",
            "outcome",
            s.WebhookOutcome,
            registry,
        )
        self._webhooks_given_up = Counter(
            "webhooks_given_up_total", "Webhooks that are told nothing more.", registry=registry
        )
        self._backups_ran = Gauge(
            "session_backup_last_run_timestamp_seconds",
            "When the last run of this process ended in which every session was backed up or unchanged.",
            registry=registry,
        )

    def observe(self, event: s.Event) -> None:
        """Count it."""
        if isinstance(event, a.ActorEvent):
            self._observe_actor(event)
        elif isinstance(event, s.OwnershipEvent):
            self._ownership.observe(event)
        elif isinstance(event, s.SupervisorEvent):
            self._observe_supervisor(event)
        else:
            self._http.observe(event)

    def _observe_actor(self, event: a.ActorEvent) -> None:
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
            case a.FileQuarantined():
                self._file_trouble.labels(QUARANTINED).inc()
            case a.FileUnwritten():
                self._file_trouble.labels(UNWRITTEN).inc()
            case a.CredentialUnopened():
                self._unopened.inc()
            case a.FileLocked():
                self._locks.inc()
            case a.FileLockRefused():
                self._locks_refused.inc()
            case a.FingerprintComputed(seconds=seconds):
                self._fingerprints.observe(seconds)
            case a.FingerprintDrifted():
                self._drifts.inc()

    def _observe_supervisor(self, event: s.SupervisorEvent) -> None:
        match event:
            case s.LifeCrashed(error=error) | s.LifeHeld(error=error):
                self._crashes.labels(type(error).__name__).inc()
            case s.SessionParked(key=key, error=error):
                self._crashes.labels(type(error).__name__).inc()
                self._resting.add(key)
                self._count_resting()
            case s.SessionUnparked(key=key):
                self._resting.discard(key)
                self._count_resting()
            case s.NodeAsked(kind=kind, seconds=seconds, error=error):
                self._node_requests.labels(kind, error or "none").inc()
                self._node_seconds.labels(kind).observe(seconds)
            case s.RequestCrashed():
                self._node_crashes.inc()
            case s.NodeBraked():
                self._brake.set(1)
            case s.NodeReleased():
                self._brake.set(0)
            case s.CircuitChanged(scope=scope, circuit=circuit, worst=worst):
                self._circuits.labels(scope).set(circuit if worst is None else worst)
                if event.open is not None:
                    self._circuits_open.labels(scope).set(event.open)
            case s.Sampled():
                self._mailbox_depth.set(event.mailbox_depth)
                self._connects_waiting.set(event.connects_waiting)
            case s.Farewell(outcome=outcome):
                self._farewells.labels(outcome).inc()
            case s.SessionConverted(outcome=outcome):
                self._conversions.labels(outcome).inc()
            case s.Orphaned():
                self._orphans.inc()
            case s.RowDenied():
                self._denied.inc()
            case s.WebhookTried(outcome=tried):
                self._webhook_deliveries.labels(tried).inc()
            case s.WebhookGivenUp():
                self._webhooks_given_up.inc()
            case s.SessionBackup() | s.BackupsRan() | s.BackupsFailed():
                self._observe_backups(event)

    def _observe_backups(self, event: s.SessionBackup | s.BackupsRan | s.BackupsFailed) -> None:
        match event:
            case s.SessionBackup(outcome=outcome):
                self._backups.labels(outcome).inc()
            case s.BackupsRan(at=at, failed=0):
                self._backups_ran.set(at)
            case s.BackupsRan():
                pass
            case s.BackupsFailed():
                self._backups.labels(s.BackupOutcome.RUN_FAILED).inc()

    def _count_resting(self) -> None:
        self._parked.set(len(self._resting))
        self._circuits.labels(s.Scope.SESSION).set(Circuit.OPEN if self._resting else Circuit.CLOSED)

    def _moved(self, event: a.Transitioned) -> None:
        self._transitions.labels(event.before, event.after, event.reason or "none").inc()
        self._states.labels(event.before).dec()
        self._states.labels(event.after).inc()
        if event.reason is Reason.AUTH_KEY_DUPLICATED:
            self._ownership.duplicated.inc()

    @asynccontextmanager
    async def serve(self, host: str, port: int) -> AsyncIterator[int]:
        """Serve /metrics on its own port from a thread; yields the port. Raises SettingsError if it is taken."""
        try:
            server, thread = start_http_server(port, host, registry=self.registry)
        except OSError as error:
            raise SettingsError(
                f"METRICS_PORT: {host}:{port} cannot be used ({error.strerror}); set METRICS_PORT or METRICS_HOST"
            ) from error
        try:
            yield server.server_port
        finally:
            await trio.to_thread.run_sync(server.shutdown)
            server.server_close()
            await trio.to_thread.run_sync(thread.join)

"""What an operator reads of a session's life, and that the rest is left to the metrics."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from structlog.testing import capture_logs

from actors import events as a
from actors.core.import_plan import Outcome
from actors.core.states import Reason, SessionState
from api.events import ApiEvent, QrStart, QrStarted
from supervisor import events as s
from supervisor.breaker import Circuit
from supervisor.logs import note
from supervisor.metrics import Metrics
from tests.supervisor.service import KEY

BOOM = LookupError("boom")
FULL = OSError(28, "No space left on device")

NOTED: dict[s.Event, dict[str, Any]] = {
    a.Transitioned(KEY, SessionState.AUTHORIZED, SessionState.STALE, Reason.UNREACHABLE, "Unreachable"): {
        "event": "session changed",
        "log_level": "info",
        "session": "tenant/app",
        "before": "AUTHORIZED",
        "after": "STALE",
        "reason": "unreachable",
        "because": "Unreachable",
    },
    a.FileQuarantined(KEY, "app.session.quarantined-1"): {
        "event": "session file put in quarantine",
        "log_level": "error",
        "session": "tenant/app",
        "file": "app.session.quarantined-1",
    },
    a.FileUnwritten(KEY, FULL): {
        "event": "session file cannot be written",
        "log_level": "error",
        "session": "tenant/app",
        "exc_info": FULL,
    },
    a.FileLockRefused(KEY): {
        "event": "session file is open in another program, close it there",
        "log_level": "warning",
        "session": "tenant/app",
    },
    a.FingerprintDrifted(KEY): {
        "event": "session file is not as it was written",
        "log_level": "warning",
        "session": "tenant/app",
    },
    a.CredentialUnopened(KEY, "sealed with another key"): {
        "event": "credential cannot be opened",
        "log_level": "error",
        "session": "tenant/app",
        "why": "sealed with another key",
    },
    s.LifeCrashed(KEY, BOOM, 2.0567): {
        "event": "session crashed",
        "log_level": "warning",
        "session": "tenant/app",
        "restart_in": 2.1,
        "exc_info": BOOM,
    },
    s.SessionParked(KEY, BOOM, 300.4): {
        "event": "session parked",
        "log_level": "error",
        "session": "tenant/app",
        "rest": 300,
        "exc_info": BOOM,
    },
    s.LifeHeld(KEY, BOOM): {
        "event": "session crashed while restarts are held",
        "log_level": "warning",
        "session": "tenant/app",
        "exc_info": BOOM,
    },
    s.Farewell(KEY, s.FarewellOutcome.LOGGED_OUT): {
        "event": "logout of an unused key",
        "log_level": "info",
        "session": "tenant/app",
        "outcome": "logged_out",
        "exc_info": None,
    },
    s.Farewell(KEY, s.FarewellOutcome.FAILED, BOOM): {
        "event": "logout of an unused key",
        "log_level": "error",
        "session": "tenant/app",
        "outcome": "failed",
        "exc_info": BOOM,
    },
    s.RequestCrashed(KEY, BOOM): {
        "event": "a request of another node crashed",
        "log_level": "error",
        "session": "tenant/app",
        "exc_info": BOOM,
    },
    s.NodeBraked(7, 20): {
        "event": "many sessions crashed at once, restarts are held",
        "log_level": "error",
        "crashed": 7,
        "running": 20,
    },
    s.NodeReleased(): {"event": "a minute without a crash, restarts go on", "log_level": "warning"},
    s.CircuitChanged(s.Scope.DC2, Circuit.HALF_OPEN): {
        "event": "circuit changed",
        "log_level": "warning",
        "scope": "dc2",
        "circuit": "half_open",
    },
    s.SessionConverted("acme/crm.session", Outcome.COLLISION, "acme/crm is STALE with another auth key"): {
        "event": "session file not taken over",
        "log_level": "warning",
        "file": "acme/crm.session",
        "outcome": "collision",
        "why": "acme/crm is STALE with another auth key",
    },
    s.CircuitChanged(s.Scope.PROXY, Circuit.OPEN, "acme", 1, Circuit.OPEN): {
        "event": "circuit changed",
        "log_level": "warning",
        "scope": "proxy",
        "circuit": "open",
        "of": "acme",
    },
    s.Orphaned("task was destroyed", BOOM): {
        "event": "nobody awaited an asyncio failure",
        "log_level": "warning",
        "failure": "task was destroyed",
        "error": "LookupError",
    },
    s.SessionBackup(KEY, s.BackupOutcome.DISK_FULL, BOOM): {
        "event": "backup failed",
        "log_level": "error",
        "session": "tenant/app",
        "outcome": "disk_full",
        "why": "boom",
    },
    s.BackupsRan(1_800_000_000.0, 12.34, 3, 4, 1, 2): {
        "event": "backups ran",
        "log_level": "info",
        "made": 3,
        "unchanged": 4,
        "failed": 1,
        "removed": 2,
        "seconds": 12.3,
    },
    s.BackupsFailed(BOOM, 900.4): {
        "event": "backups failed",
        "log_level": "error",
        "retry_in": 900,
        "why": "boom",
        "exc_info": BOOM,
    },
    s.WebhookTried("acme", "w1", s.WebhookOutcome.FAILED, BOOM): {
        "event": "webhook not sent",
        "log_level": "error",
        "tenant": "acme",
        "webhook": "w1",
        "exc_info": BOOM,
    },
    s.WebhookGivenUp("acme", "w1", "refused"): {
        "event": "webhook given up",
        "log_level": "warning",
        "tenant": "acme",
        "webhook": "w1",
        "trouble": "refused",
    },
    s.RowDenied(): {"event": "row level security refused a statement", "log_level": "error"},
    s.RenewalEnded(s.RenewalOutcome.UNANSWERED): {
        "event": "this node was not renewed",
        "log_level": "warning",
        "outcome": "unanswered",
    },
    s.NodeFenced("deadline"): {
        "event": "this node is not to be trusted, its connections are aborted",
        "log_level": "error",
        "cause": "deadline",
    },
    s.OwnershipIncident(300.0): {
        "event": "auth keys are in use twice: nobody connects, see ops/docs/ownership.md",
        "log_level": "critical",
        "hold": 300.0,
    },
    s.NodeLost("node-2", s.NodeEnd.SILENT, 7): {
        "event": "another node is gone",
        "log_level": "warning",
        "node": "node-2",
        "how": "silent",
        "sessions": 7,
    },
}
COUNTED: list[s.Event] = [
    s.SessionConverted("acme/crm.session", Outcome.PRESENT, "it is there already"),
    a.Loaded(KEY, SessionState.ABSENT),
    a.TokenRotated(KEY),
    a.SignalIgnored(KEY, SessionState.ABSENT, "TokenAccepted"),
    a.Left(KEY, SessionState.ABSENT),
    a.FileLocked(KEY),
    a.FingerprintComputed(KEY, 0.001),
    s.SessionUnparked(KEY),
    s.NodeAsked(s.WishKind.ASK, 0.01),
    s.Sampled(3, 0),
    s.SessionBackup(KEY, s.BackupOutcome.UNCHANGED),
    s.RenewalEnded(s.RenewalOutcome.CONFIRMED),
    s.NodesSeen(3, 100),
    s.SessionTaken(KEY, "clean"),
    s.SessionReleased(KEY, is_clean=True),
    s.WebhookTried("acme", "w1", s.WebhookOutcome.DELIVERED),
    QrStarted(QrStart.SHOWN),
]


@pytest.mark.parametrize(("event", "line"), NOTED.items(), ids=lambda value: type(value).__name__)
def test_what_an_operator_wants_to_know_is_a_line(event: s.Event, line: dict[str, Any]) -> None:
    with capture_logs() as lines:
        note(event)

    assert lines == [line]


def test_what_becomes_of_session_files_is_counted() -> None:
    metrics = Metrics(sandbox=True)
    value = metrics.registry.get_sample_value

    assert value("session_lock_acquired_total") == value("session_lock_failed_total") == 0
    for event in (a.FileLocked(KEY), a.FileLocked(KEY), a.FileLockRefused(KEY), a.FingerprintDrifted(KEY)):
        metrics.observe(event)
    metrics.observe(a.FingerprintComputed(KEY, 0.002))

    assert value("session_lock_acquired_total") == 2
    assert value("session_lock_failed_total") == 1
    assert value("fingerprint_drift_total") == 1
    assert value("fingerprint_computation_duration_seconds_count") == 1
    assert value("fingerprint_computation_duration_seconds_sum") == 0.002


def test_webhooks_are_counted_by_how_it_went_and_by_nobodys_name() -> None:
    metrics = Metrics(sandbox=True)
    metrics.observe(s.WebhookTried("acme", "w1", s.WebhookOutcome.TOO_SLOW))
    metrics.observe(s.WebhookGivenUp("acme", "w1", "refused"))

    value = metrics.registry.get_sample_value
    assert value("webhook_deliveries_total", {"outcome": "too_slow"}) == 1
    assert value("webhook_deliveries_total", {"outcome": "delivered"}) == 0
    assert value("webhooks_given_up_total") == 1


@pytest.mark.parametrize("event", COUNTED, ids=lambda event: type(event).__name__)
def test_what_happens_all_the_time_is_only_counted(event: s.Event) -> None:
    with capture_logs() as lines:
        note(event)

    assert lines == []


def test_it_was_thought_about_every_event() -> None:
    ours = {*get_args(a.ActorEvent), *get_args(s.SupervisorEvent), *get_args(s.OwnershipEvent)}

    assert {type(event) for event in [*NOTED, *COUNTED]} - set(get_args(ApiEvent)) == ours

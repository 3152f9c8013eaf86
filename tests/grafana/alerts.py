"""For each alert what makes it fire, and what does not yet: series as promtool writes them, a sample a minute."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Series = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Case:
    """`fires` and `rests` are two worlds; the alert is looked at after so many minutes."""

    fires: Series
    rests: Series
    minutes: int = 20


def _counter(series: str, *, steps: int = 1) -> Case:
    """A counter of which each step counts, so many of them."""
    return Case({series: f"0x5 {steps}x20"}, {series: "3x25"}, minutes=10)


STALE = 'session_states_gauge{state="STALE"}'
AUTHORIZED = 'session_states_gauge{state="AUTHORIZED"}'
STARTS = 'qr_auth_start_total{outcome="%s"}'
LAST_RUN = "session_backup_last_run_timestamp_seconds"
BUCKET = 'http_request_duration_seconds_bucket{method="GET",route="/api/v1/sessions",le="%s"}'

CASES: Mapping[str, Case] = {
    "SessionKeyDuplicated": _counter("session_key_duplicated_total"),
    "OwnershipIncident": _counter("ownership_incidents_total"),
    "SessionsLoggedOut": Case(
        {'session_state_transitions_total{to_state="REVOKED",reason="session_revoked"}': "0x5 7x20"},
        {
            'session_state_transitions_total{to_state="REVOKED",reason="requested"}': "0x5 90x20",
            'session_state_transitions_total{to_state="REVOKED",reason="account_banned"}': "0x5 4x20",
        },
    ),
    "SessionsStale": Case({STALE: "20x30", AUTHORIZED: "100x30"}, {STALE: "2x30", AUTHORIZED: "3x30"}),
    "QrStartsFail": Case(
        {STARTS % "shown": "0+1x30", STARTS % "unanswered": "0+1x30"},
        {STARTS % "shown": "0+9x30", STARTS % "unanswered": "0+1x30"},
    ),
    "SessionManagerDown": Case({"up": "0x30"}, {'session_manager_info{environment="production"}': "1x30"}),
    "NodeFenced": Case(
        {'node_fenced_total{cause="lag"}': "0x5 1x20"}, {'node_fenced_total{cause="stopped"}': "0x5 1x20"}, 10
    ),
    "NodesLost": Case(
        {'nodes_lost_total{how="silent"}': "0x5 1x20"}, {'nodes_lost_total{how="seen_dead"}': "0x5 1x20"}, 10
    ),
    "RestartsBraked": Case({"node_brake": "1x30"}, {"node_brake": "0x18 1x30"}),
    "SessionsParked": Case({"session_parked": "1x30"}, {"session_parked": "0x15 1x30"}),
    "CircuitOpen": Case(
        {'circuit_state{scope="dc2"}': "2x30"},
        {'circuit_state{scope="session"}': "2x30", 'circuit_state{scope="store"}': "1x30"},
    ),
    "MailboxFull": Case({"mailbox_depth": "60x30"}, {"mailbox_depth": "40x30"}),
    "ConnectsWait": Case({"connects_waiting": "300x30"}, {"connects_waiting": "300x10 0x20"}),
    "InternalErrors": _counter(
        'http_requests_total{code="internal_error",method="GET",route="/readyz",status="500"}'
    ),
    "AnswersAreSlow": Case(
        {BUCKET % "1.0": "0+1x30", BUCKET % "5.0": "0+100x30", BUCKET % "+Inf": "0+100x30"},
        {BUCKET % "1.0": "0+100x30", BUCKET % "5.0": "0+100x30", BUCKET % "+Inf": "0+100x30"},
    ),
    "CredentialUnopened": _counter("credential_unopened_total"),
    "SessionFileTrouble": _counter('session_file_trouble_total{trouble="quarantined"}'),
    "BackupsFail": _counter('session_backup_total{outcome="disk_full"}'),
    "BackupsOverdue": Case({LAST_RUN: "1x3000"}, {LAST_RUN: "0x3000"}, minutes=2900),
    "RowLevelSecurityDenied": _counter("rls_denied_total"),
    "CallbacksForged": Case(
        {'miniapp_webhook_total{outcome="signature_invalid"}': "0+10x30"},
        {'miniapp_webhook_total{outcome="accepted"}': "0+90x30"},
    ),
    "PasswordsGuessed": Case(
        {'limits_reached_total{limit="password"}': "0+1x30"},
        {'limits_reached_total{limit="qr_start"}': "0+9x30"},
    ),
    "WebhooksGivenUp": _counter("webhooks_given_up_total"),
}

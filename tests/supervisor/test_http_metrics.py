"""What is counted of the HTTP side, and that a first event is an increase."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, generate_latest

from api import events as h
from supervisor.http_metrics import HttpMetrics
from supervisor.metrics import Metrics


def test_counters_with_closed_labels_begin_at_nought() -> None:
    """Prometheus would not see the first forged callback otherwise."""
    text = generate_latest(Metrics(sandbox=False).registry).decode()

    for line in (
        'miniapp_webhook_total{outcome="signature_invalid"}',
        'qr_auth_callback_total{outcome="account_differs"}',
        'qr_auth_start_total{outcome="refused"}',
        'login_password_total{outcome="rejected"}',
        'limits_reached_total{limit="password"}',
        'node_fenced_total{cause="denied"}',
        'nodes_lost_total{how="silent"}',
        'session_file_trouble_total{trouble="quarantined"}',
        'session_backup_total{outcome="run_failed"}',
        'farewells_total{outcome="failed"}',
    ):
        assert f"{line} 0.0" in text.splitlines()


def test_a_request_is_counted_with_its_code_and_timed_by_its_route() -> None:
    registry = CollectorRegistry()
    HttpMetrics(registry).observe(h.RequestAnswered("GET", "/readyz", 503, "not_ready", 0.2))

    text = generate_latest(registry).decode()

    assert 'http_requests_total{code="not_ready",method="GET",route="/readyz",status="503"} 1.0' in text
    assert 'http_request_duration_seconds_bucket{le="0.1",method="GET",route="/readyz"} 0.0' in text
    assert 'http_request_duration_seconds_bucket{le="0.5",method="GET",route="/readyz"} 1.0' in text

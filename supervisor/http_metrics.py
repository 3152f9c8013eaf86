"""What is counted of the HTTP side."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

from api import events as h
from supervisor.counting import counter

SECONDS = (0.005, 0.025, 0.1, 0.5, 1.0, 5.0, 30.0)


class HttpMetrics:
    """`observe` is given every event of the HTTP side."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._qr_starts = counter(
            "qr_auth_start_total", "Requests for a QR login.", "outcome", h.QrStart, registry
        )
        self._passwords = counter(
            "login_password_total", "2FA passwords that people sent.", "outcome", h.PasswordTry, registry
        )
        self._webhooks = counter(
            "miniapp_webhook_total",
            "Signed callbacks, by whether they were let in.",
            "outcome",
            h.Webhook,
            registry,
        )
        self._callbacks = counter(
            "qr_auth_callback_total",
            "Signed callbacks that were let in, by what we know ourselves.",
            "outcome",
            h.Callback,
            registry,
        )
        self._limits = counter(
            "limits_reached_total", "Refusals because of too many tries.", "limit", h.Limited, registry
        )
        self._requests = Counter(
            "http_requests_total",
            "Answered requests.",
            ["method", "route", "status", "code"],
            registry=registry,
        )
        self._seconds = Histogram(
            "http_request_duration_seconds",
            "How long answers took, the waiting of long polls included.",
            ["method", "route"],
            buckets=SECONDS,
            registry=registry,
        )

    def observe(self, event: h.ApiEvent) -> None:
        """Count it."""
        match event:
            case h.QrStarted(outcome=outcome):
                self._qr_starts.labels(outcome).inc()
            case h.PasswordTried(outcome=outcome):
                self._passwords.labels(outcome).inc()
            case h.WebhookCame(outcome=outcome):
                self._webhooks.labels(outcome).inc()
            case h.CallbackCompared(outcome=outcome):
                self._callbacks.labels(outcome).inc()
            case h.LimitHit(limit=limit):
                self._limits.labels(limit).inc()
            case h.RequestAnswered(method=method, route=route):
                status = str(event.status)
                self._requests.labels(method, route, status, event.code or "none").inc()
                self._seconds.labels(method, route).observe(event.seconds)

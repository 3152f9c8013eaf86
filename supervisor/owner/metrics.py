"""What is counted of nodes, and of who owns sessions."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from supervisor import events as s
from supervisor.counting import counter
from supervisor.ownership.node import Cause


class OwnershipMetrics:
    """`observe` is given every event of ownership; `duplicated` is counted by whoever sees sessions end."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._renewals = counter(
            "node_renewals_total", "Renewals of this node's life.", "outcome", s.RenewalOutcome, registry
        )
        self._fences = counter(
            "node_fenced_total",
            "Times that this node aborted all its connections, because it could not be trusted.",
            "cause",
            (cause.name.lower() for cause in Cause),
            registry,
        )
        self._nodes = Gauge("nodes_seen", "Living nodes, this one included.", registry=registry)
        self._owned = Gauge("sessions_owned", "Sessions that are this node's.", registry=registry)
        self._nodes_lost = counter(
            "nodes_lost_total", "Lives of other nodes that were ended from here.", "how", s.NodeEnd, registry
        )
        self._taken = Counter(
            "sessions_taken_total",
            "Sessions that became this node's, by what was known of those who had them before.",
            ["past"],
            registry=registry,
        )
        self._incidents = Counter(
            "ownership_incidents_total",
            "Times that keys were found in use twice, so that nobody was to connect for a while.",
            registry=registry,
        )
        self.duplicated = Counter(
            "session_key_duplicated_total",
            "Sessions whose auth key Telegram destroyed, because it was in use twice.",
            registry=registry,
        )
        self._released = Counter(
            "sessions_released_total",
            "Sessions that this node gave away, by whether the next one may connect at once.",
            ["clean"],
            registry=registry,
        )

    def observe(self, event: s.OwnershipEvent) -> None:
        """Count it."""
        match event:
            case s.RenewalEnded(outcome=outcome):
                self._renewals.labels(outcome).inc()
            case s.NodeFenced(cause=cause):
                self._fences.labels(cause).inc()
            case s.NodesSeen():
                self._nodes.set(event.nodes)
                self._owned.set(event.owned)
            case s.NodeLost(how=how):
                self._nodes_lost.labels(how).inc()
            case s.SessionTaken(past=past):
                self._taken.labels(past).inc()
            case s.SessionReleased():
                self._released.labels(str(event.is_clean).lower()).inc()
            case s.OwnershipIncident():
                self._incidents.inc()

"""Counters with one label of a closed set."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter


def counter(name: str, about: str, label: str, values: Iterable[str], registry: CollectorRegistry) -> Counter:
    """A counter that has every value of its label from the start: what appears as 1 is no increase to Prometheus."""
    made = Counter(name, about, [label], registry=registry)
    for value in values:
        made.labels(value)
    return made

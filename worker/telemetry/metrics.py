"""Figures for Prometheus. They are read from the rows at each visit, so that any process may be
asked and a restart forgets nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the work at one moment. Ages are in seconds."""

    due_walks: int
    due_messages: int
    oldest_due_age: float
    """How long the walk or message that is due the longest has waited; 0 when none is due."""
    messages_by_state: Mapping[str, int]
    beats: Mapping[str, datetime]
    """When each recurring duty (``beat``, ``sweep``) was last done."""
    open_alarms: int


# What the ledger's final words on a mail count as; states that are not final are not counted.
_OUTCOMES = ("accepted", "failed", "unknown", "blocked", "skipped", "suppressed", "cancelled")


def make_registry(read: Callable[[], Figures | None]) -> CollectorRegistry:
    """A registry that calls ``read`` at each visit; ``None`` means that the database is down."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Reader(read))
    return registry


def exposition(registry: CollectorRegistry) -> bytes:
    """All figures as Prometheus reads them (``CONTENT_TYPE``)."""
    return generate_latest(registry)


class _Reader(Collector):
    def __init__(self, read: Callable[[], Figures | None]) -> None:
        self._read = read

    def describe(self) -> Iterable[Metric]:
        return []  # nothing is read before the first visit

    def collect(self) -> Iterable[Metric]:
        found = self._read()
        yield _gauge("database_up", "Whether the database answers.", float(found is not None))
        if found is not None:
            yield from _metrics(found)


def _metrics(found: Figures) -> Iterable[Metric]:
    yield _gauge("due_walks", "Walks that are due and not yet looked at (capped).", found.due_walks)
    yield _gauge(
        "due_messages", "Mails that are due and not yet sent (capped).", found.due_messages
    )
    yield _gauge(
        "oldest_due_age_seconds", "How long the oldest due row has waited.", found.oldest_due_age
    )
    yield _gauge("open_alarms", "Alarms that wait for a person.", found.open_alarms)
    states = GaugeMetricFamily("perennial_messages", "Mails by state.", labels=["state"])
    sends = CounterMetricFamily("perennial_sends", "Mails that came to an end.", labels=["outcome"])
    for state, count in sorted(found.messages_by_state.items()):
        states.add_metric([state], count)
        if state in _OUTCOMES:
            sends.add_metric([state], count)
    yield states
    yield sends
    beats = GaugeMetricFamily(
        "perennial_last_success_timestamp_seconds",
        "When a recurring duty was last done.",
        labels=["duty"],
    )
    for name, at in sorted(found.beats.items()):
        beats.add_metric([name], at.timestamp())
    yield beats


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perennial_{name}", text, value=value)

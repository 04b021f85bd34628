"""Figures for Prometheus. They are read from the rows at each visit, so that any process may be
asked and a restart forgets nothing.

What is open is counted as it stands, what came to an end over the last day: a visit costs what is
open and what a day brings, however long the ledger is. So none of them is a counter: they are
looked at as they are, without ``rate()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeHistogramMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OVERDUE = timedelta(minutes=5)
"""A mail that has been due for longer than this is overdue: several beats have passed it by."""

WINDOW = timedelta(days=1)
"""Over how long what came to an end is counted."""

LATENESS = (60, 300, 900, 3600, 14_400, 86_400)
"""Upper ends of the buckets of lateness, in seconds; above them there is one without an end."""


@dataclass(frozen=True, slots=True)
class Lateness:
    """How long mails accepted over the last day took: the moment each was accepted minus the one
    it was decided at. ``buckets`` counts those up to each end of ``LATENESS``, then all."""

    buckets: tuple[int, ...]
    seconds: float
    """The sum over all of them."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The state of the work at one moment. Ages are in seconds."""

    due_walks: int
    due_messages: int
    overdue_messages: int
    limit: int
    """Due rows are counted up to here."""
    oldest_due_age: float
    """How long the walk or message that is due the longest has waited; 0 when none is due."""
    oldest_mail_age: float
    """The same for mails alone that nobody has claimed."""
    open_messages: Mapping[str, int]
    """Mails to which something may still happen, by state."""
    held_messages: Mapping[str, int]
    """Mails that wait for a person or a source and not for a moment, by reason."""
    ended_messages: Mapping[str, int]
    """By state: mails accepted over the last day, and those decided in it that ended otherwise."""
    lateness: Lateness
    events: Mapping[str, int]
    """What providers told over the last day, by kind; ``orphan`` is of no mail of ours."""
    brakes: Mapping[str, int]
    """Brakes that are pulled, by kind."""
    beats: Mapping[str, datetime]
    """When each recurring duty (``beat``, ``sweep``) was last done."""
    open_tasks: Mapping[str, int]
    """Work that waits for people, by kind; ``alarm`` is one of them."""


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
        "overdue_messages", "Mails due for more than 5 minutes (capped).", found.overdue_messages
    )
    yield _gauge(
        "oldest_due_age_seconds", "How long the oldest due row has waited.", found.oldest_due_age
    )
    yield _gauge(
        "oldest_due_message_age_seconds",
        "How long the oldest due mail has waited for a worker.",
        found.oldest_mail_age,
    )
    due = {"walks": found.due_walks, "messages": found.due_messages}
    full = {rows: int(count >= found.limit) for rows, count in due.items()}
    yield _by("at_capacity", "Whether more is due than is counted.", "rows", full)
    yield _by(
        "messages", "Mails to which something may still happen.", "state", found.open_messages
    )
    yield _by(
        "held_messages", "Mails that wait for a person or a source.", "reason", found.held_messages
    )
    yield _by("sends_last_day", "Mails that came to an end.", "outcome", found.ended_messages)
    yield _lateness(found.lateness)
    yield _by("events_last_day", "What providers told of mails.", "kind", found.events)
    yield _by("brakes", "Brakes that are pulled and stop all sending.", "kind", found.brakes)
    yield _gauge("open_alarms", "Alarms that wait for a person.", found.open_tasks.get("alarm", 0))
    yield _by("open_tasks", "Work that waits for people.", "kind", found.open_tasks)
    beats = {name: at.timestamp() for name, at in found.beats.items()}
    yield _by(
        "last_success_timestamp_seconds", "When a recurring duty was last done.", "duty", beats
    )


def _lateness(found: Lateness) -> GaugeHistogramMetricFamily:
    ends = [*(str(float(end)) for end in LATENESS), "+Inf"]
    return GaugeHistogramMetricFamily(
        "perennial_send_lateness_seconds",
        "From the decision on a mail to its acceptance, over the last day.",
        buckets=list(zip(ends, found.buckets, strict=True)),
        gsum_value=found.seconds,
    )


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"perennial_{name}", text, value=value)


def _by(name: str, text: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"perennial_{name}", text, labels=[label])
    for key, value in sorted(values.items()):
        family.add_metric([key], value)
    return family

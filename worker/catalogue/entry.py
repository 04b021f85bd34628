"""One record from another program: laid over the book as an import of one row would be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time
from typing import Any

from sqlalchemy.engine import Connection

from worker.catalogue import store
from worker.catalogue.entities import ENTITIES
from worker.catalogue.flow import (
    LEAST_MOVED,
    MOVED_WITHOUT_ASKING,
    Brake,
    HandOver,
    Run,
    lay_down,
)
from worker.catalogue.mapping import check_loads
from worker.catalogue.reading import read
from worker.catalogue.report import Report
from worker.config.settings import SourceSettings
from worker.kernel.errors import Problem
from worker.sources.contract import Row

SOURCE = "api"
"""What the book calls the source of such records."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is said of one record: text by field, ``None`` to empty it. A field that is not named
    stays as it is."""

    entity: str
    key: str
    fields: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class _OneRow:
    """The entry as a source."""

    header: Sequence[str]
    cells: Sequence[str]
    share: float | None = None

    def rows(self) -> Iterator[Row]:
        yield Row(1, self.cells)


def enter(
    conn: Connection, entry: Entry, now: datetime, brake: Brake, hand_over: HandOver
) -> Report:
    """Lays an entry over the book in the caller's transaction, with the rules and the messages of
    an import: ``problems`` of the report say why nothing was done.

    All entries of a day (UTC) count as one import for the brake on moved dates.
    """
    fixed = [_not_empty(name) for name, text in entry.fields.items() if text is None]
    problems = [each for each in fixed if ENTITIES[entry.entity].fields[each.path].fixed]
    report = Report(SOURCE, SOURCE, rows=1)
    if problems:
        report.problems = problems
        return report
    store.lock_book(conn)
    settings = _settings(entry)
    loads, wrong = check_loads(SOURCE, settings)
    if wrong:
        raise ValueError(f"an entry makes loads that are none: {wrong}")
    cells = [entry.key, *[text or "" for text in entry.fields.values()]]
    parsed = read(_OneRow(["key", *entry.fields], cells), loads, SOURCE)
    managed = lay_down(conn, parsed, settings, report, Run(now, accept_endings=False))
    if managed:
        hand_over(conn, managed, now)
    report.problems = [each for found in parsed.rejected.values() for each in found]
    if report.wrote:
        _count(conn, report, now, brake)
    return report


def _not_empty(name: str) -> Problem:
    return Problem(SOURCE, 1, 0, name, "fixed-field", "a value", "null", "it cannot be emptied")


def _settings(entry: Entry) -> SourceSettings:
    load: dict[str, Any] = {name: f"{{{name}}}" for name in ("key", *entry.fields)}
    load |= {"entity": entry.entity}
    load |= {"clear": [name for name, text in entry.fields.items() if text is None]}
    return SourceSettings(kind="csv", decimal=".", load=[load])


def _count(conn: Connection, report: Report, now: datetime, brake: Brake) -> None:
    """Adds the entry to those of its day, and stops all mails when these move too many dates."""
    began = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    counts: dict[str, Any] = dict(report.counts())
    last = store.last_import(conn, SOURCE)
    same = last is not None and last.started_at >= began and not last.counts.get("braked")
    if last is not None and same:
        counts = _sum(last.counts, counts)
    moved = counts["corrections"]
    if moved >= LEAST_MOVED and report.corrections and _too_many(conn, moved):
        counts["braked"] = True  # released, the count begins anew
        detail = f"the API gives {moved} licences other dates in a day"
        brake(conn, kind="import", about=SOURCE, detail=detail, now=now)
    if last is not None and same:
        store.change_import(conn, last.id, finished_at=now, counts=counts)
        return
    store.record_import(
        conn, source=SOURCE, file=None, started_at=now, finished_at=now, counts=counts
    )


def _too_many(conn: Connection, moved: int) -> bool:
    """Whether these are more than the part of all active licences that moves without asking."""
    most = int(moved / MOVED_WITHOUT_ASKING)
    return store.count_active_up_to(conn, most) < most


def _sum(one: Any, other: Any) -> Any:
    """Both trees of counts added up, name by name."""
    if isinstance(one, dict) and isinstance(other, dict):
        names = [*one, *(name for name in other if name not in one)]
        return {name: _sum(one.get(name), other.get(name)) for name in names}
    if one is None or other is None:
        return other if one is None else one
    return one + other

"""The import: one file, one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.catalogue import store, syncing
from worker.catalogue.answering import Answers
from worker.catalogue.mapping import Load, check_loads
from worker.catalogue.order_writing import OrderWriter
from worker.catalogue.reading import Parsed, read
from worker.catalogue.rejects import rejects_path, write_rejects
from worker.catalogue.report import Counts, Managed, Report
from worker.catalogue.rules import Outcome
from worker.catalogue.said import Said
from worker.catalogue.totals import Line
from worker.catalogue.understanding import look_up, understand
from worker.catalogue.writing import Writer
from worker.config.settings import SourceSettings
from worker.kernel.clock import Clock
from worker.kernel.errors import ConfigError
from worker.kernel.show import Told
from worker.sources.contract import Place, Reading, Source, nowhere
from worker.sources.declared import Kind, check_source
from worker.sources.table import KINDS

MOVED_WITHOUT_ASKING = 0.10
LEAST_MOVED = 20
"""An import that re-dates at least so many licences, and more than that part of a source's active
ones, pulls the brake: it is loaded, and no mail goes out before a person has looked."""


class Brake(Protocol):
    """Stops all mails in the transaction of the import."""

    def __call__(
        self, conn: Connection, *, kind: str, about: str, detail: str, now: datetime
    ) -> None: ...


class HandOver(Protocol):
    """Tells the new managers of accounts, in the transaction of the import."""

    def __call__(self, conn: Connection, changes: Sequence[Managed], now: datetime) -> None: ...


@dataclass(frozen=True, slots=True)
class Options:
    """How an import is run.

    ``file`` stands in for the source's own path, ``shown`` is how people are told of it;
    ``place`` finds settings in ``config.toml``; ``pause`` waits between two questions to a server.
    """

    file: Path | None = None
    shown: str | None = None
    dry_run: bool = False
    accept_endings: bool = False
    progress: Told | None = None
    place: Place = nowhere
    brake: Brake | None = None
    hand_over: HandOver | None = None
    answers: Answers | None = None
    pause: Callable[[float], object] = field(default_factory=lambda: threading.Event().wait)


@dataclass(frozen=True, slots=True)
class Run:
    """When an import began, whether it may end many licences, and who takes answers to surveys."""

    now: datetime
    accept_endings: bool
    answers: Answers | None = None


def import_source(
    engine: Engine,
    name: str,
    source: SourceSettings,
    clock: Clock,
    root: Path,
    options: Options | None = None,
) -> Report:
    """Loads one source into the book; all good rows or, when the file is unusable, nothing.

    ``root`` is the folder of the instance: relative paths count from it, rejects go below it.
    Raises ``ConfigError`` for loads that cannot work, ``SourceError`` for an unusable file, and
    ``FindingsError`` when a full sync would end too many licences.
    """
    options = options or Options()
    started_at = clock.now()
    loads, kind = _checked(name, source, options.place)
    file = options.file or (Path(source.path) if source.path else None)
    path = root / file if file is not None else None
    shown = options.shown or (str(file) if file is not None else f"sources.{name}")
    how = _how(name, source, clock, root, shown, options)
    opened = kind.open(path, how)
    parsed = read(opened, loads, shown, options.progress)
    report = Report(name, shown, dry_run=options.dry_run, rows=parsed.total)
    with engine.begin() as conn:
        store.lock_book(conn)
        run = Run(started_at, options.accept_endings, options.answers)
        managed = lay_down(conn, parsed, source, report, run)
        report.problems = [p for line in sorted(parsed.rejected) for p in parsed.rejected[line]]
        if not options.dry_run:
            _keep_rejects(report, parsed, opened, rejects_path(root, name, path), how)
            _record(conn, report, started_at, clock.now())
            if managed and options.hand_over:
                options.hand_over(conn, managed, started_at)
            if report.braked and options.brake:
                told = report.braked
                options.brake(conn, kind="import", about=name, detail=told, now=started_at)
    return report


def _record(conn: Connection, report: Report, started_at: datetime, now: datetime) -> None:
    """Notes what was written, if anything was, and that the source was read to its end."""
    if report.wrote:
        store.record_import(
            conn,
            source=report.source,
            file=report.file,
            started_at=started_at,
            finished_at=now,
            counts=report.counts(),
        )
    problem = None
    if report.rejected_rows:
        problem = f"{report.rejected_rows} of {report.rows} rows; they are in {report.rejects_path}"
    store.record_read(conn, report.source, started_at, problem)


def _checked(name: str, source: SourceSettings, place: Place) -> tuple[list[Load], Kind]:
    loads, wrong = check_loads(name, source, place=place)
    problems = [*check_source(name, source, KINDS, place=place), *wrong]
    if problems:
        raise ConfigError(f"the source {name!r} cannot be imported", problems)
    return loads, KINDS[source.kind]


def _how(
    name: str, source: SourceSettings, clock: Clock, root: Path, shown: str, options: Options
) -> Reading:
    return Reading(
        shown,
        source.encoding,
        source.delimiter,
        source.sheet,
        source.decimal or ".",
        source,
        name,
        root,
        options.place,
        clock,
        options.pause,
        options.progress or (lambda done, share=None: None),
    )


def lay_down(
    conn: Connection, parsed: Parsed, source: SourceSettings, report: Report, run: Run
) -> Sequence[Managed]:
    """Lays the good rows over the book, in the caller's transaction, which holds the book; what is
    wrong with the others stands in ``parsed.rejected``. Returns the accounts that have another
    manager now."""
    known = look_up(conn, parsed)
    said = understand(conn, parsed, known, report, run.now.astimezone(UTC).date())
    missing = syncing.missing(conn, parsed, said, source, report, accept=run.accept_endings)
    active = store.count_active(conn, report.source)
    parsed.rows.clear()  # what they said has been merged; a million of them weigh a lot
    writer = Writer(conn, parsed.shapes, known, report.source, run.now, dry_run=report.dry_run)
    done = {
        "account": writer.accounts(said.accounts),
        "contact": writer.contacts(said.contacts),
        "licence": writer.licences(said.licences, revive=source.full_sync),
        "staff": writer.staff(said.staff),
        "order": _write_orders(conn, parsed, writer, said, missing.removing, report, run.now),
        "answer": _hand_on(conn, said, report, run),
    }
    writer.end(missing.ending)
    for entity in parsed.shapes:
        report.entities[entity] = done[entity]
        done[entity].rejected = len(parsed.rejected)
    report.rejected_rows, report.ended = len(parsed.rejected), len(missing.ending)
    report.renewals = writer.outcomes[Outcome.RENEWAL]
    report.returns = writer.outcomes[Outcome.RETURN]
    report.corrections = writer.outcomes[Outcome.CORRECTION]
    report.history = writer.outcomes[Outcome.HISTORY]
    if report.corrections >= LEAST_MOVED and report.corrections > MOVED_WITHOUT_ASKING * active:
        moved = f"{report.corrections} of {active} active licences"
        report.braked = f"the import of {report.source!r} gives {moved} other dates"
    return writer.managed


def _hand_on(conn: Connection, said: Said, report: Report, run: Run) -> Counts:
    """Hands answers to surveys to whoever takes them, in the same transaction."""
    if not said.answers:
        return Counts()
    if run.answers is None:
        raise ValueError("a file with answers, and nobody who takes them")
    return run.answers(conn, said.answers, dry_run=report.dry_run)


def _write_orders(
    conn: Connection,
    parsed: Parsed,
    writer: Writer,
    said: Said,
    removing: Mapping[int, Line],
    report: Report,
    now: datetime,
) -> Counts:
    if not said.orders and not removing:
        return Counts()
    clears = any(each.clears for load in parsed.loads for each in load.fields)
    about = conn, writer.account_ids, report.source, now
    lines = OrderWriter(*about, dry_run=report.dry_run, clears=clears)
    lines.remove(removing)
    counts = lines.write(said.orders)
    lines.finish()
    report.removed = len(removing)
    if said.repeated:
        rows = "1 row repeats" if said.repeated == 1 else f"{said.repeated} rows repeat"
        report.notes.append(
            f"{rows} an order of the file word for word: counted once. Lines of one document need "
            'keys of their own, or same_key = "lines"'
        )
    return counts


def _keep_rejects(report: Report, parsed: Parsed, source: Source, path: Path, how: Reading) -> None:
    """Writes the rejects before the good rows are committed; removes those of an earlier run."""
    if parsed.rejected:
        write_rejects(path, source, parsed.rejected, how)
        report.rejects_path = path
    else:
        path.unlink(missing_ok=True)

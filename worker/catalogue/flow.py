"""The import: one file, one transaction."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.catalogue import erasures, store
from worker.catalogue.answering import Answers, contact_keys
from worker.catalogue.entities import ENTITIES
from worker.catalogue.mapping import Load, check_loads
from worker.catalogue.merging import Merger
from worker.catalogue.reading import Parsed, read
from worker.catalogue.records import accounts, contacts, licences, staff
from worker.catalogue.rejects import rejects_path, write_rejects
from worker.catalogue.report import Counts, Managed, Report
from worker.catalogue.rules import Outcome
from worker.catalogue.said import Known, KnownLicence, Reasons, Said, own_fields
from worker.catalogue.writing import Writer
from worker.config.settings import SourceSettings
from worker.kernel.clock import Clock
from worker.kernel.errors import ConfigError, FindingsError
from worker.kernel.show import Told
from worker.sources.contract import Place, Reading, Source, nowhere
from worker.sources.declared import Kind, check_source
from worker.sources.table import KINDS

ENDINGS_WITHOUT_ASKING = 0.10
"""A full sync that would end a larger part of a source's active licences stops and asks."""


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
    known = _known(conn, parsed)
    said = _merge_until_sound(conn, parsed, known, report, run.now.astimezone(UTC).date())
    _leave_out_erased(conn, said, parsed, report)
    ending = _endings(conn, parsed, source, report, accept=run.accept_endings)
    active = store.count_active(conn, report.source)
    parsed.rows.clear()  # what they said has been merged; a million of them weigh a lot
    writer = Writer(conn, parsed.shapes, known, report.source, run.now, dry_run=report.dry_run)
    done = {
        "account": writer.accounts(said.accounts),
        "contact": writer.contacts(said.contacts),
        "licence": writer.licences(said.licences, revive=source.full_sync),
        "staff": writer.staff(said.staff),
        "answer": _hand_on(conn, said, report, run),
    }
    writer.end(ending)
    for entity in parsed.shapes:
        report.entities[entity] = done[entity]
        done[entity].rejected = len(parsed.rejected)
    report.rejected_rows, report.ended = len(parsed.rejected), len(ending)
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


def _known(conn: Connection, parsed: Parsed) -> Known:
    """What the book holds of the keys in the file."""
    keys, shapes = _keys(parsed), parsed.shapes
    own = {
        entity: [name for name in shapes.get(entity, ()) if name not in ("key", "account")]
        for entity in ("account", "contact", "staff")
    }
    mirror = ["account_id", "term", "starts_on", "expires_on", "closed_on"]
    licence_columns = [*mirror, *own_fields(shapes.get("licence", ()))]
    found = store.known(conn, licences, licence_columns, keys["licence"])
    return Known(
        store.known(conn, accounts, own["account"], keys["account"]),
        store.known(conn, contacts, ["account_id", *own["contact"]], keys["contact"]),
        store.known(conn, staff, own["staff"], keys["staff"]),
        {key: KnownLicence._make((*row[:6], row[6:])) for key, row in found.items()},
        erased=erasures.known(conn) if "answer" in shapes else erasures.NOBODY,
    )


def _keys(parsed: Parsed) -> dict[str, list[str]]:
    """The keys that the rows speak of, by entity."""
    found: dict[str, set[str]] = {entity: set() for entity in ENTITIES}
    for place, load in enumerate(parsed.loads, start=1):
        shape = list(parsed.shapes[load.entity.name])
        named = [(shape.index("key"), found[load.entity.name])]
        if "account" in shape:
            named.append((shape.index("account"), found["account"]))
        for at, keys in named:
            keys.update(row[place][at] for row in parsed.rows if row[place] is not None)
            keys.discard(None)  # a blank reference
        if load.entity.name == "answer":
            at = shape.index("contact")
            named_people = (row[place][at] for row in parsed.rows if row[place] is not None)
            found["contact"].update(
                key for text in named_people if isinstance(text, str) for key in contact_keys(text)
            )
    return {entity: list(keys) for entity, keys in found.items()}


def _merge_until_sound(
    conn: Connection, parsed: Parsed, known: Known, report: Report, today: date
) -> Said:
    """Merges the rows, takes out those that contradict, and again, until none does."""
    while True:
        merger = Merger(parsed, known, report.file, today)
        said, reasons = merger.merge()
        if merger.unsettled:
            known.terms.update(store.terms_of(conn, merger.unsettled))
        elif not reasons:
            return said
        _take_out(parsed, reasons)


def _leave_out_erased(conn: Connection, said: Said, parsed: Parsed, report: Report) -> None:
    """Forgets what the file says of people whose data was erased: they do not come back."""
    erased = erasures.known(conn)
    if not erased or not said.contacts:
        return
    shape = list(parsed.shapes["contact"])
    at = shape.index("email") if "email" in shape else None
    gone = [
        key
        for key, part in said.contacts.items()
        if erased.holds(key, part[at] if at is not None and isinstance(part[at], str) else None)
    ]
    for key in gone:
        del said.contacts[key]
    report.erased = len(gone)
    if gone:
        were = "contact of the file was" if len(gone) == 1 else "contacts of the file were"
        report.notes.append(f"{len(gone)} {were} erased on request and left out")


def _take_out(parsed: Parsed, reasons: Reasons) -> None:
    parsed.rejected.update(reasons)
    for place, load in enumerate(parsed.loads, start=1):
        if load.entity.name == "licence":
            at = list(parsed.shapes["licence"]).index("key")
            told = (row[place][at] for row in parsed.rows if row[0] in reasons and row[place])
            parsed.keys_of_rejected.update(told)
    parsed.rows = [row for row in parsed.rows if row[0] not in reasons]


def _endings(
    conn: Connection, parsed: Parsed, source: SourceSettings, report: Report, *, accept: bool
) -> list[int]:
    """Ids of the active licences of this source that the file no longer has."""
    if not source.full_sync or "licence" not in parsed.shapes:
        return []
    active = store.active_of(conn, report.source)
    present = {*_keys(parsed)["licence"], *parsed.keys_of_rejected}
    ending = [active[key] for key in sorted(active.keys() - present)]
    if ending and parsed.keyless:
        rows = "a row" if parsed.keyless == 1 else f"{parsed.keyless} rows"
        report.notes.append(
            f"{len(ending)} licences are not in the file, but {rows} could not be read: "
            "none of them was ended"
        )
        return []
    if len(ending) > ENDINGS_WITHOUT_ASKING * len(active) and not accept:
        raise FindingsError(
            f"this full sync would end {len(ending)} of {len(active)} active licences "
            f"({len(ending) / len(active):.0%}), more than {ENDINGS_WITHOUT_ASKING:.0%}; "
            "nothing was imported. If that is right, run it again with --accept-endings"
        )
    return ending


def _keep_rejects(report: Report, parsed: Parsed, source: Source, path: Path, how: Reading) -> None:
    """Writes the rejects before the good rows are committed; removes those of an earlier run."""
    if parsed.rejected:
        write_rejects(path, source, parsed.rejected, how)
        report.rejects_path = path
    else:
        path.unlink(missing_ok=True)

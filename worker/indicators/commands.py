"""``perennial report indicators``, ``matrix``, ``capital``, ``attention`` and ``costs``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path

import click

from worker.cadence.commands import Day
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.indicators import files
from worker.indicators.asked import GROUPS, Asked, usual_period
from worker.indicators.board import Board, Section, cell
from worker.indicators.reports import KINDS, Kind, asked_by
from worker.kernel import show
from worker.kernel.dates import Period, civil_date, zone
from worker.kernel.errors import UsageError
from worker.reports.commands import report

__all__ = ["report"]  # the group, with the reports of this room in it

_SHARED: tuple[Callable[[Callable[..., None]], Callable[..., None]], ...] = (
    click.option("--from", "first", type=Day(), help="First day."),
    click.option("--to", "last", type=Day(), help="Last day, included; by default today."),
    click.option(
        "--csv",
        "csv_folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="Write every table as CSV into this folder, too.",
    ),
    click.option(
        "--parquet",
        "parquet_folder",
        type=click.Path(path_type=Path, file_okay=False),
        help="The same as Parquet; needs the extra perennial[parquet].",
    ),
    click.option("--json", "as_json", is_flag=True, help="One figure a line, for programs."),
)


def _add(kind: Kind) -> None:
    """Puts the command of a report into the group."""

    def command(
        app: Wiring,
        first: date | None,
        last: date | None,
        csv_folder: Path | None,
        parquet_folder: Path | None,
        as_json: bool,
        by: str | None = None,
    ) -> None:
        today = civil_date(app.clock.now(), zone(app.settings.book.timezone))
        period = _period(first, last, today, kind.months)
        board = _read(app, kind, asked_by(app.settings.indicators, period, by))
        _tell(board, as_json=as_json)
        for folder, form in ((csv_folder, files.CSV), (parquet_folder, files.PARQUET)):
            for path in files.write(board, folder, form) if folder else ():
                click.echo(f"{path}", err=as_json)

    made = click.pass_obj(command)
    for option in reversed(_SHARED):
        made = option(made)
    if kind.splits:
        made = click.option("--by", type=click.Choice(GROUPS), help="Split the figures.")(made)
    default = f"By default of the last {kind.months} months."
    help_ = f"{kind.says}\n\n{default} docs/indicators.md explains each figure."
    report.command(kind.name, help=help_)(made)


def _read(app: Wiring, kind: Kind, asked: Asked) -> Board:
    with reading(app.engine) as conn:
        return kind.read(conn, asked)


def _period(first: date | None, last: date | None, today: date, months: int) -> Period:
    last = last or today
    if last > today:
        raise UsageError(f"--to {last} lies ahead: nobody knows yet who is a client then.")
    period = Period(first or usual_period(last, months).first, last)
    if period.last < period.first:
        raise UsageError(f"--to {last} lies before --from {first}; swap them.")
    return period


def _tell(board: Board, *, as_json: bool) -> None:
    """The report as people read it, or a figure a line for programs."""
    if as_json:
        rows = [figure.record(board.period) for figure in board.figures]
        show.emit(rows, as_json=True, columns=())
        return
    click.echo(f"{board.lead}\n")
    for section in board.sections:
        if section.table:
            click.echo(section.title)
            rows_ = [_row(row) for row in _narrow(section)]
            show.emit(rows_, as_json=False, columns=list(rows_[0]))
            click.echo("")
    for note in board.notes:
        click.echo(f"- {note}")


def _row(row: Mapping[str, object]) -> dict[str, object]:
    """A row of words; numbers stay what they are where the table puts them to the right."""
    return {name: cell(value) for name, value in row.items()}


def _narrow(section: Section) -> list[dict[str, object]]:
    """The table of a section, wide ones turned: a terminal has no room for fifteen columns."""
    rows = section.table
    if len(rows[0]) <= _WIDE:
        return rows
    first, *others = rows[0]
    return [
        {"": name.replace("_", " "), **{cell(row[first]): row[name] for row in rows}}
        for name in others
    ]


_WIDE = 8

for _kind in KINDS.values():
    _add(_kind)

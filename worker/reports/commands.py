"""``perennial report renewals`` and ``perennial report promises``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import click

from worker.cadence.commands import Day
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.dates import Period, civil_date, zone
from worker.kernel.errors import UsageError
from worker.reports import figures, page, rules, store, words
from worker.reports.cohort import GROUPS, MONTH, Asked
from worker.reports.figures import Report
from worker.worklist import promises as register


@click.group()
def report() -> None:
    """Count what the rows say: figures with their samples and intervals."""


@report.command()
@click.option("--from", "first", type=Day(), help="First day; by default the last 12 full months.")
@click.option("--to", "last", type=Day(), help="Last day, included.")
@click.option("--by", type=click.Choice([*GROUPS, MONTH]), help="Split the figures.")
@click.option(
    "--grace",
    type=click.IntRange(0, 366),
    default=30,
    show_default=True,
    help="Days after the due date before what is unresolved counts as leaked.",
)
@click.option(
    "--within",
    type=click.IntRange(1, 366),
    default=14,
    show_default=True,
    help="Days after a step in which a renewal is put beside it.",
)
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page, too.")
@click.option("--json", "as_json", is_flag=True, help="One figure a line, for programs.")
@click.pass_obj
def renewals(
    app: Wiring,
    first: date | None,
    last: date | None,
    by: str | None,
    grace: int,
    within: int,
    html: Path | None,
    as_json: bool,
) -> None:
    """Say how many of the licences that were due were renewed, on time, and after which step.

    Value is at today's amounts, currency by currency. docs/report.md explains each figure.
    """
    now = app.clock.now()
    today = civil_date(now, zone(app.settings.book.timezone))
    asked = Asked(_period(first, last, today), today, by, grace, within)
    with reading(app.engine) as conn:
        found = figures.read(conn, asked)
        months = figures.by_month(conn, asked) if html else []
        span = None if found.whole.due else store.span(conn)
    if as_json:
        rows = [figure.record(asked.period) for figure in figures.figures(found)]
        show.emit(rows, as_json=True, columns=())
    else:
        _tell(found, span)
    if html:
        page.write(html, found, months, now)
        click.echo(f"{html}", err=as_json)


@report.command()
@click.option("--from", "first", type=Day(), help="First day; by default eleven months ago.")
@click.option("--to", "last", type=Day(), help="Last day, included; by default of next month.")
@click.option("--json", "as_json", is_flag=True, help="One line a person and month, for programs.")
@click.pass_obj
def promises(app: Wiring, first: date | None, last: date | None, as_json: bool) -> None:
    """Say how promises to clients were kept: on time, late, broken, open, overdue.

    By the day on which each was to be kept; docs/worklist.md explains the figures.
    """
    tz = zone(app.settings.book.timezone)
    today = civil_date(app.clock.now(), tz)
    given = first is not None or last is not None
    period = _period(first, last, today) if given else register.usual_period(today)
    with reading(app.engine) as conn:
        found = register.count(register.read(conn, period), period, today, tz)
    rows = [
        found.whole.record("all"),
        *(line.record("person") for line in found.people),
        *(line.record("month") for line in found.months if line.total),
    ]
    if as_json:
        show.emit(rows, as_json=True, columns=())
    elif not found.whole.total:
        click.echo(f"No promise was to be kept from {period.first} to {period.last}.")
    else:
        show.emit(rows, as_json=False, columns=list(rows[0]))


def _period(first: date | None, last: date | None, today: date) -> Period:
    if first is None and last is None:
        return rules.last_full_months(today)
    if first is None or last is None:
        given, lacking = ("--to", "--from") if first is None else ("--from", "--to")
        raise UsageError(f"{given} needs {lacking}: give both days, or neither.")
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}; swap them.")
    return Period(first, last)


def _tell(found: Report, span: Period | None) -> None:
    """The report as people read it: one table of all, one of the groups, one of the steps."""
    click.echo(f"{words.lead(found)}\n")
    for said in filter(None, (words.warning(found), words.elsewhere(span))):
        click.echo(f"{said}\n")
    for name, rows in _tables(found):
        if rows:
            click.echo(name)
            show.emit(rows, as_json=False, columns=list(rows[0]))
            click.echo("")
    for note in words.notes(found):
        click.echo(f"- {note}")


def _tables(found: Report) -> Iterator[tuple[str, list[dict[str, object]]]]:
    if not found.whole.due:
        return
    yield "Licences due", words.rows(words.rates(found))
    for currency, lines in words.purses(found):
        yield f"Value in {currency}, at today's amounts", words.rows(lines)
    if found.groups:
        yield f"By {found.asked.by}", words.group_rows(found)
        for currency, groups in words.group_purses(found):
            yield f"By {found.asked.by}, value in {currency}", groups
    title = f"Renewed within {found.asked.within} days of a step: with it, without it"
    yield title, [words.step_row(step) for step in found.steps]

"""``perennial nps``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import click

from worker.cadence.commands import Day
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.dates import Period, civil_date, zone
from worker.kernel.errors import UsageError
from worker.surveys import attending, coverage, figures, words
from worker.surveys.counting import GROUPS, Asked
from worker.surveys.digest_commands import digest
from worker.surveys.figures import ACCOUNTS, ANSWERS, METHODS, Report


@click.group(invoke_without_command=True)
@click.option("--from", "first", type=Day(), help="First day; by default a year up to today.")
@click.option("--to", "last", type=Day(), help="Last day, included.")
@click.option("--by", type=click.Choice(GROUPS), help="Split the figures.")
@click.option("--schedule", help="Only the answers to this schedule.")
@click.option(
    "--method",
    "methods",
    type=click.Choice(METHODS),
    multiple=True,
    help="Who votes; may be given several times.  [default: answers, accounts]",
)
@click.option("--json", "as_json", is_flag=True, help="One figure a line, for programs.")
@click.pass_context
def nps(
    context: click.Context,
    first: date | None,
    last: date | None,
    by: str | None,
    schedule: str | None,
    methods: Sequence[str],
    as_json: bool,
) -> None:
    """Say how likely clients are to recommend us: NPS with its sample and its interval.

    Each answer votes, and beside it each account with one vote; docs/surveys.md explains the
    figures. Groups of fewer than five protected answers are not shown. How soon clients who are not
    content were attended to stands below, where there was anything to do.
    """
    if context.invoked_subcommand is not None:
        return
    app: Wiring = context.obj
    today = civil_date(app.clock.now(), zone(app.settings.book.timezone))
    asked = Asked(_period(first, last, today), schedule, by)
    chosen = [name for name in METHODS if name in (methods or (ANSWERS, ACCOUNTS))]
    with reading(app.engine) as conn:
        found = figures.read(conn, asked, chosen)
        parts = [] if as_json else coverage.coverage(conn, asked.period)
        change = None if as_json else figures.change(conn, asked)
        attention = attending.read(conn, asked)
    if as_json:
        rows = [figure.record() for figure in (*found.whole, *found.groups)]
        rows += [{"left_out": found.hidden_whole}] if found.hidden_whole else []
        rows += [{"loop": attention.record()}] if attention.answers else []
        show.emit(rows, as_json=True, columns=())
        return
    click.echo(f"{coverage.heard_first(parts)}\n")
    _tell(found)
    if change is not None:
        click.echo(words.changed(change, figures.before(asked.period)))
    for note in words.notes(found):
        click.echo(f"- {note}")
    if attention.answers:
        click.echo(f"- {attention.sentence()}")


nps.add_command(digest)


def _period(first: date | None, last: date | None, today: date) -> Period:
    if first is None and last is None:
        return last_year(today)
    if first is None or last is None:
        given, lacking = ("--to", "--from") if first is None else ("--from", "--to")
        raise UsageError(f"{given} needs {lacking}: give both days, or neither.")
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}; swap them.")
    return Period(first, last)


def last_year(today: date) -> Period:
    """The 365 days that end today."""
    return Period(today - timedelta(days=364), today)


def _tell(found: Report) -> None:
    if not found.whole:
        period = found.asked.period
        click.echo(f"Nobody answered from {period.first} to {period.last}.")
        return
    rows = [words.row(figure) for figure in (*found.whole, *found.groups)]
    show.emit(rows, as_json=False, columns=list(rows[0]))
    click.echo("")

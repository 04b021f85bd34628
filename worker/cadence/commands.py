"""``plan``, ``apply``, ``rehearse`` and ``tick``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import click
from sqlalchemy import Engine

from worker.access.audit import at_the_terminal
from worker.cadence import ahead, brakes, edits, flow, mails, outline, report, waits
from worker.cadence import explain as explaining
from worker.cadence import rehearse as rehearsing
from worker.cadence.ahead import Forecasting
from worker.cadence.findings import findings
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.picture import counted
from worker.cadence.quiet import quiet_of
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.dates import Period, zone
from worker.kernel.errors import FindingsError, Problem, UsageError
from worker.links.rules import links_of
from worker.schedules.flow import NO_CHANGES, Draft, changes, read_drafts
from worker.schedules.loader import SchedulesError
from worker.schedules.model import Schedule
from worker.templating.check import check_folder


def defaults_of(app: Wiring) -> Defaults:
    """What counts for accounts that do not say."""
    book = app.settings.book
    return Defaults(book.timezone, book.language, book.country)


def forecasting_of(app: Wiring) -> Forecasting:
    """What a forecast of the schedules that run is made with, now."""
    settings = app.settings
    quiet = quiet_of(settings.surveys)
    allowance = settings.budget.per_contact
    return Forecasting(defaults_of(app), app.clock.now(), allowance=allowance, quiet=quiet)


def letterhead_of(app: Wiring) -> Letterhead:
    """In whose name mails go out, and where their links lead."""
    mail = app.settings.mail
    return Letterhead(mail.sender, mail.reply_to, links=links_of(app.settings.web), trial=True)


def checked_drafts(root: Path, engine: Engine | None = None) -> list[Draft]:
    """The schedules of the files; every problem of schedules and templates at once.

    Templates that ``engine`` shows to be the ones that run are not tried out again.
    """
    drafts, problems = read_drafts(root)
    if problems or engine is None or not _runs_already(engine, drafts):
        problems += check_folder(root / "templates")
    if problems:
        raise SchedulesError("Nothing was changed. Mend the files and try again.", problems)
    return drafts


def _runs_already(engine: Engine, drafts: list[Draft]) -> bool:
    with reading(engine) as conn:
        return bool(drafts) and not changes(conn, drafts)


def _only(drafts: list[Draft], stem: str | None) -> list[Draft]:
    chosen = [draft for draft in drafts if stem in (None, draft.schedule.stem)]
    if not chosen and stem:
        known = ", ".join(draft.schedule.stem for draft in drafts) or "none"
        raise UsageError(f"There is no schedules/{stem}.toml; schedules are: {known}")
    return chosen


class Day(click.ParamType[date]):
    """A day as ``2027-03-31``."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except ValueError:
            self.fail(f"expected a day such as 2027-03-31, got {value!r}", param, ctx)


@click.command()
@click.option("--as-of", type=Day(), help="Stand on this day; a past one is replayed.")
@click.option("--days", type=click.IntRange(1, 3660), default=60, show_default=True)
@click.option("--schedule", help="Only this schedule (the name of its file).")
@click.option("--licence", help="Only this licence.")
@click.option("--json", "as_json", is_flag=True, help="One decision a line, for programs.")
@click.pass_obj
def plan(
    app: Wiring,
    as_of: date | None,
    days: int,
    schedule: str | None,
    licence: str | None,
    as_json: bool,
) -> None:
    """Show every mail and task to come, and the licences that get nothing and why.

    Where files were edited, the plan is the one that `apply` would bring, and the difference is
    listed client by client.
    """
    drafts = _only(checked_drafts(app.root, app.engine), schedule)
    if licence is not None:
        with reading(app.engine) as conn:
            explaining.find(conn, licence)
    now = app.clock.now()
    first = as_of or now.date()
    found: list[Problem] = []
    period = Period(first, rehearsing.last_day(first, days))
    if as_of is not None and as_of < now.date():
        asked = replace(forecasting_of(app), drafts=drafts)
        view = edits.Outlook(ahead.replayed(app.engine, asked, period), NO_CHANGES, [], True)
    else:
        with reading(app.engine) as conn:
            view = edits.outlook(conn, drafts, forecasting_of(app), period)
            if schedule is None:
                found = findings(conn, drafts, view, defaults_of(app), now.date())
    records = [r for r in view.records if licence in (None, r.licence)]
    if as_json:
        show.emit([record.json() for record in records], as_json=True, columns=outline.COLUMNS)
    else:
        with reading(app.engine) as conn:
            names = outline.names_of(conn, {record.account for record in records})
        show.emit(outline.folded(records, names), as_json=False, columns=outline.COLUMNS)
        click.echo("")
        for line in outline.summary(records, period):
            click.echo(line)
    _tell_findings(found)
    _tell_changes(view, as_json=as_json, partial=schedule is not None)
    _tell_waits(app)


def _tell_findings(found: Sequence[Problem]) -> None:
    """What is odd about the files and what they would do, on stderr; nothing is refused."""
    for problem in found:
        click.echo(str(problem), err=True)


def _tell_waits(app: Wiring) -> None:
    """What keeps mails from leaving, on stderr, so that data stays alone on stdout."""
    with reading(app.engine) as conn:
        for line in waits.lines(conn, app.settings.mail):
            click.echo(line, err=True)


def _tell_changes(view: edits.Outlook, *, as_json: bool, partial: bool) -> None:
    """What is not applied yet, on stderr, so that data stays alone on stdout."""
    if not view.changes or partial:
        return
    click.echo("", err=True)
    if not view.applied:
        click.echo("Nothing runs yet: this is what `perennial apply` would bring.", err=True)
        return
    for label in ("added", "edited", "removed"):
        for stem in getattr(view.changes, label):
            click.echo(f"Not applied yet: {stem}.toml or its templates ({label})", err=True)
    click.echo(f"`perennial apply` would change {len(view.effects)} steps:", err=True)
    columns = ("licence", "account", "schedule", "step", "change", "before", "after")
    rows = [change.record() for change in view.effects]
    show.emit(rows, as_json=as_json, columns=columns, out=sys.stderr)


def _asks_first(schedule: Schedule) -> str:
    which = "first mails" if schedule.limits.approve == "first-day" else "mails of each day"
    return f"{schedule.stem}: its {which} wait for your word: perennial approve {schedule.stem}"


@click.command()
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def apply(app: Wiring, yes: bool) -> None:
    """Make edited schedules and templates run. `plan` shows first what that changes."""
    drafts = checked_drafts(app.root, app.engine)
    now = app.clock.now()
    period = Period(now.date(), rehearsing.last_day(now.date(), 60))
    with reading(app.engine) as conn:
        view = edits.outlook(conn, drafts, forecasting_of(app), period)
        found = findings(conn, drafts, view, defaults_of(app), now.date())
    if not view.changes:
        click.echo("Nothing to apply: the files are what runs.")
        _tell_waits(app)
        return
    _tell_findings(found)
    _tell_changes(view, as_json=False, partial=False)
    if not yes and not click.confirm("Apply?", err=True):
        raise FindingsError("Nothing was applied.")
    applied = flow.apply(app.engine, app.clock, drafts, at_the_terminal())
    with app.engine.begin() as conn:
        brakes.note(conn, view.records, now)  # what was shown is no surprise when it comes
    for label in ("added", "edited", "removed"):
        for stem in getattr(applied, label):
            click.echo(f"{stem}: {'retired' if label == 'removed' else 'runs from now on'}")
    new = {*applied.added, *applied.edited}
    for schedule in (draft.schedule for draft in drafts):
        if schedule.stem in new and schedule.limits.approve != "never":
            click.echo(_asks_first(schedule), err=True)
    _tell_waits(app)


@click.command()
@click.option("--from", "first", type=Day(), required=True, help="First day.")
@click.option("--to", "last", type=Day(), required=True, help="Last day, included.")
@click.option("--schedule", help="Only this schedule (the name of its file).")
@click.option("--out", type=click.Path(path_type=Path), help="Folder for what it leaves.")
@click.option("--mails", is_flag=True, help="Render every mail, not a sample of each step.")
@click.option("--json", "as_json", is_flag=True, help="Print the decisions, one a line.")
@click.pass_obj
def rehearse(
    app: Wiring,
    first: date,
    last: date,
    schedule: str | None,
    out: Path | None,
    mails: bool,
    as_json: bool,
) -> None:
    """Play a period on a copy of the book under a virtual clock, with the schedules of the files.

    Nobody is mailed. The folder holds index.html, decisions.jsonl and mails/.
    """
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}; swap them.")
    folder = out or app.root / "var" / "rehearsals" / f"{first}_{last}"
    asked = rehearsing.Asked(
        Period(first, last),
        _only(checked_drafts(app.root, app.engine), schedule),
        defaults_of(app),
        letterhead_of(app),
        app.clock.now(),
        folder,
        None if mails else 6,
        app.settings.budget.per_contact,
        quiet_of(app.settings.surveys),
    )
    page = perform(app.engine, asked, quiet=as_json)
    if as_json:
        sys.stdout.write((folder / "decisions.jsonl").read_text(encoding="utf-8"))
    click.echo(f"{page}", err=as_json)


def perform(engine: Engine, asked: rehearsing.Asked, *, quiet: bool = False) -> Path:
    """Rehearses, leaves the folder, and says in a few lines what came of it; the page's path."""
    begun = time.perf_counter()
    with (
        show.progress("rehearsing", 100) as told,
        rehearsing.rehearsed(engine, asked, lambda part: told(int(part * 100))) as done,
    ):
        seconds = time.perf_counter() - begun
        title = f"{asked.period.first} to {asked.period.last}"
        page, summary = report.write(done, title, seconds)
    click.echo(
        f"{counted(summary.decisions, 'decision')} on {counted(summary.licences, 'licence')} in "
        f"{seconds:.1f} s: {counted(summary.mails, 'mail')}, {counted(summary.tasks, 'task')}, "
        f"{counted(summary.licences_reached, 'licence')} reached",
        err=quiet,
    )
    return page


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def tick(app: Any, as_json: bool) -> None:
    """Do what is due now, then exit: for cron."""
    planned, sent, called = app.tick()
    with reading(app.engine) as conn:
        coming = mails.next_due(conn)
    if as_json:
        done = {"planned": planned, "sent": sent, "called": called, "next_at": coming}
        click.echo(show.json_line(done))
    else:
        calls = f", {called} calls claimed" if called else ""
        click.echo(f"{planned} walks and changes handled, {counted(sent, 'mail')} claimed{calls}")
        if coming is not None and coming > app.clock.now():
            at = coming.astimezone(zone(app.settings.book.timezone))
            click.echo(f"The next step is due {at:%a %Y-%m-%d %H:%M %Z}")
    _tell_waits(app)

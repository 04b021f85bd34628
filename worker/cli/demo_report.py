"""What the demo finds in its own database, and how it tells it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.bootstrap import App
from worker.cadence import ahead, explain
from worker.cadence import rehearse as rehearsing
from worker.cadence import report as rehearsal_report
from worker.cadence.commands import defaults_of, forecasting_of, letterhead_of
from worker.cadence.decisions import Record
from worker.cadence.explain_commands import tell_story
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import licences
from worker.catalogue.rejects import told
from worker.catalogue.report import Report
from worker.cli.sample_desk import ADMIN
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.schedules.flow import Draft
from worker.worklist import store as worklist

_AHEAD_DAYS = 90
_MAILS, _PLANNED, _TASKS = 12, 8, 5


@dataclass(slots=True)
class Findings:
    """What there is to see. ``rehearsal`` is the page of the 90 days to come."""

    imported: Sequence[Report]
    sent: int
    last: Sequence[Any]
    planned: list[Record]
    tasks: list[Any]
    story: explain.Explanation
    mails_folder: Path
    rehearsal: Path
    seconds: float = 0.0


def look(app: App, imported: Sequence[Report], drafts: Sequence[Draft]) -> Findings:
    """Asks the ledger, the planner and the worklist, and rehearses the 90 days to come."""
    now = app.clock.now()
    period = Period(now.date(), rehearsing.last_day(now.date(), _AHEAD_DAYS))
    with reading(app.engine) as conn:
        asked = forecasting_of(app)
        coming = ahead.forecast(conn, asked, period)
        planned = [record for record in coming if record.decision == "planned"]
        story = explain.explain(conn, asked, _worth_explaining(conn))
        sent = messages.c.accepted_at.is_not(None)
        newest = select(messages).where(sent).order_by(messages.c.accepted_at.desc())
        return Findings(
            imported,
            conn.scalar(select(func.count()).where(sent)) or 0,
            conn.execute(newest.limit(_MAILS)).all(),
            planned,
            worklist.open_ones(conn),
            story,
            app.root / app.settings.mail.file.folder,
            _rehearse(app, drafts, period),
        )


def _worth_explaining(conn: Connection) -> str:
    """The licence with the most decisions of the most kinds, the newest among equals."""
    kinds = func.count(steps.c.decision.distinct())
    query = (
        select(licences.c.key)
        .join(walks, of_licence)
        .join(steps, steps.c.walk_id == walks.c.id)
        .group_by(licences.c.key)
        .order_by(kinds.desc(), func.count().desc(), func.max(steps.c.at).desc(), licences.c.key)
    )
    return str(conn.execute(query.limit(1)).scalar_one())


def _rehearse(app: App, drafts: Sequence[Draft], period: Period) -> Path:
    folder = app.root / "var" / "rehearsals" / f"{period.first}_{period.last}"
    now, defaults, letterhead = app.clock.now(), defaults_of(app), letterhead_of(app)
    asked = rehearsing.Asked(period, drafts, defaults, letterhead, now, folder)
    begun = time.perf_counter()
    with rehearsing.rehearsed(app.engine, asked) as done:
        title = f"{period.first} to {period.last}"
        return rehearsal_report.write(done, title, time.perf_counter() - begun)[0]


def tell(found: Findings, called: str, root: Path, *, as_json: bool) -> None:
    """Prints the findings; ``called`` is how the reader may call perennial."""
    if as_json:
        click.echo(show.json_line(_record(found, root)))
        return
    _tell_import(found.imported)
    _tell_mails(found)
    _tell_tasks(found.tasks)
    _head(f"Why: {called} --root {root} explain {found.story.licence.licence_key}")
    tell_story(found.story)
    _tell_next(found, called, root)


def _record(found: Findings, root: Path) -> dict[str, object]:
    return {
        "folder": str(root),
        "rows": found.imported[-1].rows,
        "rejected": found.imported[-1].rejected_rows,
        "sent": found.sent,
        "planned": len(found.planned),
        "tasks": len(found.tasks),
        "mails": str(found.mails_folder),
        "rehearsal": str(found.rehearsal),
        "seconds": found.seconds,
    }


def _head(title: str) -> None:
    click.echo(f"\n{click.style(title, bold=True)}\n")


def _tell_import(reports: Sequence[Report]) -> None:
    licences = sum(report.entities["licence"].created for report in reports)
    renewals = sum(report.renewals for report in reports)
    last = reports[-1]
    click.echo(
        f"{last.rows} rows of a real book, imported {len(reports)} times in 30 days: "
        f"{licences} licences, {renewals} renewals; {last.rejected_rows} rows rejected:"
    )
    for problem in last.problems:
        click.echo(f"  {told(problem)}")


def _tell_mails(found: Findings) -> None:
    _head(f"The last of {found.sent} mails of 30 days, as files in {found.mails_folder}")
    sent = [
        {
            "sent": f"{mail.accepted_at:%a %Y-%m-%d %H:%M} UTC",
            "to": mail.address,
            "language": mail.language,
            "subject": mail.subject,
        }
        for mail in found.last
    ]
    show.emit(sent, as_json=False, columns=("sent", "to", "language", "subject"))
    _head(f"The next of {len(found.planned)} mails and tasks that are planned for 90 days")
    planned: list[show.Record] = [
        {
            "at": f"{record.at:%a %Y-%m-%d %H:%M %Z}" if record.at else "",
            "step": record.step,
            "licence": record.licence,
            "to": record.to,
        }
        for record in found.planned[:_PLANNED]
    ]
    show.emit(planned, as_json=False, columns=("at", "step", "licence", "to"))


def _tell_tasks(tasks: Sequence[Any]) -> None:
    _head(f"The first of {len(tasks)} open tasks for people")
    rows = [task._asdict() for task in tasks[:_TASKS]]
    show.emit(rows, as_json=False, columns=("due_on", "assignee", "title", "detail"))


def _tell_next(found: Findings, called: str, root: Path) -> None:
    licence = found.planned[0].licence if found.planned else found.story.licence.licence_key
    _head(f"All that in {found.seconds} s. Open in a browser, for the 90 days to come:")
    click.echo(f"  {found.rehearsal}")
    _head("Try next")
    for arguments, why in (
        (f"explain {licence}", "what one client gets, and the arithmetic of each date"),
        ("plan --days 14", "who gets what in two weeks, and who gets nothing"),
        ("outbox", "every mail with its state"),
        ("score", "which clients fall silent, what is at stake, and why"),
        ("nps", "how likely clients are to recommend us, with sample and interval"),
        ("import licences --dry-run", "the file again: nothing changes, two rows are wrong"),
    ):
        click.echo(f"  {called} --root {root} {arguments}\n      {why}")
    click.echo(
        "\nThe pages for your own people: start the first, open the link that the second prints."
        f"\n  {called} --root {root} up"
        f"\n  {called} --root {root} user add me --name Me --role admin --staff {ADMIN} --link"
    )
    click.echo(
        f"\nOr edit {root}/schedules/renewal.toml: plan shows what that changes, apply makes it "
        "run.\nThe next demo makes this folder anew."
    )

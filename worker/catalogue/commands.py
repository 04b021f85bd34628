"""``perennial import``: a file into the book, from the terminal or from cron."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from threading import Event

    from worker.catalogue.answering import Answers
    from worker.catalogue.flow import Brake, HandOver
    from worker.catalogue.report import Report
    from worker.config.loading import Loaded
    from worker.config.wiring import Wiring

    class Importing(Wiring, Protocol):
        """What this command needs besides: where in ``config.toml`` each setting stands, a way to
        stop all mails, to tell new managers of accounts, to take answers to surveys, and whether
        the process was told to end."""

        loaded: Loaded
        pull_brake: Brake
        hand_over: HandOver
        take_answers: Answers
        stopping: Event


_SHOWN = 20
_COLUMNS = ("entity", "created", "updated", "unchanged", "rejected")


@click.command("import")
@click.argument("source")
@click.option(
    "--file",
    type=click.Path(path_type=Path),
    help="Read this file instead of the source's own path.",
)
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option(
    "--accept-endings",
    is_flag=True,
    help="Let a full sync end, or remove, more than a tenth of the source's licences or orders.",
)
@click.option("--json", "as_json", is_flag=True, help="Problems, then the report, as JSON lines.")
@click.pass_obj
def import_(
    app: Importing,
    source: str,
    file: Path | None,
    dry_run: bool,
    accept_endings: bool,
    as_json: bool,
) -> None:
    """Load one source of config.toml into the book.

    Good rows load; bad ones are told and written with their reason to var/rejects. Exit code 1
    when there are any.
    """
    from worker.catalogue.flow import Options, import_source
    from worker.kernel.errors import UsageError, did_you_mean
    from worker.kernel.show import progress

    declared = app.settings.sources.get(source)
    if declared is None:
        known = ", ".join(app.settings.sources) or "none; write [sources.NAME] in config.toml"
        hint = did_you_mean(source, app.settings.sources, otherwise=f"declared are: {known}")
        raise UsageError(f"there is no source {source!r}; {hint}")
    with progress(f"reading {source}", unit="rows") as told:
        options = Options(
            file=file.absolute() if file is not None else None,
            shown=str(file) if file is not None else None,
            dry_run=dry_run,
            accept_endings=accept_endings,
            progress=told,
            place=app.loaded.document.place,
            brake=app.pull_brake,
            hand_over=app.hand_over,
            answers=app.take_answers,
            pause=app.stopping.wait,
        )
        report = import_source(app.engine, source, declared, app.clock, app.root, options)
    if as_json:
        _emit_json(report)
    else:
        _print(report)
    if report.rejected_rows:
        raise SystemExit(1)


def _emit_json(report: Report) -> None:
    from worker.kernel.show import json_line

    for problem in report.problems:
        click.echo(json_line(problem.record()))
    click.echo(json_line(report.record()))


def _print(report: Report) -> None:
    from worker.catalogue.rejects import told
    from worker.kernel.show import emit

    records = [
        {
            "entity": name,
            "created": counts.created,
            "updated": counts.updated,
            "unchanged": counts.unchanged,
            "rejected": counts.rejected,
        }
        for name, counts in report.entities.items()
    ]
    emit(records, as_json=False, columns=_COLUMNS)
    for line in _lines(report):
        click.echo(line)
    for problem in report.problems[:_SHOWN]:
        click.echo(told(problem), err=True)
    if len(report.problems) > _SHOWN:
        click.echo(f"… and {len(report.problems) - _SHOWN} more", err=True)
    if report.rejects_path is not None:
        click.echo(f"the rejected rows are in {report.rejects_path}", err=True)


def _lines(report: Report) -> list[str]:
    """What the table does not say, in words."""
    kinds = {
        "renewals": report.renewals,
        "returns": report.returns,
        "corrections": report.corrections,
        "terms of history": report.history,
    }
    terms = ", ".join(f"{count} {name}" for name, count in kinds.items() if count)
    rows = f"{report.rows} rows, {report.rejected_rows} rejected"
    lines = [f"{rows}; {terms}" if terms else rows]
    if report.ended:
        lines.append(f"{report.ended} licences ended: they are no longer in the file")
    if report.removed:
        lines.append(f"{report.removed} orders removed: they are no longer in the file")
    lines += report.notes
    if report.braked and report.dry_run:
        lines.append(f"{report.braked}: that would stop all mails until they are released")
    elif report.braked:
        lines.append(f"{report.braked}: no mail goes out until you run perennial release")
    if report.dry_run:
        lines.append("dry run: nothing was changed")
    return lines

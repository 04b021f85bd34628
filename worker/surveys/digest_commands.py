"""``perennial nps digest``."""

from __future__ import annotations

from datetime import date
from typing import TextIO

import click

from worker.access.audit import at_the_terminal
from worker.cadence.commands import Day
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError, UsageError
from worker.surveys import digest as flow
from worker.surveys import telling


@click.command()
@click.argument("schedule")
@click.option("--from", "first", type=Day(), required=True, help="First day of asking.")
@click.option("--to", "last", type=Day(), required=True, help="Last day, included.")
@click.option(
    "--words",
    type=click.File(encoding="utf-8"),
    required=True,
    help="The file with the text; - reads it from the input.",
)
@click.option("--yes", is_flag=True, help="Send it; without, only say to how many it would go.")
@click.pass_obj
def digest(app: Wiring, schedule: str, first: date, last: date, words: TextIO, yes: bool) -> None:
    """Tell all whom SCHEDULE asked in a period what was done with the answers.

    Whether they answered plays no part. A period is told once. The text stands in all mails as it
    is in the file, an empty line between paragraphs; what is around it is in the client's language.
    """
    if last < first:
        raise UsageError(f"--to {last} lies before --from {first}; swap them.")
    period, text = Period(first, last), words.read()
    if yes:
        by, now = at_the_terminal(), app.clock.now()
        count = flow.send(app.engine, schedule, period, text, now, by)
        click.echo(f"{count:,} will be told; see: perennial outbox")
        return
    with reading(app.engine) as conn:
        wrong = list(flow.faults(conn, schedule, period, text))
        if wrong:
            raise FindingsError("\n".join(wrong))
        people = telling.to_be_told(conn, schedule, period)
    click.echo(f"{text.strip()}\n\nIt would go to {len(people):,}. Send it with --yes.")

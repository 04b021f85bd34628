"""``explain``: the story of a licence, told to people and to programs."""

from __future__ import annotations

from datetime import UTC
from typing import Any

import click

from worker.cadence import explain as explaining
from worker.cadence import explain_account, outline
from worker.cadence.commands import forecasting_of
from worker.cadence.decisions import Record
from worker.cadence.standing import DONE
from worker.cadence.summary_page import in_plain_words
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import UsageError

_UNSEEN = (
    " No schedule has looked at it yet: perennial apply makes schedules run, perennial up or tick "
    "makes them look. What would have happened then: perennial plan --as-of DAY --licence KEY"
)


@click.command()
@click.argument("licence", required=False)
@click.option("--account", metavar="KEY", help="The account itself instead of a licence.")
@click.option("--json", "as_json", is_flag=True, help="One decision a line, for programs.")
@click.pass_obj
def explain(app: Wiring, licence: str | None, account: str | None, as_json: bool) -> None:
    """Say what was sent for LICENCE, what was not and why, and what is to come."""
    if (licence is None) == (account is None):
        raise UsageError("Say what to explain: perennial explain LICENCE, or --account KEY")
    if licence is None:
        _explain_account(app, str(account), as_json)
        return
    with reading(app.engine) as conn:
        story = explaining.explain(conn, forecasting_of(app), licence)
        more = explain_account.has_story(conn, story.licence.account_id)
    if as_json:
        show.emit(
            [record.json() for record in story.records], as_json=True, columns=outline.COLUMNS
        )
        return
    tell_story(story)
    if more:
        key = story.licence.account_key
        click.echo(f"\nWhat is about the client itself: perennial explain --account {key}")


def _explain_account(app: Wiring, key: str, as_json: bool) -> None:
    """The same of the walks that are about an account itself, and of letters to its people."""
    with reading(app.engine) as conn:
        story = explain_account.explain(conn, forecasting_of(app), key)
    if as_json:
        show.emit(
            [record.json() for record in story.records], as_json=True, columns=outline.COLUMNS
        )
        return
    click.echo(f"{story.key} · {story.name}")
    for walk in story.walks:
        why = f" ({walk.walk_reason})" if walk.walk_reason else ""
        said = "" if walk.answer_score is None else f", {walk.answer_score} of 10"
        click.echo(
            f"  {walk.walk_schedule}, {walk.walk_subject} {walk.walk_cycle}{said}, from "
            f"{walk.walk_anchor_on}: {walk.walk_state}{why}"
        )
    click.echo("")
    if not story.records:
        click.echo("Nothing was decided and nothing is to come.")
    for record in story.records:
        _tell_record(record, "cycle")


def tell_story(story: explaining.Explanation) -> None:
    """Prints what is known of a licence: its terms, its walks, every decision."""
    row = story.licence
    click.echo(f"{row.licence_key} · {row.account_name} ({row.account_key}) · {row.licence_status}")
    for term in story.terms:
        number = f"term {term.number}" if term.number else "earlier term"
        start = term.starts_on or "unknown start"
        closed = f", agreed {term.closed_on}" if term.closed_on else ""
        click.echo(f"  {number}: {start} to {term.expires_on}{closed} ({term.origin})")
    for walk in story.walks:
        state = f"{walk.state} ({walk.reason})" if walk.reason else walk.state
        state += f": {story.missed[walk.schedule]}" if _parted(walk, story) else ""
        seen = walk.first_act_at.astimezone(UTC)
        click.echo(
            f"  {walk.schedule}, term {walk.cycle}: {state}, first seen {seen:%Y-%m-%d %H:%M} UTC"
        )
    for stop in story.stops:
        end = f"until {stop.until}" if stop.until else "until it is lifted"
        click.echo(f"  stopped {end}, {stop.scope} {stop.subject}: {stop.reason}")
    for one in story.interventions:
        end = f" until {one.until}" if one.until else ""
        click.echo(f"  {one.step}: {DONE[one.kind]}{end} by {one.who}: {one.reason}")
    click.echo("")
    if not story.records:
        seen = "" if story.walks else _UNSEEN
        click.echo(f"Nothing was decided and nothing is to come.{seen}")
    for record in story.records:
        _tell_decision(story, record)


def _parted(walk: Any, story: explaining.Explanation) -> bool:
    """Whether the current term's walk rests because of a condition that can be named."""
    current = walk.cycle == story.licence.licence_term
    return current and walk.reason == "not-in-audience" and walk.schedule in story.missed


def _tell_decision(story: explaining.Explanation, record: Record) -> None:
    _tell_record(record, "term")
    sum_ = story.why(record)
    if sum_:
        click.echo(f"    {sum_}")


def _tell_record(record: Record, cycle: str) -> None:
    at = f"{record.at:%a %Y-%m-%d %H:%M %Z}" if record.at else "-"
    what = f"{record.schedule}/{record.step}" if record.step else "licence"
    to = f" to {', '.join(record.to)}" if record.to else ""
    which = f"{cycle} {record.cycle}" if record.cycle else "letter"
    click.echo(f"{at}  {what} ({which}): {record.decision}{to}")
    if record.reason:
        click.echo(f"    {record.reason}: {in_plain_words(record.reason)}")

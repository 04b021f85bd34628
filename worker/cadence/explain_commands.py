"""``explain``: the story of a licence or an account, told to people and to programs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from typing import Any

import click
from sqlalchemy.engine import Connection

from worker.cadence import explain as explaining
from worker.cadence import explain_account, outline
from worker.cadence.ahead import Forecasting
from worker.cadence.commands import forecasting_of
from worker.cadence.decisions import Record
from worker.cadence.explain_account import AccountStory
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
@click.argument("key", required=False)
@click.option("--account", metavar="KEY", help="This account, whatever licence has the same key.")
@click.option("--json", "as_json", is_flag=True, help="One decision a line, for programs.")
@click.pass_obj
def explain(app: Wiring, key: str | None, account: str | None, as_json: bool) -> None:
    """Say what was sent for KEY, what was not and why, and what is to come.

    KEY is that of a licence, or of an account: then it is the story of the account's own walks.
    """
    if (key is None) == (account is None):
        raise UsageError("Say what to explain: perennial explain KEY, or --account KEY")
    with reading(app.engine) as conn:
        asked = forecasting_of(app)
        if key is None:
            stories: list[_Story] = [explain_account.explain(conn, asked, str(account))]
        else:
            stories = _stories(conn, asked, key)
        more = _untold(conn, stories)
    if len(stories) > 1:
        click.echo(f"{key} is a licence and an account; this is what is known of both.", err=True)
    if as_json:
        records = [record.json() for story in stories for record in story.records]
        show.emit(records, as_json=True, columns=outline.COLUMNS)
        return
    _tell(stories)
    if more:
        click.echo(f"\nWhat is about the client itself: perennial explain --account {more}")


def _tell(stories: list[_Story]) -> None:
    for number, story in enumerate(stories):
        if number:
            click.echo("")
        if isinstance(story, AccountStory):
            _tell_account(story)
        else:
            tell_story(story)


_Story = explaining.Explanation | AccountStory


def _stories(conn: Connection, asked: Forecasting, key: str) -> list[_Story]:
    """The story of the licence with this key, that of the account, or both; ``FindingsError`` when
    neither is in the book."""
    is_account = explain_account.named(conn, key) is not None
    found: list[_Story] = []
    if not is_account or explaining.named(conn, key) is not None:
        found.append(explaining.explain(conn, asked, key))
    if is_account:
        found.append(explain_account.explain(conn, asked, key))
    return found


def _untold(conn: Connection, stories: list[_Story]) -> str:
    """The key of the account of which more can be told than these stories do; empty when none."""
    (first, *others) = stories
    if others or isinstance(first, AccountStory):
        return ""
    owner = first.licence
    return owner.account_key if explain_account.has_story(conn, owner.account_id) else ""


def _tell_account(story: AccountStory) -> None:
    """Prints what is known of an account's own walks."""
    click.echo(f"{story.key} · {story.name}")
    for walk in story.walks:
        why = f" ({walk.walk_reason})" if walk.walk_reason else ""
        said = "" if walk.answer_score is None else f", {walk.answer_score} of 10"
        click.echo(
            f"  {walk.walk_schedule}, {walk.walk_subject} {walk.walk_cycle}{said}, from "
            f"{walk.walk_anchor_on}: {walk.walk_state}{why}"
        )
    _tell_interventions(story.interventions)
    click.echo("")
    if not story.records:
        click.echo("Of the account itself nothing was decided and nothing is to come.")
    for record in story.records:
        _tell_record(record, "cycle")
    if story.licences:
        more = "" if len(story.licences) < explain_account.MOST_LICENCES else " …"
        click.echo(
            f"\nMails about its licences: perennial explain {' | '.join(story.licences)}{more}"
        )


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
    _tell_interventions(story.interventions)
    click.echo("")
    if not story.records:
        seen = "" if story.walks else _UNSEEN
        click.echo(f"Nothing was decided and nothing is to come.{seen}")
    for record in story.records:
        _tell_decision(story, record)


def _tell_interventions(done: Sequence[Any]) -> None:
    """What people did with planned mails."""
    for one in done:
        end = f" until {one.until}" if one.until else ""
        click.echo(f"  {one.step}: {DONE[one.kind]}{end} by {one.who}: {one.reason}")


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

"""``perennial outbox``: mails with their state, and one that waits as it reads now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import click

from worker.cadence import mails, posted
from worker.cadence.addressed import Judge
from worker.cadence.commands import defaults_of, letterhead_of
from worker.cadence.posted import House
from worker.cadence.trial_commands import tell_mail
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.outbox import rules
from worker.templating.render import Renderer

_STATES = (
    rules.DUE,
    rules.SENDING,
    rules.ACCEPTED,
    rules.UNKNOWN,
    rules.FAILED,
    rules.BLOCKED,
    rules.CANCELLED,
    rules.GIVEN_UP,
    "superseded",
    "skipped",
)
_COLUMNS = ("day", "state", "account", "address", "licences", "step", "language", "subject")


class _App(Wiring, Protocol):
    """The wired application, with what letters are judged by and written from."""

    @property
    def judges(self) -> Mapping[str, Judge]: ...

    @property
    def texts(self) -> Callable[[], Renderer]: ...


@click.command()
@click.option("--state", type=click.Choice(_STATES), help="Only mails in this state.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True)
@click.option("--show", "mail_key", help="Show this mail, which waits, as it would go out now.")
@click.option("--json", "as_json", is_flag=True, help="One mail a line, for programs.")
@click.pass_obj
def outbox(app: _App, state: str | None, limit: int, mail_key: str | None, as_json: bool) -> None:
    """List mails with their state, the newest first."""
    if mail_key is not None:
        with reading(app.engine) as conn:
            now = app.clock.now()
            given = letterhead_of(app), defaults_of(app), now
            letter = mails.waiting_letter(conn, mail_key)
            if letter is None:
                mail = mails.as_it_would_go(conn, mail_key, *given)
            else:
                mail = posted.as_it_reads(conn, letter, House(app.judges, app.texts), *given)
        tell_mail(mail, as_json=as_json)
        return
    with reading(app.engine) as conn:
        rows = mails.listed(conn, state, limit)
    shown = rows if as_json else [row | {"licences": some(row["licences"])} for row in rows]
    columns = (*_COLUMNS, "reason", "mail_key")
    if not show.emit(shown, as_json=as_json, columns=columns) and not as_json:
        click.echo("No mail yet. `perennial plan` shows what will go out.")


def some(keys: Sequence[str]) -> str:
    """The first of many, and how many more."""
    first, *others = keys or ("",)
    return f"{first} and {len(others)} more" if others else first

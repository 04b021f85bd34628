"""``perennial mail``: hold, edit or take over one planned mail, or give it back."""

from __future__ import annotations

from datetime import date
from typing import Any

import click

from worker.access import audit
from worker.cadence import aiming, interventions
from worker.cadence.aiming import Person, Place
from worker.cadence.commands import Day, defaults_of
from worker.cadence.interventions import Wish
from worker.cadence.standing import EDIT, HOLD, TAKE_OVER
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.templating.own import own_of


@click.group()
def mail() -> None:
    """Hold, edit or take over one planned mail, or give it back to the machine.

    KEY is a licence's key, or an account's for the mails of its own walks; STEP is the id of a step
    that mails. It is the mail of the licence's current term, or the account's next one. Too late is
    told: a mail that is leaving, or has left, stays as it is.
    """


def _about(command: Any) -> Any:
    """Which mail."""
    command = click.option("--schedule", help="Where several have this step.")(command)
    command = click.argument("step")(command)
    return click.argument("key")(command)


_reason = click.option("--reason", required=True, help="Why; a colleague should understand it.")


@mail.command()
@_about
@_reason
@click.option("--until", type=Day(), help="The last day of the hold; without it, until lifted.")
@click.pass_obj
def hold(
    app: Wiring, key: str, step: str, schedule: str | None, reason: str, until: date | None
) -> None:
    """Keep the mail back; when the hold ends, it goes if it still fits."""
    _do(app, (key, step, schedule), Wish(HOLD, reason, until))


@mail.command()
@_about
@_reason
@click.option("--subject", default="", help="Instead of the template's.")
@click.option("--words", default="", help="A paragraph above the mail's own text.")
@click.pass_obj
def edit(
    app: Wiring,
    key: str,
    step: str,
    schedule: str | None,
    reason: str,
    subject: str,
    words: str,
) -> None:
    """Give the mail a subject, or words above its text; all else stays as it is."""
    _do(app, (key, step, schedule), Wish(EDIT, reason, own=own_of(subject, words)))


@mail.command("take-over")
@_about
@_reason
@click.pass_obj
def take_over(app: Wiring, key: str, step: str, schedule: str | None, reason: str) -> None:
    """Write to the client yourself: the machine never sends the mail, and a task is opened."""
    _do(app, (key, step, schedule), Wish(TAKE_OVER, reason))


@mail.command()
@_about
@click.option("--words", is_flag=True, help="Take own words out of it, and nothing else.")
@click.pass_obj
def lift(app: Wiring, key: str, step: str, schedule: str | None, words: bool) -> None:
    """End a hold, or give a mail back that was taken over."""
    kinds = (EDIT,) if words else (HOLD, TAKE_OVER)
    asked = _person(), defaults_of(app), app.clock.now()
    place = _place(app, key, step, schedule, back=not words)
    click.echo(interventions.lift(app.engine, place, *asked, kinds))


def _do(app: Wiring, about: tuple[str, str, str | None], wish: Wish) -> None:
    asked = _person(), defaults_of(app), app.clock.now()
    click.echo(interventions.intervene(app.engine, _place(app, *about), wish, *asked))


def _place(app: Wiring, key: str, step: str, schedule: str | None, *, back: bool = False) -> Place:
    with reading(app.engine) as conn:
        return aiming.find(conn, key, step, schedule, back=back)


def _person() -> Person:
    return Person(audit.at_the_terminal())

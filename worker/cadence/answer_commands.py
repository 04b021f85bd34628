"""``approve``, ``release``, ``stop`` and ``confirm-instance``: a person's answers."""

from __future__ import annotations

from datetime import date

import click

from worker.access.audit import at_the_terminal
from worker.cadence import answers, brakes, mails, waits
from worker.cadence.commands import Day
from worker.cadence.picture import counted
from worker.catalogue import stops
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import FindingsError, UsageError


@click.command()
@click.argument("schedules", nargs=-1)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def approve(app: Wiring, schedules: tuple[str, ...], yes: bool) -> None:
    """Let the mails of SCHEDULES go that wait for an approval; without a name, of all.

    Shows what would go, and asks.
    """
    with reading(app.engine) as conn:
        groups = mails.awaiting(conn, schedules)
    if groups and not yes:
        for group in groups:
            _tell_awaiting(group)
        if not click.confirm("Let them go?", err=True):
            raise FindingsError("Nothing was approved.")
    done = answers.approve(app.engine, schedules, app.clock.now(), at_the_terminal())
    for stem, count in done:
        click.echo(f"{stem}: approved; {counted(count, 'mail')} may go")
    if not done:
        click.echo("Nothing waits for an approval.")


def _tell_awaiting(group: mails.Awaiting) -> None:
    """What would go of one step, on stderr, and how to read one of its mails."""
    count = f"{counted(group.mails, 'mail')} about {counted(group.licences, 'licence')}"
    more = " …" if group.mails > len(group.addresses) else ""
    to = f"{', '.join(group.addresses)}{more}"
    click.echo(f"{group.schedule}/{group.step}: {count}, to {to}", err=True)
    click.echo(f"    read one: perennial outbox --show {group.example}", err=True)


@click.command()
@click.argument("brakes_", metavar="[BRAKE]...", type=int, nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Take every brake off.")
@click.option("--note", default="", help="Why; kept with the brake.")
@click.option("--json", "as_json", is_flag=True, help="One brake or group of mails a line.")
@click.pass_obj
def release(
    app: Wiring, brakes_: tuple[int, ...], everything: bool, note: str, as_json: bool
) -> None:
    """Go on after a brake has stopped everything; without a BRAKE, list what is held and why."""
    if not brakes_ and not everything:
        _list_held(app, as_json=as_json)
        return
    done = answers.release(
        app.engine, brakes_, note or "released", app.clock.now(), at_the_terminal()
    )
    for brake in done:
        click.echo(f"released {brake.id}: {brake.kind}, {brake.about}")
    if not done:
        click.echo("No brake is on.")


def _list_held(app: Wiring, *, as_json: bool) -> None:
    held = answers.waiting(app.engine)
    rows = [dict(row._mapping) for row in held]
    if as_json:
        show.emit(rows, as_json=True, columns=())
        return
    on = [row for row in rows if "kind" in row]
    for brake in on:
        click.echo(f"{brake['id']}  {brake['kind']}  {brake['detail']}")
        click.echo(f"    {brakes.answer(brake['kind'], brake['id'])}")
    for group in held:
        if "kind" not in group._mapping:
            click.echo(waits.held_line(group))
    if not rows:
        click.echo("Nothing is held.")


@click.command()
@click.argument("scope", required=False, type=click.Choice([*stops.SCOPES]))
@click.argument("key", required=False)
@click.option("--reason", help="Why; needed for a new stop.")
@click.option("--until", type=Day(), help="The last day of the stop; without it, until lifted.")
@click.option("--lift", is_flag=True, help="End the stop.")
@click.option("--json", "as_json", is_flag=True, help="The stops that stand, one a line.")
@click.pass_obj
def stop(
    app: Wiring,
    scope: str | None,
    key: str | None,
    reason: str | None,
    until: date | None,
    lift: bool,
    as_json: bool,
) -> None:
    """Stop all steps for a licence or an account, or all mail to a contact (by address).

    What falls due meanwhile is recorded as suppressed and not made up for. Without SCOPE and KEY,
    list the stops that stand.
    """
    if scope is None:
        _list_stops(app, as_json=as_json)
        return
    if key is None:
        raise UsageError(f"Which {scope}? Write: perennial stop {scope} KEY --reason WHY")
    now = app.clock.now()
    if lift:
        ended = answers.lift(app.engine, scope, key, now, at_the_terminal())
        click.echo(f"{scope} {key}: {'the stop is lifted' if ended else 'was not stopped'}")
        return
    if not reason:
        raise UsageError("A stop needs a reason that a colleague understands: --reason WHY")
    if until is not None and until < now.date():
        raise UsageError(f"--until {until} is past; the stop would end before it begins")
    answers.stop(app.engine, scope, key, reason, until, now, at_the_terminal())
    end = f" until {until}" if until else ""
    click.echo(f"{scope} {key}: stopped{end}; end it with: perennial stop {scope} {key} --lift")


def _list_stops(app: Wiring, *, as_json: bool) -> None:
    with reading(app.engine) as conn:
        rows = [dict(row._mapping) for row in stops.listed(conn, app.clock.now().date())]
    columns = ("scope", "subject", "until", "reason", "made_at")
    if not show.emit(rows, as_json=as_json, columns=columns) and not as_json:
        click.echo("Nothing is stopped.")


@click.command("confirm-instance")
@click.pass_obj
def confirm_instance(app: Wiring) -> None:
    """Say that this database, which was copied or moved, is the one that shall mail."""
    released = brakes.confirm_place(app.engine, app.clock.now(), at_the_terminal())
    said = "This instance is confirmed; it mails from now on."
    click.echo(said if released else "Nothing was in doubt.")

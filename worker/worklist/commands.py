"""``perennial tasks``: work for people."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Protocol

import click

from worker.access import audit
from worker.access.rules import Role
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.dates import civil_date, zone
from worker.kernel.errors import FindingsError, UsageError
from worker.worklist import flow, people, rules, store
from worker.worklist.flow import Hears, More, Today
from worker.worklist.rules import Hand

_COLUMNS = ("id", "kind", "due_on", "assignee", "title", "detail")
_MORE = ("key", "pool", "snoozed_until", "version", "opened_at")


class _App(Wiring, Protocol):
    """The wired application, with who hears of tasks that people close."""

    @property
    def hear_closed(self) -> Hears: ...


@click.command()
@click.option("--kind", help="Only tasks of this kind: step, answer, promise, dormant …")
@click.option("--for", "who", metavar="WHO", help="Of this member of staff, by key or login.")
@click.option(
    "--claim", type=int, metavar="ID", help="Claim the task with this number; with --for."
)
@click.option("--give-back", type=int, metavar="ID", help="Leave it to its pool again.")
@click.option("--assign", type=int, metavar="ID", help="Give it to a member of staff; with --for.")
@click.option("--snooze", type=int, metavar="ID", help="Take it off the lists; with --until.")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day on which it comes back; with --outcome later, on which to look again.",
)
@click.option("--done", type=int, metavar="ID", help="Close the task with this number.")
@click.option("--outcome", help="What came of it, as a word that fits; with --done.")
@click.option("--why", default="", help="Why, for an outcome that needs a reason: price …")
@click.option("--note", default="", help="Words for the history; with any of the above.")
@click.option("--history", type=int, metavar="ID", help="What happened to it so far.")
@click.option("--json", "as_json", is_flag=True, help="One task a line, for programs.")
@click.pass_obj
def tasks(app: _App, /, kind: str | None, as_json: bool, **said: Any) -> None:
    """List open tasks, those due first; or say what a person did about one."""
    doing = [name for name in _DOES if said[name] is not None]
    if said["history"] is not None:
        _show_history(app, said["history"], as_json)
    elif len(doing) > 1:
        both = " and ".join(f"--{name.replace('_', '-')}" for name in doing)
        raise UsageError(f"{both}: one thing at a time, please.")
    elif doing:
        _do(app, doing[0], said[doing[0]], said)
    else:
        _list(app, kind, said["who"], as_json)


def _list(app: _App, kind: str | None, who: str | None, as_json: bool) -> None:
    with reading(app.engine) as conn:
        key = people.find(conn, who) if who else None
        if who and key is None:
            raise FindingsError(f"--for: expected a member of staff, got {who!r}.")
        found = store.open_ones(conn, [kind] if kind else [])
    rows = [_row(row) for row in found if who is None or row.assignee == key]
    if not show.emit(rows, as_json=as_json, columns=_COLUMNS) and not as_json:
        click.echo("No open task.")


def _row(row: Any) -> dict[str, object]:
    return {name: row._mapping[name] for name in (*_COLUMNS, *_MORE)}


def _show_history(app: _App, number: int, as_json: bool) -> None:
    with reading(app.engine) as conn:
        task = store.one(conn, number)
        if task is None:
            raise FindingsError(f"No task has the number {number}; see: perennial tasks")
        rows = [
            {"at": task.opened_at, "who": task.opened_by, "what": "opened", "note": task.title},
            *(row._asdict() for row in store.history(conn, number)),
        ]
    show.emit(rows, as_json=as_json, columns=("at", "who", "what", "note"))


# --- what a person did ---


def _do(app: _App, what: str, number: int, said: dict[str, Any]) -> None:
    """Does one thing to the open task with that number, as whoever types."""
    now = app.clock.now()
    with reading(app.engine) as conn:
        task = store.one(conn, number)
        staff = people.find(conn, said["who"] or audit.at_the_terminal().name)
    if task is None or task.closed_at is not None:
        raise FindingsError(f"No open task has the number {number}; see: perennial tasks")
    hand = Hand(audit.at_the_terminal(), Role.ADMIN, staff)
    click.echo(_DOES[what](app, hand, task, said, now))
    if said["note"] and what != "done":
        with reading(app.engine) as conn:
            seen = store.version_of(conn, number)
        flow.note(app.engine, hand, number, seen, said["note"], now)


def _claim(app: _App, hand: Hand, task: Any, said: dict[str, Any], now: datetime) -> str:
    if hand.staff is None:
        raise UsageError("--claim needs --for WHO: the key or the login of a member of staff.")
    capacity = app.settings.worklist.capacity
    flow.claim(app.engine, hand, task.id, task.version, now, capacity)
    return f"task {task.id} is {hand.staff}'s: {task.title}"


def _give_back(app: _App, hand: Hand, task: Any, said: dict[str, Any], now: datetime) -> str:
    left = flow.give_back(app.engine, hand, task.id, task.version, now)
    return f"task {task.id} is left to {left.pool}: {task.title}"


def _assign(app: _App, hand: Hand, task: Any, said: dict[str, Any], now: datetime) -> str:
    if not said["who"]:
        raise UsageError("--assign needs --for WHO: the key or the login of a member of staff.")
    given = flow.assign(app.engine, hand, task.id, task.version, said["who"], now)
    return f"task {task.id} is {given.assignee}'s: {task.title}"


def _snooze(app: _App, hand: Hand, task: Any, said: dict[str, Any], now: datetime) -> str:
    if said["until"] is None:
        raise UsageError("--snooze needs --until DAY, such as 2027-01-15.")
    until: date = said["until"].date()
    today = Today(now, civil_date(now, zone(app.settings.book.timezone)))
    flow.snooze(app.engine, hand, task.id, task.version, until, today)
    return f"task {task.id} rests until {until}: {task.title}"


def _close(app: _App, hand: Hand, task: Any, said: dict[str, Any], now: datetime) -> str:
    outcome = said["outcome"] or rules.usual_outcome(task.kind)
    today = civil_date(now, zone(app.settings.book.timezone))
    until = said["until"].date() if said["until"] else None
    more = More(said["why"], until, today, app.hear_closed)
    flow.close(app.engine, hand, task.id, task.version, outcome, said["note"], now, more)
    return f"task {task.id} is closed: {task.title}"


_DOES = {
    "claim": _claim,
    "give_back": _give_back,
    "assign": _assign,
    "snooze": _snooze,
    "done": _close,
}

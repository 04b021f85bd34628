"""``perennial tasks``: work for people."""

from __future__ import annotations

from typing import Any

import click

from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import FindingsError
from worker.worklist import store

_COLUMNS = ("id", "kind", "due_on", "assignee", "title", "detail")


@click.command()
@click.option("--kind", help="Only tasks of this kind: step, no-contact, brake, alarm …")
@click.option("--done", type=int, metavar="ID", help="Close the task with this number.")
@click.option("--note", default="done", show_default=True, help="What came of it; with --done.")
@click.option("--json", "as_json", is_flag=True, help="One task a line, for programs.")
@click.pass_obj
def tasks(app: Wiring, kind: str | None, done: int | None, note: str, as_json: bool) -> None:
    """List open tasks, those due first; or close one that a person has done."""
    if done is not None:
        _close(app, done, note)
        return
    with reading(app.engine) as conn:
        rows = [_row(row) for row in store.open_ones(conn, [kind] if kind else [])]
    if not show.emit(rows, as_json=as_json, columns=_COLUMNS) and not as_json:
        click.echo("No open task.")


def _close(app: Wiring, number: int, note: str) -> None:
    with app.engine.begin() as conn:
        closed = store.close_one(conn, number, note, app.clock.now())
    if closed is None:
        raise FindingsError(f"No open task has the number {number}; see: perennial tasks")
    click.echo(f"task {number} is closed: {closed}")


def _row(row: Any) -> dict[str, object]:
    return {name: row._mapping[name] for name in (*_COLUMNS, "key", "opened_at")}

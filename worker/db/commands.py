"""``perennial db``: the schema of the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Protocol

import click

if TYPE_CHECKING:
    from sqlalchemy import Engine


class Opening(Protocol):
    """What these commands need: the database as it is, before anyone asks for its schema."""

    def raw_engine(self) -> Engine: ...


@click.group()
def db() -> None:
    """Create and upgrade the tables."""


@db.command()
@click.pass_obj
def upgrade(app: Opening) -> None:
    """Bring the tables to what this release needs. Safe to run twice, or at once."""
    from worker.db.migrate import current, head
    from worker.db.migrate import upgrade as run

    engine = app.raw_engine()
    try:
        before = current(engine)
        run(engine)
        after = current(engine)
    finally:
        engine.dispose()
    moved = f"{before or 'empty'} -> {after}" if before != after else f"already at {after}"
    click.echo(f"{moved}; this release needs {head()}", err=True)


@db.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def current(app: Opening, as_json: bool) -> None:
    """Say where the tables stand. Exit code 1 when they need an upgrade."""
    from worker.db.migrate import current as found
    from worker.db.migrate import head

    engine = app.raw_engine()
    try:
        revision = found(engine)
    finally:
        engine.dispose()
    behind = revision is None or revision < head()
    if as_json:
        click.echo(json.dumps({"current": revision, "head": head(), "behind": behind}))
    else:
        click.echo(f"{revision or 'no tables'} (this release needs {head()})")
    if behind:
        click.get_current_context().exit(1)

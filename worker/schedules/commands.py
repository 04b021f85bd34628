"""``perennial schema``: what an editor needs to complete and check a schedule."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import click


class Rooted(Protocol):
    """What this command needs to know: the folder that holds ``schedules/``."""

    root: Path


@click.command()
@click.option("--write", is_flag=True, help="Write it to schedules/schedule.schema.json instead.")
@click.pass_obj
def schema(app: Rooted, write: bool) -> None:
    """Print the JSON Schema of schedules."""
    from worker.schedules.schema import schema_text
    from worker.schedules.schema import write as write_file

    if write:
        click.echo(f"wrote {write_file(app.root / 'schedules')}", err=True)
    else:
        click.echo(schema_text(), nl=False)

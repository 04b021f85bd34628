"""``perennial check``: every file that people edit, read as a start would read it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from worker.kernel.errors import ConfigError, Problem

if TYPE_CHECKING:
    from worker.cli.main import LateApp


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line for each problem.")
@click.pass_obj
def check(app: LateApp, as_json: bool) -> None:
    """Check config.toml, schedules and templates, without a database.

    All problems at once, as file:line:column. Exit code 1 when there are any.
    """
    from worker.kernel.show import json_line
    from worker.schedules.loader import load_folder

    schedules = load_folder(app.root / "schedules", app.root / "templates")
    problems = [*_configuration(app), *schedules.problems, *_templates(app.root / "templates")]
    for problem in [*problems, *schedules.notes]:
        click.echo(json_line(problem.record()) if as_json else str(problem))
    if problems:
        click.echo("1 problem" if len(problems) == 1 else f"{len(problems)} problems", err=True)
        raise SystemExit(1)
    click.echo("no problems", err=True)


def _configuration(app: LateApp) -> Iterator[Problem]:
    from worker.catalogue.mapping import check_loads
    from worker.config.loading import load
    from worker.sources.declared import check_source
    from worker.sources.table import KINDS

    try:
        loaded = load(app.root, app.environ, app.flags)
    except ConfigError as error:
        yield from error.problems
        return
    document = loaded.document
    for name, source in loaded.settings.sources.items():
        yield from check_source(name, source, KINDS, file=document.name, place=document.place)
        yield from check_loads(name, source, file=document.name, place=document.place)[1]


def _templates(folder: Path) -> list[Problem]:
    from worker.templating.check import check_folder

    return check_folder(folder)

"""``perennial config``: what is set, and where it was set."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from worker.cli.main import LateApp
    from worker.config.loading import Loaded


@click.group()
def config() -> None:
    """Show settings."""


@config.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def show(app: LateApp, as_json: bool) -> None:
    """List every setting with its value and its origin. Secrets and passwords are masked."""
    from worker.config.loading import load
    from worker.kernel.show import emit

    loaded = load(app.root, app.environ, app.flags)
    emit(_records(loaded), as_json=as_json, columns=("setting", "value", "origin"))


def _records(loaded: Loaded) -> Iterator[dict[str, object]]:
    from worker.config.loading import leaves

    for path, value in leaves(loaded.settings):
        name = ".".join(map(str, path))
        yield {"setting": name, "value": _shown(value), "origin": loaded.origins[name]}


def _shown(value: object) -> object:
    from worker.config.loading import is_secret
    from worker.config.validation import masked
    from worker.config.values import span_text
    from worker.kernel.dates import Allowance, Pace

    if is_secret(value):
        return "***"
    if isinstance(value, timedelta):
        return span_text(value)
    if isinstance(value, Allowance | Pace):
        return str(value)
    if isinstance(value, list):
        return "1 table" if len(value) == 1 else f"{len(value)} tables"
    return masked(value) if isinstance(value, str) else value

"""The commands that keep running: ``up``, ``worker``, ``scheduler``, ``web``; and ``doctor``."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from worker.bootstrap import App


@click.command()
@click.pass_obj
def up(app: App) -> None:
    """Run everything in one process, until it is told to stop."""
    run_everything(app)


def run_everything(app: App) -> None:
    """Beat, workers and pages in this process, until TERM or Ctrl-C."""
    from worker.jobs.broker import brokered
    from worker.jobs.scheduler import beating
    from worker.jobs.worker import working
    from worker.web.serving import serving

    with _told_to_stop(app) as told, ExitStack() as parts:
        app.create_tables_if_none()
        _require_usable(app)
        broker = parts.enter_context(brokered(app.settings.jobs.broker, app))
        parts.enter_context(working(app, broker, told.set))
        parts.enter_context(beating(app, broker, app.settings.beat.every, told.set))
        parts.enter_context(serving(app, told.set))
        _wait(app, told)


@click.command()
@click.pass_obj
def worker(app: App) -> None:
    """Plan, send and call, when a scheduler rings. Run as many as you like."""
    from worker.jobs.worker import working

    _run_with_broker(app, lambda broker, ended: working(app, broker, ended))


@click.command()
@click.pass_obj
def scheduler(app: App) -> None:
    """Look for what is due and ring the workers. A second one does no harm."""
    from worker.jobs.scheduler import beating

    every = app.settings.beat.every
    _run_with_broker(app, lambda broker, ended: beating(app, broker, every, ended))


@click.command()
@click.pass_obj
def web(app: App) -> None:
    """Serve pages and probes."""
    from worker.web.serving import serving

    with _told_to_stop(app) as told:
        _require_usable(app)
        with serving(app, told.set):
            _wait(app, told)


Part = Callable[[Any, Callable[[], None]], AbstractContextManager[None]]
"""Runs on a broker until it is left; calls the second argument when it cannot go on."""


def _run_with_broker(app: App, part: Part) -> None:
    from worker.jobs.broker import brokered
    from worker.kernel.errors import ConfigError

    if app.settings.jobs.broker == "memory":
        raise ConfigError(
            'jobs.broker is "memory", which cannot leave its process: run perennial up, or set '
            'broker = "redis://…" under [jobs] in config.toml'
        )
    with _told_to_stop(app) as told:
        _require_usable(app)
        with brokered(app.settings.jobs.broker, app) as broker, part(broker, told.set):
            _wait(app, told)


def _wait(app: App, told: threading.Event) -> None:
    """Waits for the signal; exit code 1 when it was a part that gave up instead."""
    told.wait()
    if not app.stopping.is_set():
        click.get_current_context().exit(1)


def _require_usable(app: App) -> None:
    """Refuses a database that no waiting would mend; one that is only away, we wait for."""
    import structlog
    from sqlalchemy.exc import OperationalError

    try:
        app.engine  # noqa: B018 -- the first use checks it
    except OperationalError as error:
        log = structlog.get_logger(__name__)
        log.warning("database.away", error=type(error).__name__)


@contextmanager
def _told_to_stop(app: App) -> Iterator[threading.Event]:
    """An event that TERM or Ctrl-C sets, once; a second signal ends the process at once."""
    from worker.telemetry.logs import configure

    log_settings = app.settings.log
    configure(log_settings.format, log_settings.level)
    told = threading.Event()

    def tell(number: int, _frame: Any) -> None:
        signal.signal(number, signal.SIG_DFL)
        app.stopping.set()
        told.set()

    signs = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(sign, tell) for sign in signs]
    try:
        yield told
    finally:
        app.stopping.set()
        app.close()
        for sign, handler in zip(signs, before, strict=True):
            signal.signal(sign, handler)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@click.pass_obj
def doctor(app: App, as_json: bool) -> None:
    """Ask every dependency how it is, and list what waits for a person.

    Exit code 0: all is well. 1: something should be looked at. 4: a dependency is down.
    """
    from worker.doctor import Level, examine

    found = examine(app)
    for check in found:
        if as_json:
            click.echo(json.dumps(check.record(), ensure_ascii=False))
        else:
            click.echo(f"{check.level:8} {check.name}: {check.said}")
    levels = {check.level for check in found}
    code = 4 if Level.DOWN in levels else 1 if Level.FINDING in levels else 0
    click.get_current_context().exit(code)

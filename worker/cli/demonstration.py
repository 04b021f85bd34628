"""``perennial demo``: a sample book in a folder of its own, thirty days of it already lived."""

from __future__ import annotations

import secrets
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import click

from worker.kernel.clock import VirtualClock

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from worker.bootstrap import App
    from worker.cadence.machine import Machine
    from worker.catalogue.report import Report
    from worker.cli.main import LateApp
    from worker.cli.sample_book import Row
    from worker.schedules.flow import Draft

LIVED = timedelta(days=30)
_READ_AT = time_of_day(6, tzinfo=UTC)
_HARMLESS = ("web.", "log.", "beat.")


@click.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("var/demo"),
    show_default=True,
    help="Where to make it; what an earlier demo left there is made anew.",
)
@click.option("--once", is_flag=True, help="Show it and end; otherwise it goes on until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@click.pass_obj
def demo(app: LateApp, folder: Path, once: bool, as_json: bool) -> None:
    """Show it at work on a sample book, nothing to set up.

    200 real licences, imported, planned and mailed as if it had run for the last 30 days, and two
    years of orders of 36 real clients of another business; what clients answered is made up. The
    mails are files in a folder; nobody is mailed, and nothing of your own settings is used.
    """
    from worker.bootstrap import App
    from worker.cadence.commands import checked_drafts
    from worker.cli import demo_report, sample_book
    from worker.cli.running import run_everything

    begun = time.perf_counter()
    flags = _flags(app.flags)
    folder = app.root / folder
    sample_book.make_folder(folder)
    # No variable of the environment counts here, or a demo could write into a real database. The
    # key of clients' links is made up for this run.
    environ = {"PERENNIAL_WEB__LINK_KEY": secrets.token_hex(32)}
    now = App.open(folder, environ, flags).clock.now()
    drafts = checked_drafts(folder)
    reports = live(folder, flags, now, drafts, environ)
    shown = App.open(folder, environ, flags)
    try:
        findings = demo_report.look(shown, reports, drafts)
        findings.seconds = round(time.perf_counter() - begun, 1)
        demo_report.tell(findings, _called_as(), folder, as_json=as_json)
        if not once:
            web = shown.settings.web
            click.echo(f"It goes on at http://{web.host}:{web.port} until Ctrl-C.", err=True)
            click.echo(f"Sign in, once, as its admin: {_sign_in_link(shown)}", err=True)
            click.echo(f"What a client sees who answers a mail: {_answer_page(shown)}", err=True)
            run_everything(shown)
    finally:
        shown.close()


def _sign_in_link(app: App) -> str:
    """The address that signs the demo's admin in, once."""
    from worker.access import flow, store
    from worker.access.rules import Role
    from worker.cli.sample_desk import ADMIN

    now = app.clock.now()
    values = {"login": "demo", "name": "Sara Lind", "role": Role.ADMIN, "staff": ADMIN}
    with app.engine.begin() as conn:
        user = store.add_user(conn, values, now)
    return f"{app.settings.web.base_url}/sign-in/link/{flow.offer(app.engine, user, now)}"


def _flags(given: Mapping[str, str]) -> dict[str, str]:
    from worker.kernel.errors import UsageError

    foreign = [name for name in given if not name.startswith(_HARMLESS)]
    if foreign:
        raise UsageError(
            f"--set {foreign[0]}: a demo takes only web., log. and beat. settings, so that it "
            "stays in its own folder"
        )
    return dict(given)


def live(
    folder: Path,
    flags: Mapping[str, str],
    now: datetime,
    drafts: Sequence[Draft],
    environ: Mapping[str, str] = MappingProxyType({}),
) -> list[Report]:
    """Lives through the last 30 days under a virtual clock; the reports of its imports.

    The book is imported as it was known then, and again on each day on which it had news; orders
    once a week.
    """
    from worker.access.audit import at_the_terminal
    from worker.bootstrap import App
    from worker.cadence import flow
    from worker.cadence.rehearse import live_through
    from worker.catalogue.flow import import_source
    from worker.cli import sample_desk, sample_silent
    from worker.cli.sample_book import days_of_news, known_on, orders_until, rows_around
    from worker.db.engine import make_engine
    from worker.kernel import show

    clock = VirtualClock(now - LIVED)
    app = App.open(folder, environ, flags, clock=clock)
    app.create_tables_if_none()
    rows, start = rows_around(now.date()), clock.now().date()
    # What a power cut would take is made anew by the next demo: no need to wait for the disk.
    engine = make_engine(app.database_url, durable=False)
    reports: list[Report] = []
    read, sell = partial(_import, app, engine, reports), partial(_import_orders, app, engine)
    orders = orders_until(now.date())
    try:
        import_source(engine, "staff", app.settings.sources["staff"], clock, folder)
        read(known_on(rows, start))
        sell(orders, start)
        flow.apply(engine, clock, drafts, at_the_terminal())
        news = [
            (datetime.combine(day, _READ_AT), partial(read, known_on(rows, day)))
            for day in days_of_news(rows, start, now.date())
        ]
        news += [
            (datetime.combine(day, _READ_AT), partial(sell, orders, day))
            for day in (start + timedelta(weeks=n) for n in range(1, LIVED.days // 7 + 1))
        ]
        news.sort(key=lambda one: one[0])
        with show.progress("living through 30 days", 100) as told:
            live_through(
                _machine(app, engine), clock, news, now, lambda part: told(int(part * 100))
            )
        sell(orders, now.date())
        sample_silent.call(app, engine, now)
        _import_answers(app, engine, now.date())
        sample_desk.fill(engine, now, app.settings.book.timezone)
    finally:
        engine.dispose()
    return reports


def _machine(app: App, engine: Engine) -> Machine:
    from worker.cadence import brakes, machine
    from worker.cadence.commands import defaults_of, letterhead_of
    from worker.cadence.machine import Guards

    return machine.build(
        engine,
        app.clock,
        app.channel,
        defaults=defaults_of(app),
        letterhead=letterhead_of(app),
        lease=app.settings.mail.lease,
        guards=Guards(noted=brakes.count_mails),
    )


def _import(app: App, engine: Engine, reports: list[Report], rows: Sequence[Row]) -> None:
    """What ``perennial import licences`` does, after the file was exported anew."""
    from worker.catalogue.flow import import_source
    from worker.cli import sample_book

    source = app.settings.sources["licences"]
    sample_book.write(app.root / (source.path or ""), rows)
    reports.append(import_source(engine, "licences", source, app.clock, app.root))


def _import_orders(app: App, engine: Engine, rows: Sequence[Row], day: date) -> None:
    """What ``perennial import orders`` does, on that day, and the night after it."""
    from worker.catalogue.flow import import_source
    from worker.cli import sample_book, sample_silent

    source = app.settings.sources["orders"]
    sample_book.write(app.root / (source.path or ""), sample_book.ordered_before(rows, day))
    import_source(engine, "orders", source, app.clock, app.root)
    sample_silent.look(app, engine)


def _import_answers(app: App, engine: Engine, today: date) -> None:
    """What ``perennial import answers`` does."""
    from worker.catalogue.flow import Options, import_source
    from worker.cli import sample_book

    source = app.settings.sources["answers"]
    sample_book.write(app.root / (source.path or ""), sample_book.answers_until(today))
    options = Options(answers=app.take_answers)
    import_source(engine, "answers", source, app.clock, app.root, options)


def _answer_page(app: App) -> str:
    """Where the newest notice about an expiry leads."""
    from sqlalchemy import select

    from worker.db.engine import reading
    from worker.links.rules import Purpose, links_of
    from worker.outbox.records import messages

    columns = messages.c.mail_key, messages.c.contact_id, messages.c.accepted_at
    left = messages.c.accepted_at.is_not(None)
    sent = select(*columns).where(messages.c.schedule == "renewal", left)
    with reading(app.engine) as conn:
        last = conn.execute(sent.order_by(messages.c.accepted_at.desc()).limit(1)).one()
    links = links_of(app.settings.web)
    assert links is not None  # a demo makes a key
    return links.url(Purpose.ANSWER, last.mail_key, last.contact_id, last.accepted_at)


def _called_as() -> str:
    """How the reader may call us: ``make demo`` puts nothing on the PATH."""
    if shutil.which("perennial"):
        return "perennial"
    called = Path(sys.argv[0])
    return str(called) if called.name == "perennial" else "python -m worker"

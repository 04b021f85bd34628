"""How the machine of an instance is put together: the engine and the ledger on its database, clock
and channel, with all that holds it back, judges for it and hears from it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from worker.bootstrap import ties
from worker.cadence import brakes, machine
from worker.cadence.addressed import Judge
from worker.cadence.asked_letters import ASKED, AskedJudge
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Guards, Machine
from worker.cadence.quiet import quiet_of
from worker.catalogue import freshness
from worker.db.engine import reading
from worker.links.rules import links_of
from worker.outbox import holds
from worker.surveys import telling
from worker.webhooks.doors import Doors

if TYPE_CHECKING:
    from worker.bootstrap.app import App


def doors(app: App) -> Doors:
    """The ways to other systems, none of them open yet."""
    return Doors(app.settings.webhooks)


def machine_of(app: App, engine: Engine, doors: Doors) -> Machine:
    """The machine on this engine; calls leave by these doors."""
    mail, book = app.settings.mail, app.settings.book
    return machine.build(
        engine,
        app.clock,
        app.channel,
        defaults=Defaults(book.timezone, book.language, book.country),
        letterhead=_letterhead(app),
        lease=mail.lease,
        hold=mail.hold,
        gap=mail.pace.gap if mail.pace else timedelta(0),
        allowance=app.settings.budget.per_contact,
        quiet=quiet_of(app.settings.surveys),
        guards=_guards(app),
        outside=doors.outside(held=lambda: _stands_still(app)),
        refused=ties.refusals_heard_by(app.settings),
        judges=app.judges,
        texts=app.texts,
        stop=app.stopping.is_set,
        wait=app.stopping.wait,
    )


def _letterhead(app: App) -> Letterhead:
    mail = app.settings.mail
    return Letterhead(
        mail.sender,
        mail.reply_to,
        mail.redirect_to if mail.mode == "redirect" else None,
        links_of(app.settings.web),
    )


def _guards(app: App) -> Guards:
    """What holds this instance's machine back until a person has looked."""
    watching, off = brakes.Brakes(app.clock), app.settings.mail.mode == "off"
    return Guards(
        planning=watching.hold,
        sending=lambda conn, now: watching.hold(conn, now) or off,
        stale=lambda conn, now: freshness.stale(conn, app.settings.sources, now),
        noted=brakes.count_mails,
        asks=True,
    )


def _stands_still(app: App) -> bool:
    """Whether a brake is on: then no other system is called either."""
    with reading(app.engine) as conn:
        return holds.is_held(conn)


def judges_of(app: App) -> Mapping[str, Judge]:
    """Who looks at letters that are no step of a walk, by their origin."""
    settings = app.settings
    asking = AskedJudge(quiet_of(settings.surveys), settings.book.timezone)
    return {ASKED: asking, **telling.JUDGES}

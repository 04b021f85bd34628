"""The demo's clients who fell silent: scored and flagged as each week's orders came, some of them
called by now."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from sqlalchemy import select

from worker.access.audit import Actor
from worker.access.rules import Role
from worker.db.engine import reading
from worker.kernel.dates import civil_date, zone
from worker.reactivation import closing, flow
from worker.reactivation.episodes import Thresholds, flag
from worker.reactivation.records import episodes
from worker.worklist import flow as worklist
from worker.worklist import store
from worker.worklist.flow import More, Today
from worker.worklist.kinds import DORMANT
from worker.worklist.rules import Hand

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from worker.bootstrap import App

STEM = "reactivation"
_WHO = "SARA"
_HAND = Hand(Actor(_WHO.lower(), "page"), Role.RENEWALS, _WHO)


class _Called(NamedTuple):
    """What came of a call."""

    outcome: str
    note: str
    why: str = ""


_CALLS = (
    _Called("won-back", "They had forgotten us; an order is on its way."),
    _Called("false-alarm", "Stocked up before the holidays, as each year."),
    _Called("lost", "They found it cheaper elsewhere.", "price"),
)
"""Of the clients at the end of the list: those with the most at stake wait for the reader."""


def look(app: App, engine: Engine) -> None:
    """What a night does once orders came: score, flag, see who is back."""
    now, book = app.clock.now(), app.settings.book
    flow.score_and_keep(engine, flow.asked_by(app.settings, now))
    with engine.begin() as conn:
        flag(conn, STEM, Thresholds(), now, book.timezone)
    closing.see_orders(engine, now, book.timezone)


def call(app: App, engine: Engine, now: datetime) -> None:
    """Closes some of the entries, the smallest, and snoozes one, as people did."""
    today = civil_date(now, zone(app.settings.book.timezone))
    for task, one in zip(_smallest(engine), _CALLS, strict=False):
        more = More(one.why, None, today, app.hear_closed)
        worklist.close(engine, _HAND, task.id, task.version, one.outcome, one.note, now, more)
    rests = _smallest(engine)[:1]
    for task in rests:
        until = today + timedelta(days=5)
        worklist.snooze(engine, _HAND, task.id, task.version, until, Today(now, today))


def _smallest(engine: Engine) -> list[Any]:
    """The open tasks about silent clients, those with the least at stake first."""
    with reading(engine) as conn:
        stakes: dict[closing.Named | None, float] = {
            closing.Named(row.schedule, row.account_id, row.number): row.relative_stake
            for row in conn.execute(select(episodes))
        }
        found = store.open_ones(conn, [DORMANT])
    return sorted(found, key=lambda task: (stakes.get(closing.named(task.key), 0.0), task.id))

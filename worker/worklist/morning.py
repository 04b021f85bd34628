"""The morning mail to our own people: decided on as a row, committed, and only then sent.

One for each person and day. What surely did not leave is tried again until noon; of what may have
left, nothing is sent again. A brake does not hold it back, for no client gets it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from email.utils import parseaddr
from typing import Any

from sqlalchemy import Engine, Row, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.channels.contract import Channel, Envelope, Mail, Outcome, Result
from worker.config.settings import Settings
from worker.db import heartbeats
from worker.db.engine import reading
from worker.kernel.clock import Clock
from worker.kernel.dates import civil_date, zone
from worker.kernel.keys import new_mail_key
from worker.templating import mime
from worker.worklist import briefing, people
from worker.worklist.people import Colleague
from worker.worklist.records import briefings

DUE, SENDING, SENT = "due", "sending", "sent"
NOTHING_NEW, FAILED, UNKNOWN = "nothing-new", "failed", "unknown"
AGAIN = timedelta(minutes=5)
"""What surely did not leave is tried again after so long."""
LOST = timedelta(minutes=10)
"""Whoever was sending for so long is gone."""
_FIRST = timedelta(days=1)
_LONGEST = timedelta(days=7)
_HEART = "briefings"
_BECOMES: Mapping[Outcome, str] = {
    Outcome.ACCEPTED: SENT,
    Outcome.NOT_SENT: DUE,
    Outcome.SHUT: DUE,
    Outcome.REFUSED: FAILED,
    Outcome.UNKNOWN: UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Post:
    """How a morning mail leaves."""

    engine: Engine
    clock: Clock
    channel: Channel
    settings: Settings


def brief(post: Post) -> int:
    """Sends the morning mails that are due; how many left. At other times, and once all of a day
    are settled, it costs nothing or one query."""
    now, tz = post.clock.now(), zone(post.settings.book.timezone)
    day = briefing.morning_of(now, post.settings.worklist.morning, tz)
    if day is None or post.settings.mail.mode == "off":
        return 0
    with reading(post.engine) as conn:
        last = heartbeats.last(conn, _HEART)
        if last is not None and civil_date(last, tz) == day:
            return 0
        known = people.colleagues(conn)
    with post.engine.begin() as conn:
        _decide(conn, known, day, now)
        _settle_lost(conn, post, known, now)
        waiting = _in_state(conn, day, DUE)
    left = sum(_send(post, row, known) for row in waiting if _is_time(row, now))
    with post.engine.begin() as conn:
        if not _in_state(conn, day, DUE) and not _in_state(conn, day, SENDING):
            heartbeats.beat(conn, _HEART, now)
    return left


def _decide(conn: Connection, known: Mapping[str, Colleague], day: date, now: datetime) -> None:
    """A row for everybody who has none for that day: due, or nothing new."""
    has = set(conn.execute(select(briefings.c.staff).where(briefings.c.day == day)).scalars())
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    for who in known.values():
        if not who.email or who.key in has:
            continue
        since = _since(conn, who.key, day, now)
        found = briefing.contents(conn, who, day, since)
        state = DUE if found.is_worth_a_mail() else NOTHING_NEW
        detail = {"mail": new_mail_key(now), "since": since.isoformat(), **found.counts()}
        row = {"staff": who.key, "day": day, "state": state, "detail": detail, "at": now}
        conn.execute(dialect.insert(briefings).on_conflict_do_nothing(), row)


def _since(conn: Connection, key: str, day: date, now: datetime) -> datetime:
    """Since when this person has heard of nothing new, within a week: a mail that never left told
    them nothing."""
    earlier = (briefings.c.staff == key, briefings.c.day < day)
    query = select(briefings).where(*earlier).order_by(briefings.c.day.desc()).limit(1)
    last = conn.execute(query).first()
    if last is None:
        return now - _FIRST
    was_told = last.state in (SENT, NOTHING_NEW, UNKNOWN)
    since = last.at if was_told else datetime.fromisoformat(last.detail["since"])
    return max(since, now - _LONGEST)


def _in_state(conn: Connection, day: date, state: str) -> list[Row[Any]]:
    mine = (briefings.c.day == day, briefings.c.state == state)
    return list(conn.execute(select(briefings).where(*mine).order_by(briefings.c.id)))


def _is_time(row: Row[Any], now: datetime) -> bool:
    return "said" not in row.detail or row.at <= now - AGAIN


def _settle_lost(
    conn: Connection, post: Post, known: Mapping[str, Colleague], now: datetime
) -> None:
    """Whoever was sending is gone: the channel may know what became of it; else nobody does."""
    lost = (briefings.c.state == SENDING, briefings.c.at <= now - LOST)
    for row in conn.execute(select(briefings).where(*lost)).all():
        who = known.get(row.staff)
        proof = post.channel.evidence(_envelope(row, who)) if who and who.email else None
        _note(conn, row, proof or Outcome.UNKNOWN, "whoever sent it is gone", now)


def _note(conn: Connection, row: Row[Any], outcome: Outcome, said: str, now: datetime) -> None:
    values = {"state": _BECOMES[outcome], "at": now, "detail": row.detail | {"said": said}}
    mine = (briefings.c.id == row.id, briefings.c.state == SENDING)
    conn.execute(update(briefings).where(*mine).values(values))


def _send(post: Post, row: Row[Any], known: Mapping[str, Colleague]) -> bool:
    """Claims one mail, sends it, and notes what became of it; whether it left."""
    who, now = known.get(row.staff), post.clock.now()
    mine = (briefings.c.id == row.id, briefings.c.state == DUE)
    with post.engine.begin() as conn:
        claimed = update(briefings).where(*mine).values(state=SENDING, at=now)
        if not conn.execute(claimed).rowcount:
            return False  # another process has it
        if who is None or not who.email:
            _note(conn, row, Outcome.REFUSED, "no address any more", now)
            return False
        found = briefing.contents(conn, who, row.day, datetime.fromisoformat(row.detail["since"]))
    result = _attempt(post, row, who, found)
    with post.engine.begin() as conn:
        _note(conn, row, result.outcome, result.detail, post.clock.now())
    return result.outcome is Outcome.ACCEPTED


def _attempt(post: Post, row: Row[Any], who: Colleague, found: briefing.Contents) -> Result:
    now = post.clock.now()
    written = briefing.write(who, found, row.day, post.settings.web.base_url)
    try:
        mail = _mail(post.settings, row, who, written, now)
    except ValueError as error:  # an address that is none
        return Result(Outcome.REFUSED, detail=f"not a mail: {type(error).__name__}")
    return post.channel.send(_envelope(row, who), mail, now)


def _envelope(row: Row[Any], who: Colleague) -> Envelope:
    return Envelope(row.detail["mail"], who.email or "", row.day, "worklist", "morning")


def _mail(
    settings: Settings, row: Row[Any], who: Colleague, written: briefing.Written, now: datetime
) -> Mail:
    """The mail as it leaves: to the person, or to the one address that gets all mails."""
    house, own = settings.mail, who.email or ""
    elsewhere = house.redirect_to if house.mode == "redirect" else None
    parts = mime.draft(
        row.detail["mail"],
        sender=house.sender,
        recipient=mime.parse_address(elsewhere) if elsewhere else mime.addressed(who.name, own),
        reply_to=house.reply_to,
        rendered=written,
        domain=parseaddr(house.sender)[1].rpartition("@")[2],
        date=now,
        intended_for=own if elsewhere else None,
    )
    return Mail(written.subject, written.language, parts, elsewhere or own).written()

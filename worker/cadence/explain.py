"""The whole story of one licence: what was decided and why, what is to come, and the arithmetic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Row, bindparam, select
from sqlalchemy.engine import Connection

from worker.cadence import load, recorded, standing, store
from worker.cadence.ahead import Forecasting, forecast_of
from worker.cadence.audience import why_not
from worker.cadence.decisions import Record, in_order, outcome
from worker.cadence.facts import Planned, Timeline, account_slot
from worker.cadence.horizon import SHIFT
from worker.cadence.library import InForce, library_of
from worker.cadence.recorded import Reading
from worker.cadence.records import LICENCE, returned, steps, walks
from worker.cadence.triggers import TRIGGERS
from worker.catalogue import stops
from worker.catalogue.records import licences, terms
from worker.db import bulk
from worker.db.prepared import Prepared, together
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError, did_you_mean
from worker.schedules.calendar import SLOT

_ID = Prepared(select(licences.c.id).where(licences.c.key == bindparam("key")))
_TERMS = Prepared(
    select(terms).where(terms.c.licence_id == bindparam("licence")).order_by(terms.c.expires_on)
)
_WALKS = Prepared(
    select(walks)
    .where(walks.c.subject == LICENCE, walks.c.subject_id == bindparam("licence"))
    .order_by(walks.c.cycle)
)
_STEPS = Prepared(select(steps).where(bulk.listed(steps.c.walk_id)).order_by(steps.c.id))
_RETURNED = Prepared(
    select(returned).where(bulk.listed(returned.c.walk_id)).order_by(returned.c.at)
)


@dataclass(frozen=True, slots=True)
class Explanation:
    """A licence, its terms, every decision in order of time, and how each date comes about."""

    licence: Any
    terms: Sequence[Row[Any]]
    walks: Sequence[Row[Any]]
    records: list[Record]
    arithmetic: dict[tuple[str, int, str], str]  # (schedule, cycle, step) -> sentence
    stops: Sequence[Any] = ()  # what staff put a stop to: scope, subject, until, reason
    missed: Mapping[str, str] = field(default_factory=dict)  # schedule -> the condition not met
    interventions: Sequence[Row[Any]] = ()  # what people did with planned mails, as it stands

    def why(self, record: Record) -> str:
        """The arithmetic behind a record's date; empty where there is none."""
        if record.schedule is None or record.step is None:
            return ""
        return self.arithmetic.get((record.schedule, record.cycle, record.step), "")


def explain(conn: Connection, asked: Forecasting, key: str) -> Explanation:
    """The story of the licence with this ``key``; ``FindingsError`` when there is none."""
    told = _reading(conn, asked)
    found = _decided(conn, told, find(conn, key))
    records = _whole(conn, asked, told, found)
    return replace(_with_what_stands(conn, told, found), records=records)


def until_now(conn: Connection, asked: Forecasting, licence_id: int) -> Explanation:
    """The story as far as it is over: a few rows are read, and nothing is foretold."""
    told = _reading(conn, asked)
    found = _decided(conn, told, licence_id)
    return replace(_with_what_stands(conn, told, found), records=_over(found, asked.now))


def to_come(conn: Connection, asked: Forecasting, licence_id: int) -> Explanation:
    """The rest of the story, which ``until_now`` does not tell. Stops, conditions and what people
    did are left out: they are told there."""
    told = _reading(conn, asked)
    found = _decided(conn, told, licence_id)
    over = _over(found, asked.now)
    return replace(found, records=[r for r in _whole(conn, asked, told, found) if r not in over])


def _reading(conn: Connection, asked: Forecasting) -> Reading:
    return Reading(library_of(conn).active(conn), asked.defaults, asked.now)


def _over(told: Explanation, now: datetime) -> list[Record]:
    return [record for record in told.records if record.at is None or record.at <= now]


def _decided(conn: Connection, told: Reading, licence_id: int) -> Explanation:
    (row,), held, walked = together(
        conn,
        [
            store.SUBJECTS.asking(ids=[licence_id]),
            _TERMS.asking(licence=licence_id),
            _WALKS.asking(licence=licence_id),
        ],
    )
    records = in_order(_past(conn, told, row, walked))
    return Explanation(row, held, walked, records, _sums(told, row, held, walked))


def _with_what_stands(conn: Connection, told: Reading, found: Explanation) -> Explanation:
    """The same with what keeps its mails back: stops, conditions, what people did."""
    row = found.licence
    missed = {
        stem: why_not(inforce.schedule.audience, load.fields_of(inforce, row))
        for stem, inforce in told.schedules.items()
        if not load.in_audience(inforce, row)
    }
    by_hand = standing.of_walks(conn, [walk.id for walk in found.walks])
    return replace(found, stops=_stops(conn, told, row), missed=missed, interventions=by_hand)


def _whole(conn: Connection, asked: Forecasting, told: Reading, found: Explanation) -> list[Record]:
    """What was decided and what the planner says is to come; why there is nothing, if so."""
    row = found.licence
    known = replace(asked, running=told.schedules)
    coming = forecast_of(conn, known, _to_come(told, row), [], [row.account_id])
    records = [*found.records, *(r for r in coming if _speaks(r, row))]
    spoken = {record.cycle for record in records if record.decision != "nothing"}
    if not spoken:
        records = _silence(row, found.walks) or records
    return in_order(r for r in records if r.reason != "done" or r.cycle not in spoken)


def _stops(conn: Connection, told: Reading, row: Row[Any]) -> list[Any]:
    """The stops that stand for this licence or its account."""
    mine = {"licence": row.licence_id, "account": row.account_id}
    today = told.now.date()
    return [
        one for scope, id_ in mine.items() for one in stops.listed_about(conn, today, scope, id_)
    ]


def _speaks(record: Record, row: Row[Any]) -> bool:
    """Whether a forecast tells of this licence; that an old term gets no more is no news."""
    told = record.decision != "nothing" or record.cycle == row.licence_term
    return told and record.licence == str(row.licence_key)


def _to_come(told: Reading, row: Row[Any]) -> Period:
    """Until the last step of the licence's current term; the day before yesterday is in it too,
    for what is late."""
    last = told.now
    for inforce in told.schedules.values():
        line = load.line_of(inforce, row, told.defaults)
        last = max(last, line.last_moment(row.licence_expires_on))
    return Period(date.min, (last + SHIFT).date())


def named(conn: Connection, key: str) -> int | None:
    """The id of the licence with this key; ``None`` when there is none."""
    return next(iter(_ID.scalars(conn, key=key)), None)


def find(conn: Connection, key: str) -> int:
    """The id of the licence with this key; ``FindingsError`` when there is none."""
    found = named(conn, key)
    if found is None:
        near = conn.execute(
            select(licences.c.key).where(licences.c.key.startswith(key[:3])).limit(200)
        ).scalars()
        hint = did_you_mean(key, near, otherwise="the key is the one that your source gives it")
        raise FindingsError(f"No licence {key!r} is in the book; {hint}")
    return found


def _past(
    conn: Connection, told: Reading, row: Row[Any], known: Sequence[Row[Any]]
) -> Iterator[Record]:
    by_walk = {walk.id: walk for walk in known}
    if not by_walk:
        return
    mine = list(by_walk)
    decided, back = together(conn, [_STEPS.asking(ids=mine), _RETURNED.asking(ids=mine)])
    mails = recorded.mails_of(conn, [one.mail_key for one in (*decided, *back) if one.mail_key])
    for step in decided:
        walk = by_walk[step.walk_id]
        yield recorded.record(step, walk, row, mails.get(step.mail_key or "", []), told)
    for one in back:
        yield _returned(one, by_walk[one.walk_id], row, mails[one.mail_key], told)


def _returned(
    one: Row[Any], walk: Row[Any], row: Row[Any], copies: Sequence[Any], told: Reading
) -> Record:
    """A mail that went out and came back, or was refused on the spot, after which its step was
    decided anew."""
    decision, why = outcome("waiting", None, copies)
    said = {"decision": decision, "reason": "bounced" if decision == "sent" else why}
    gone = SimpleNamespace(**one._mapping, **said, recipient=None)
    return recorded.record(gone, walk, row, copies, told)


def _silence(row: Any, known: Sequence[Row[Any]]) -> list[Record]:
    """Why a licence has no decisions at all: what its walks on the current term say."""
    reasons = [walk.reason for walk in known if walk.reason and walk.cycle == row.licence_term]
    if not reasons:
        return []
    reason = recorded.weightiest(reasons)
    return [recorded.nothing(row.licence_key, row.account_key, row.licence_term, reason)]


def _sums(
    told: Reading, row: Row[Any], held: Sequence[Row[Any]], known: Sequence[Row[Any]]
) -> dict[tuple[str, int, str], str]:
    """The arithmetic of every step of every term, on the day that each walk counts from."""
    sums = {}
    slot = account_slot(row.account_key)
    walked = {(walk.schedule, walk.cycle): walk.anchor_on for walk in known}
    for stem, inforce in told.schedules.items():
        if inforce.trigger.subject != LICENCE:
            continue
        line = load.line_of(inforce, row, told.defaults)
        for term in held:
            if term.number is None:
                continue
            anchor: date | None = walked.get((stem, term.number)) or _anchor(inforce, row, term)
            if anchor is None:
                continue
            for item in line.of(anchor):
                sums[stem, term.number, item.step.id] = arithmetic(line, item, anchor, slot)
    return sums


def _anchor(inforce: InForce, row: Row[Any], term: Row[Any]) -> date | None:
    """The day that a walk on ``term`` would count from, if it began now."""
    values = dict(row._mapping) | {"licence_expires_on": term.expires_on}
    return TRIGGERS[inforce.schedule.trigger].anchor(SimpleNamespace(**values))


def arithmetic(line: Timeline, item: Planned, anchor: date, slot: int) -> str:
    """How a step's moment comes about, in one sentence."""
    said = f"{item.step.when} {_day(anchor)}"
    if item.step.when.side != "on":
        said += f" is {_day(item.due_on)}"
    if item.day is None:
        return f"{said}; no open day on that side of the expiry"
    if item.day != item.due_on:
        way = "earlier" if item.day < item.due_on else "later"
        said += f", {line.calendar.why_closed(item.due_on)}; moved {way} to {_day(item.day)}"
    moment = (item.opens_at + slot * SLOT).astimezone(line.calendar.tz)
    return f"{said}; {moment:%H:%M} {line.calendar.tz.key}"


def _day(day: date) -> str:
    return f"{day:%a} {day.isoformat()}"

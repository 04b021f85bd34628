"""From rows to the walks that the planner judges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import heard, store
from worker.cadence.audience import matches
from worker.cadence.facts import SURVEYED, Timeline, Walk, account_slot
from worker.cadence.library import Defaults, InForce
from worker.cadence.rules import HELD
from worker.catalogue.stops import Stops
from worker.outbox import store as outbox


class History(NamedTuple):
    """What was decided on a walk so far."""

    done: Mapping[str, str]
    mailed: Mapping[str, frozenset[date]]  # mail key -> civil days, of the last two days only
    happened: frozenset[str] = frozenset()
    put_off: Mapping[str, datetime] = MappingProxyType({})
    numbers: Mapping[str, int] = MappingProxyType({})  # the order in which steps were decided
    held: frozenset[str] = frozenset()  # of those put off: which wait for a person
    waits: Mapping[str, str] = MappingProxyType({})  # why each of them was put off


_NOTHING: Mapping[str, Any] = MappingProxyType({})
NOTHING = History(_NOTHING, _NOTHING)
_NEVER: frozenset[str] = frozenset()


def histories(
    conn: Connection, walk_ids: Sequence[int], now: datetime, zones: Mapping[int, Timeline]
) -> dict[int, History]:
    """The decisions of these walks, and on which days of theirs they mailed lately."""
    done: dict[int, dict[str, str]] = {}
    recent: dict[str, list[int]] = {}
    put_off: dict[int, dict[str, datetime]] = {}
    numbers: dict[int, dict[str, int]] = {}
    held: dict[int, frozenset[str]] = {}
    waits: dict[int, dict[str, str]] = {}
    for walk_id, step, decision, key, until, why, number in store.decided_on(conn, walk_ids, now):
        numbers.setdefault(walk_id, {})[step] = number
        if until is not None:
            put_off.setdefault(walk_id, {})[step] = until
            waits.setdefault(walk_id, {})[step] = why
            if why == HELD:
                held[walk_id] = held.get(walk_id, _NEVER) | {step}
            done.setdefault(walk_id, {})
            continue
        if walk_id in done:
            done[walk_id][step] = decision
        else:
            done[walk_id] = {step: decision}
        if key is not None:
            recent.setdefault(key, []).append(walk_id)
    mailed: dict[int, dict[str, frozenset[date]]] = {}
    for key, day, sent in outbox.lately(conn, list(recent), now):
        days = {zones[recent[key][0]].calendar.today(sent) if sent else day}
        for walk_id in recent[key]:  # one mail speaks of several licences
            known = mailed.setdefault(walk_id, {})
            known[key] = known.get(key, frozenset()) | days
    happened = _happened(conn, walk_ids, zones)
    return {
        walk_id: History(
            done.get(walk_id, _NOTHING),
            mailed.get(walk_id, _NOTHING),
            happened.get(walk_id, _NEVER),
            put_off.get(walk_id, _NOTHING),
            numbers.get(walk_id, _NOTHING),
            held.get(walk_id, _NEVER),
            waits.get(walk_id, _NOTHING),
        )
        for walk_id in done.keys() | happened.keys()
    }


def _happened(
    conn: Connection, walk_ids: Sequence[int], zones: Mapping[int, Timeline]
) -> dict[int, frozenset[str]]:
    """What happened on those of these walks whose schedule asks for it."""
    found: dict[int, set[str]] = {}
    asking = [walk_id for walk_id in walk_ids if zones[walk_id].asked]
    for walk_id, what in heard.happened(conn, asking):
        found.setdefault(walk_id, set()).add(what)
    for walk_id in store.with_open_tasks(
        conn, [walk_id for walk_id in asking if "task-open" in zones[walk_id].asked]
    ):
        found.setdefault(walk_id, set()).add("task-open")
    return {walk_id: frozenset(what) for walk_id, what in found.items()}


def line_of(inforce: InForce, row: Row[Any], defaults: Defaults) -> Timeline:
    """The timeline that an account follows."""
    zone = row.account_timezone or defaults.timezone
    return inforce.line(zone, row.account_country or defaults.country or None)


def in_audience(inforce: InForce, row: Row[Any]) -> bool:
    """Whether a licence belongs to a schedule's audience now."""
    audience = inforce.schedule.audience
    if not audience:
        return True
    return matches(audience, fields_of(inforce, row))


def fields_of(inforce: InForce, row: Row[Any]) -> dict[str, object]:
    """What a row says in the fields that a schedule's audience asks for."""
    audience = inforce.schedule.audience
    asked = {condition.field for table in audience for condition in table}
    return {name: getattr(row, name.replace(".", "_"), None) for name in asked}


def left(inforce: InForce, row: Row[Any], cycle: int) -> str | None:
    """Why a walk on ``cycle`` (a licence's term, an account's episode) is over; ``None`` while it
    goes on."""
    return inforce.trigger.left(row, cycle)


def over(inforce: InForce, row: Row[Any], cycle: int, history: History) -> str | None:
    """The same, also when the walk asked a question and all whom it asked have answered."""
    return left(inforce, row, cycle) or ("answered" if SURVEYED in history.happened else None)


def anchor_of(inforce: InForce, row: Row[Any], gone: str | None = None) -> date | None:
    """The day that a walk's steps count from, off a row with walk_ and licence_ columns; ``None``
    when there is none at the moment. A walk on an older term keeps the day it had."""
    trigger = inforce.trigger
    if trigger.fixed or gone == "renewed":
        day: date = row.walk_anchor_on
        return day
    return trigger.anchor(row)


def why_stopped(stops: Stops, row: Row[Any], line: Timeline, now: datetime) -> str | None:
    """Why nothing is to be done about this walk now: ``stopped`` by staff, ``answered`` by the
    client, whose task is open; ``None`` when it goes on."""
    if not stops:
        return None
    today = line.at(now).today
    about = row.licence_id
    stopped = stops.hold("licence", about, today) if about is not None else None
    return stopped or stops.hold("account", row.account_id, today)


def walk_of(
    row: Row[Any],
    inforce: InForce,
    line: Timeline,
    first_act_at: datetime,
    *,
    anchor: date,
    gone: str | None = None,
    history: History = NOTHING,
    without: tuple[str, str] | None = None,
    waited: Mapping[str, datetime] = MappingProxyType({}),
    held: frozenset[str] = _NEVER,
    stopped: str | None = None,
) -> Walk:
    """The walk of one row with licence_ and account_ columns.

    ``without`` names a step and its mail as (step, mail key): the walk as if they did not exist.
    ``waited`` are steps that we made wait until a moment, besides those that history tells of;
    ``held`` are those of them that waited for a person.
    """
    in_term = inforce.trigger.in_term
    done, mailed = history.done, history.mailed
    if without:
        step, key = without
        done = {name: decision for name, decision in done.items() if name != step}
        mailed = {other: days for other, days in mailed.items() if other != key}
    return Walk(
        line=line,
        slot=account_slot(row.account_key),
        anchor_on=anchor,
        starts_on=row.licence_starts_on if in_term else None,
        first_act_at=first_act_at,
        left=gone,
        done=done,
        mailed_on=frozenset().union(*mailed.values()) if mailed else frozenset(),
        happened=history.happened,
        steps_since=inforce.steps_since,
        put_off={**history.put_off, **waited} if waited else history.put_off,
        waits=history.waits,
        held=history.held | held if held else history.held,
        overtaken_by=_overtaken_by(history, [*history.put_off, *(without or ())[:1]]),
        stopped=stopped,
        rests_until=row.walk_rests_until if hasattr(row, "walk_rests_until") else None,
    )


def _overtaken_by(history: History, waiting: Sequence[str]) -> Mapping[str, frozenset[str]]:
    """For each step that waits, those that were decided after it."""
    if not waiting:
        return _NOTHING
    numbers = history.numbers
    return {
        step: frozenset(s for s, number in numbers.items() if number > numbers.get(step, number))
        for step in waiting
    }

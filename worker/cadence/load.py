"""From rows to the walks that the planner judges."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import store
from worker.cadence.audience import matches
from worker.cadence.facts import Timeline, Walk, account_slot
from worker.cadence.library import Defaults, InForce
from worker.outbox import store as outbox

_RECENT = timedelta(days=40)
"""A mail decided longer ago than this cannot leave today: no step is valid that long."""

_MAILED = ("due", "sending", "accepted", "unknown")


@dataclass(frozen=True, slots=True)
class History:
    """What was decided on a walk so far."""

    done: Mapping[str, str]
    mailed: Mapping[str, frozenset[date]]  # mail key -> civil days


NOTHING = History({}, {})


def histories(
    conn: Connection, walk_ids: Sequence[int], now: datetime, zones: Mapping[int, Timeline]
) -> dict[int, History]:
    """The decisions of these walks, and on which days of theirs they mailed lately."""
    done: dict[int, dict[str, str]] = defaultdict(dict)
    recent: dict[str, int] = {}
    for row in store.steps_of(conn, walk_ids):
        done[row.walk_id][row.step] = row.decision
        if row.mail_key and row.decided_at > now - _RECENT:
            recent[row.mail_key] = row.walk_id
    mailed: dict[int, dict[str, set[date]]] = defaultdict(lambda: defaultdict(set))
    for mail in outbox.of_mails(conn, sorted(recent)) if recent else ():
        if mail.state in _MAILED:
            walk_id = recent[mail.mail_key]
            sent = mail.accepted_at
            day = zones[walk_id].calendar.today(sent) if sent else mail.day
            mailed[walk_id][mail.mail_key].add(day)
    return {
        walk_id: History(steps, {key: frozenset(days) for key, days in mailed[walk_id].items()})
        for walk_id, steps in done.items()
    }


def line_of(inforce: InForce, row: Row[Any], defaults: Defaults) -> Timeline:
    """The timeline that an account follows."""
    zone = row.account_timezone or defaults.timezone
    return inforce.line(zone, row.account_country or defaults.country or None)


def in_audience(inforce: InForce, row: Row[Any]) -> bool:
    """Whether a licence belongs to a schedule's audience now."""
    audience = inforce.schedule.audience
    return not audience or matches(audience, audience_fields(row))


def audience_fields(row: Row[Any]) -> dict[str, object]:
    """What an audience can ask about: ``licence.…`` and ``account.…``."""
    fields: dict[str, object] = {}
    for name, value in row._mapping.items():
        room, _, rest = name.partition("_")
        if room in ("licence", "account"):
            fields[f"{room}.{rest}"] = value
    return fields


def left(row: Row[Any], cycle: int) -> str | None:
    """Why a walk on term ``cycle`` of this licence is over; ``None`` while it goes on."""
    if row.licence_term > cycle:
        return "renewed"
    return None if row.licence_status == "active" else str(row.licence_status)


def walk_of(
    row: Row[Any],
    inforce: InForce,
    line: Timeline,
    first_act_at: datetime,
    *,
    anchor: date | None = None,
    gone: str | None = None,
    history: History = NOTHING,
    without: tuple[str, str] | None = None,
) -> Walk:
    """The walk of one row with licence_ and account_ columns.

    ``anchor`` is the expiry of an older term that the walk is on; ``without`` names a step and
    its mail as (step, mail key): the walk as if they did not exist.
    """
    done, mailed = history.done, history.mailed
    if without:
        step, key = without
        done = {name: decision for name, decision in done.items() if name != step}
        mailed = {other: days for other, days in mailed.items() if other != key}
    return Walk(
        line=line,
        slot=account_slot(row.account_key),
        anchor_on=anchor or row.licence_expires_on,
        starts_on=row.licence_starts_on,
        first_act_at=first_act_at,
        left=gone,
        done=done,
        mailed_on=frozenset().union(*mailed.values()) if mailed else frozenset(),
        steps_since=inforce.steps_since,
    )

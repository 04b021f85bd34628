"""What edited files would change, client by client, before they are applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence import ahead
from worker.cadence.ahead import WHOLE, Forecasting, Sample
from worker.cadence.decisions import Record
from worker.kernel.dates import Period
from worker.schedules import flow as schedules
from worker.schedules import store as versions
from worker.schedules.flow import Changes, Draft


@dataclass(frozen=True, slots=True)
class Change:
    """One step of one licence that an edit would change. ``before`` and ``after`` are moments. Of a
    step about an account as a whole (``of_account``), ``licence`` is the account's key."""

    licence: str
    account: str
    schedule: str
    step: str
    change: str  # added, removed, moved, other-decision
    before: str | None
    after: str | None
    of_account: bool = False

    def record(self) -> dict[str, str | None]:
        """The change as other programs read it."""
        names = [name for name in self.__dataclass_fields__ if name != "of_account"]
        return {name: getattr(self, name) for name in names}


def effect(before: Iterable[Record], after: Iterable[Record]) -> list[Change]:
    """How two forecasts differ, by licence and step; the same decision twice is no change."""
    old, new = _by_step(before), _by_step(after)
    changes = []
    for key in sorted(old.keys() | new.keys()):
        was, comes = old.get(key), new.get(key)
        if was and comes and _said(was) == _said(comes):
            continue
        known = comes or was
        if known is None or known.schedule is None or known.step is None:
            continue
        changes.append(
            Change(
                known.subject,
                known.account,
                known.schedule,
                known.step,
                _kind(was, comes),
                _said(was) if was else None,
                _said(comes) if comes else None,
                of_account=known.licence is None,
            )
        )
    return changes


def _by_step(records: Iterable[Record]) -> dict[tuple[Any, ...], Record]:
    return {
        (record.subject, record.cycle, record.schedule, record.step): record
        for record in records
        if record.decision != "nothing"
    }


def _said(record: Record) -> str:
    day = record.at.date().isoformat() if record.at else ""
    reason = f" ({record.reason})" if record.reason else ""
    return f"{record.decision}{reason} {day}".strip()


def _kind(was: Record | None, comes: Record | None) -> str:
    if was is None:
        return "added"
    if comes is None:
        return "removed"
    return "moved" if was.decision == comes.decision else "other-decision"


@dataclass(frozen=True, slots=True)
class Outlook:
    """A forecast, and how it differs from what runs now."""

    records: list[Record]
    changes: Changes
    effects: list[Change]
    applied: bool  # whether anything runs at all


def outlook(
    conn: Connection,
    drafts: Sequence[Draft],
    running: Forecasting,
    period: Period,
    sample: Sample = WHOLE,
) -> Outlook:
    """What will happen in ``period`` if the files are applied as they are, live state included.

    ``running`` asks for the forecast of what runs; ``sample`` says how much of the book to look at.
    """
    changes = schedules.changes(conn, drafts)
    if not changes:
        return Outlook(ahead.forecast(conn, running, period, sample), changes, [], True)
    records = ahead.forecast(conn, replace(running, drafts=drafts), period, sample)
    applied = bool(versions.active_ids(conn))
    before = ahead.forecast(conn, running, period, sample) if applied else []
    effects = effect(before, records) if applied else []
    return Outlook(records, changes, effects, applied)

"""A plan as people read it: a line for each mail, not for each licence in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.cadence.decisions import Record
from worker.cadence.picture import counted
from worker.cadence.summary_page import in_plain_words
from worker.catalogue.records import accounts
from worker.db import bulk
from worker.kernel.dates import Period
from worker.schedules.model import MAILING

COLUMNS = (
    *("at", "account", "name", "licence", "schedule", "step", "kind", "decision", "reason"),
    "to",
)


def names_of(conn: Connection, keys: Collection[str]) -> dict[str, str]:
    """What the accounts with these keys are called, by key."""
    query = select(accounts.c.key, accounts.c.name).where(bulk.among(accounts.c.key, sorted(keys)))
    return {row.key: row.name for row in conn.execute(query)}


def together(records: Sequence[Record]) -> list[list[Record]]:
    """Records that travel in one mail as one group, in the order of the first of each; whatever
    else is a group of its own."""
    groups: dict[tuple[Any, ...], list[Record]] = {}
    for number, record in enumerate(records):
        alone = record.message is None or record.kind == "webhook"
        key = (number,) if alone else (record.message, record.decision, record.reason)
        groups.setdefault(key, []).append(record)
    return list(groups.values())


def folded(records: Sequence[Record], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """One row for each decision; those that travel in one mail share a row.

    ``names`` are those of the accounts, by key. A moment is the client's own; where clients live in
    several zones each says in which.
    """
    zones = {str(record.at.tzinfo) for record in records if record.at}
    moment = f"%a %Y-%m-%d %H:%M{' %Z' if len(zones) > 1 else ''}"
    for group in together(records):
        row = _row(group[0], moment) | {"name": names.get(group[0].account, "")}
        first, *others = [record.licence or record.subject for record in group]
        yield row | {"licence": f"{first} and {len(others)} more" if others else first}


def _row(record: Record, moment: str) -> dict[str, Any]:
    at = record.at.strftime(moment) if record.at else ""
    return record.json() | {"at": at, "to": ", ".join(record.to)}


def summary(records: Sequence[Record], period: Period) -> Iterator[str]:
    """How many mails, tasks and calls there will be, what cannot be done, who gets nothing; why."""
    planned = [record for record in records if record.decision == "planned"]
    mails = {record.message for record in planned if record.kind in MAILING}
    kinds = Counter(record.kind for record in planned)
    calls = f", {counted(kinds['webhook'], 'call')}" if kinds["webhook"] else ""
    quiet = [record for record in records if record.decision == "nothing"]
    silent = f"{len(quiet)} licence expires in this time and gets nothing."
    if len(quiet) != 1:
        silent = f"{len(quiet)} licences expire in this time and get nothing."
    yield (
        f"{period.first} to {period.last}: {counted(len(mails), 'mail')}, "
        f"{counted(kinds['task'], 'task')}{calls}; {silent}"
    )
    yield from _reasons(quiet)
    blocked = [record for record in records if record.decision == "blocked"]
    if blocked:
        yield f"{counted(len(blocked), 'step')} cannot be done:"
    yield from _reasons(blocked)


def _reasons(records: Sequence[Record]) -> Iterator[str]:
    for reason, count in Counter(record.reason or "" for record in records).most_common():
        yield f"  {count} × {reason}: {in_plain_words(reason)}"

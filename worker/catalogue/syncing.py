"""Full syncs: what is no longer in the file. Licences end; orders go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

from sqlalchemy.engine import Connection

from worker.catalogue import order_store, store
from worker.catalogue.laying import Part
from worker.catalogue.ordering import DAY
from worker.catalogue.reading import Parsed
from worker.catalogue.report import Report
from worker.catalogue.said import Said
from worker.catalogue.totals import Line
from worker.config.settings import SourceSettings
from worker.kernel.errors import FindingsError

MISSING_WITHOUT_ASKING = 0.10
"""A full sync that would end a larger part of a source's active licences, or remove a larger part
of its orders, stops and asks."""


class Missing(NamedTuple):
    """What a full sync no longer finds in its file."""

    ending: Sequence[int]
    removing: Mapping[int, Line]


def missing(
    conn: Connection,
    parsed: Parsed,
    said: Said,
    source: SourceSettings,
    report: Report,
    *,
    accept: bool,
) -> Missing:
    """What the file of a full sync lacks; nothing, if the source is none.

    ``accept``: however much that is. Raises ``FindingsError`` when it is too much otherwise.
    """
    ending: Sequence[int] = ()
    removing: Mapping[int, Line] = {}
    if source.full_sync and "licence" in parsed.shapes:
        ending = _endings(conn, parsed, said, report, accept=accept)
    if source.full_sync and "order" in parsed.shapes:
        removing = _removals(conn, parsed, said, report, accept=accept)
    return Missing(ending, removing)


def _endings(
    conn: Connection, parsed: Parsed, said: Said, report: Report, *, accept: bool
) -> list[int]:
    """Ids of the active licences of this source that the file no longer has."""
    active = store.active_of(conn, report.source)
    present = {*(one.key for one in said.licences), *parsed.rejected_keys["licence"]}
    ending = [active[key] for key in sorted(active.keys() - present)]
    if ending and _cannot_tell(parsed, report, "licence", len(ending), "ended"):
        return []
    if not accept:
        _ask_if_many(len(ending), len(active), "end", "active licences")
    return ending


def _removals(
    conn: Connection, parsed: Parsed, said: Said, report: Report, *, accept: bool
) -> dict[int, Line]:
    """The orders of this source that the file no longer has, by id.

    The file speaks of the days from its first order on: an export of the last two years does not
    shorten the history. Lines of a rejected document count as present.
    """
    first = _first_day(said.orders)
    if first is None:
        return {}
    rejected = parsed.rejected_keys["order"]
    gone: dict[int, Line] = {}
    total = 0
    for key, order_id, line in order_store.since(conn, report.source, first):
        total += 1
        if key in said.orders or key in rejected or key.rpartition("#")[0] in rejected:
            continue
        gone[order_id] = line
    if gone and _cannot_tell(parsed, report, "order", len(gone), "removed"):
        return {}
    if not accept:
        _ask_if_many(len(gone), total, "remove", f"orders since {first}")
    return gone


def _first_day(orders: Mapping[str, Part]) -> date | None:
    return min((part[DAY] for part in orders.values() if part[DAY] is not None), default=None)


def _cannot_tell(parsed: Parsed, report: Report, entity: str, count: int, verb: str) -> bool:
    """Whether a row could not be told apart: it may be any of those that seem to be missing."""
    keyless = parsed.keyless[entity]
    if keyless:
        rows = "a row" if keyless == 1 else f"{keyless} rows"
        report.notes.append(
            f"{count} {entity}s are not in the file, but {rows} could not be read: "
            f"none of them was {verb}"
        )
    return bool(keyless)


def _ask_if_many(count: int, total: int, verb: str, what: str) -> None:
    if count > MISSING_WITHOUT_ASKING * total:
        raise FindingsError(
            f"this full sync would {verb} {count} of {total} {what} ({count / total:.0%}), more "
            f"than {MISSING_WITHOUT_ASKING:.0%}; nothing was imported. If that is right, run it "
            "again with --accept-endings"
        )

"""Orders as a file tells them: documents of several lines, keys told twice, lines too thin. Pure.

Orders come by the million and nothing hangs on their order, so a key is looked at only where
something is odd about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from worker.catalogue.laying import Part
from worker.catalogue.reading import Parsed
from worker.catalogue.said import Reasons
from worker.kernel.errors import Problem

KEY, ACCOUNT, LINE, DAY, QUANTITY, AMOUNT, CURRENCY = range(7)
"""Places in the part of an order: always these, whatever the loads fill."""

WANTED = {"account": "account", "ordered_on": "day", "amount": "amount"}
"""What a new order cannot do without, and how it is called in messages."""

_NEEDED = (("account", ACCOUNT), ("ordered_on", DAY), ("amount", AMOUNT))

Rows = Sequence[tuple[Any, ...]]
Documents = Mapping[str, Sequence[int]]
"""The lines of the file that are lines of each document, by the key that they share."""


def number(parsed: Parsed) -> Documents:
    """Gives each row of a load whose rows share keys (``same_key = "lines"``) one of its own.

    The first line of the document K keeps the key K, the next ones get K#2, K#3, in the order of
    the file.
    """
    documents: dict[str, list[int]] = {}
    for place, load in enumerate(parsed.loads, start=1):
        if load.entity.name != "order" or not load.numbered:
            continue
        for at, row in enumerate(parsed.rows):
            part = row[place]
            if part is None:
                continue
            lines = documents.setdefault(part[KEY], [])
            lines.append(row[0])
            if len(lines) > 1:
                numbered = (f"{part[KEY]}#{len(lines)}", *part[1:])
                parsed.rows[at] = (*row[:place], numbered, *row[place + 1 :])
    return documents


def incomplete(
    documents: Documents, cut: Collection[str], reasons: Collection[int], name: str
) -> Reasons:
    """Why the other lines of a document are not loaded either when some of it cannot be.

    Half an invoice is no sale that anybody made; and alone in the file of rejects, a line would
    get the number of another. ``cut``: documents with a line that could not be read; ``reasons``:
    lines with a reason already.
    """
    found: Reasons = {}
    for key, lines in documents.items():
        bad = [line for line in lines if line in reasons]
        if not bad and key not in cut:
            continue
        told = f"{key!r}, of which line {bad[0]} is rejected" if bad else f"{key!r}, cut short"
        expected, hint = "a document whose lines are all sound", "correct its other lines"
        problem = Problem(name, 0, 0, "key", "incomplete-document", expected, told, hint)
        found |= {line: [problem] for line in lines if line not in reasons}
    return found


def merge(rows: Rows, places: Sequence[int]) -> tuple[dict[str, Part], Documents, int]:
    """Orders by key; the lines of each key that stands for different orders; how many rows say
    word for word what another one has said."""
    found: dict[str, Part] = {}
    again: set[str] = set()
    for place in places:
        for row in rows:
            part = row[place]
            if part is not None and found.setdefault(part[KEY], part) is not part:
                again.add(part[KEY])
    lines: dict[str, list[int]] = {key: [] for key in again}
    clashing: set[str] = set()
    for line, _, part in find(rows, places, again):
        lines[part[KEY]].append(line)
        if part != found[part[KEY]]:
            clashing.add(part[KEY])
    repeated = sum(len(told) - 1 for key, told in lines.items() if key not in clashing)
    return found, {key: lines[key] for key in clashing}, repeated


def find(
    rows: Rows, places: Sequence[int], keys: Collection[str]
) -> Iterator[tuple[int, int, Part]]:
    """(line, place, part) of all that the rows say of the orders with these keys."""
    for place in places if keys else ():
        for row in rows:
            part = row[place]
            if part is not None and part[KEY] in keys:
                yield row[0], place, part


def lacking(orders: Mapping[str, Part]) -> dict[str, list[str]]:
    """What each order lacks to be a new one; those that lack nothing are left out."""
    return {
        key: [name for name, at in _NEEDED if part[at] is None]
        for key, part in orders.items()
        if part[ACCOUNT] is None or part[DAY] is None or part[AMOUNT] is None
    }

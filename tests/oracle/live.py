"""A made-up book as a live run meets it: known in part, and changed by nightly imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby, pairwise
from random import Random
from typing import Any

from tests.oracle.book import Row, licences_csv
from tests.oracle.life import Event


def live(
    book: Mapping[str, Any], begins: datetime, last: date, seed: int = 1
) -> tuple[Row, list[Event]]:
    """The book as it was known at ``begins``, and what a nightly import then brought.

    Renewals come when they were closed; some licences come late, some are cancelled, and some
    current terms are corrected, to earlier and to later dates, by less than half their length.
    """
    dice = Random(seed)
    base: Row = {**book, "licences": [], "terms": []}
    events: list[Event] = []
    by_key = {key: list(rows) for key, rows in groupby(book["terms"], lambda row: row["licence"])}
    for licence in book["licences"]:
        known, coming = _split(by_key[licence["key"]], begins)
        if licence["auto_renew"]:
            coming = []
        events += [(night, "renew", term) for night, term in coming if night.date() <= last]
        lot = dice.random()
        if lot < 0.04 and not coming and len(known) == 1:
            night = _night(known[0]["expires_on"] - timedelta(days=dice.randrange(-5, 40)))
            if begins < night and night.date() <= last:
                events.append((night, "add", {"licence": licence, "terms": known}))
                continue
        base["licences"].append(licence)
        base["terms"] += known
        if coming or licence["status"] != "active":
            continue
        night = begins + timedelta(days=dice.randrange(1, (last - begins.date()).days), hours=3)
        if lot < 0.07:
            events.append(
                (night, "cancel", {**known[-1], "status": dice.choice(("cancelled", "ended"))})
            )
        elif lot < 0.35 and not licence["auto_renew"] and known[-1]["starts_on"]:
            events += _corrections(dice, known[-1], night)
    return base, sorted(events, key=lambda event: event[0])


def _night(day: date) -> datetime:
    return datetime.combine(day, time(3), UTC)


def _split(terms: Sequence[Row], begins: datetime) -> tuple[list[Row], list[tuple[datetime, Row]]]:
    known = [terms[0]]
    coming: list[tuple[datetime, Row]] = []
    for before, term in pairwise(terms):
        night = _night(term["closed_on"] or term["starts_on"] or before["expires_on"])
        if coming or night > begins:
            coming.append((night, term))
        else:
            known.append(term)
    return known, coming


def _corrections(dice: Random, term: Row, night: datetime) -> list[Event]:
    length = (term["expires_on"] - term["starts_on"]).days
    most = min(45, (length - 1) // 2)
    if most < 1:
        return []
    found: list[Event] = []
    for _ in range(dice.choice((1, 1, 2))):
        days = dice.choice((-1, 1)) * dice.randrange(1, most + 1)
        moved = {**term, "expires_on": term["expires_on"] + timedelta(days=days), "blank": False}
        found.append((night, "correct", moved))
        night += timedelta(days=dice.randrange(1, 20))
    return found


def files(book: Mapping[str, Any], events: Iterable[Event]) -> list[tuple[datetime, str]]:
    """The nightly import files of a live run: moment and CSV text, one for each night.

    ``book`` is the whole one, from which the rest of each row is taken.
    """
    found = []
    for moment, group in groupby(events, lambda event: event[0]):
        terms: list[Row] = []
        for _, kind, data in group:
            terms += data["terms"] if kind == "add" else [dict(data)]
        found.append((moment, licences_csv(book, terms)))
    return found

"""What the company knew of a licence, and since when: a list of pictures, oldest first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from typing import Any

from tests.oracle.days import ONE, months_on, on_the_wall
from tests.oracle.script import as_date

Event = tuple[datetime, str, Mapping[str, Any]]
HANDS = ("hold", "lift", "take-over")
"""What people do with one planned mail; no news of the licence."""
UNKNOWN_TERM = timedelta(days=365)


@dataclass(frozen=True)
class Picture:
    """A licence from ``since`` on. ``number`` is that of its current term."""

    since: datetime
    number: int
    starts_on: date | None
    expires_on: date
    licence: Mapping[str, Any]
    account: Mapping[str, Any]
    by_itself: bool = False  # opened because the expiry of the term before passed

    @property
    def status(self) -> str:
        return str(self.licence.get("status") or "active")


@dataclass
class Book:
    """The rows, found by key."""

    zone: str
    country: str
    accounts: dict[str, Mapping[str, Any]]
    licences: dict[str, Mapping[str, Any]]
    terms: dict[str, list[Mapping[str, Any]]]
    contacts: dict[str, list[Mapping[str, Any]]] | None
    self_renewing: bool = True  # whether an auto-renewing licence opens its next term by itself

    def zone_of(self, account: Mapping[str, Any]) -> str:
        return str(account.get("timezone") or self.zone)

    def country_of(self, account: Mapping[str, Any]) -> str:
        return str(account.get("country") or self.country)


def index(book: Mapping[str, Any], events: Iterable[Event] = ()) -> Book:
    """The book, with the rows that events add, found by key."""
    added = [data for _, kind, data in events if kind == "add"]
    accounts = [*book["accounts"], *(data["account"] for data in added if "account" in data)]
    licences = [*book["licences"], *(data["licence"] for data in added)]
    contacts = None
    if "contacts" in book:
        contacts = defaultdict(list)
        for row in [
            *book["contacts"],
            *(row for data in added for row in data.get("contacts", ())),
        ]:
            contacts[row["account"]].append(row)
    terms = defaultdict(list)
    for row in [*book["terms"], *(row for data in added for row in data["terms"])]:
        if row.get("number") is not None:  # without a number: history, never walked
            terms[row["licence"]].append(row)
    return Book(
        str(book.get("timezone") or "UTC"),
        str(book.get("country") or ""),
        {row["key"]: row for row in accounts},
        {row["key"]: row for row in licences},
        {key: sorted(rows, key=lambda row: row["number"]) for key, rows in terms.items()},
        contacts,
        bool(book.get("self_renewing", True)),
    )


def first_moment(day: date, zone: str) -> datetime:
    """Where a day begins."""
    return on_the_wall(day, time(0), zone)


@dataclass
class _State:
    licence: dict[str, Any]
    account: dict[str, Any]
    terms: dict[int, tuple[date | None, date, bool]] = field(default_factory=dict)

    @property
    def number(self) -> int:
        return max(self.terms)

    def picture(self, since: datetime) -> Picture:
        start, expiry, by_itself = self.terms[self.number]
        licence = {**self.licence, "term": self.number, "starts_on": start, "expires_on": expiry}
        return Picture(since, self.number, start, expiry, licence, dict(self.account), by_itself)


def pictures(
    book: Book,
    key: str,
    begins: datetime,
    ends: datetime,
    events: Sequence[Event] = (),
    *,
    replay: bool = True,
    months: bool = True,
) -> list[Picture]:
    """Everything known of licence ``key`` from ``begins`` to ``ends``, change by change.

    ``replay``: later terms are unknown until they were closed; else all rows of the book are
    known from the start. ``months``: a term that opens by itself is as many months long as the
    one before (where that is a whole number), else as many days.
    """
    licence = book.licences[key]
    account = book.accounts[licence["account"]]
    state = _State(dict(licence), dict(account))
    pending = _pending(book, key, account, begins, events, replay=replay)
    found: list[Picture] = []
    while True:
        renewal = _passes(state, book, found[-1].since if found else begins)
        upcoming = min(filter(None, [renewal, pending[0][0] if pending else None]), default=None)
        if upcoming is None or upcoming > ends:
            return found
        if pending and pending[0][0] == upcoming:
            _, kind, data = pending.pop(0)
            _apply(state, kind, data)
        else:
            _open_next(state, pending, months=months)
        if state.terms:
            if found and found[-1].since == upcoming:
                found.pop()
            found.append(state.picture(upcoming))


def _pending(
    book: Book,
    key: str,
    account: Mapping[str, Any],
    begins: datetime,
    events: Sequence[Event],
    *,
    replay: bool,
) -> list[Event]:
    late = [
        (moment, data)
        for moment, kind, data in events
        if kind == "add" and data["licence"]["key"] == key
    ]
    known = late[0][0] if late else begins
    terms = book.terms.get(key, [])
    found: list[Event] = []
    for before, term in zip([None, *terms], terms, strict=False):
        moment = known
        if replay and before is not None:
            moment = max(known, _closing(before, term, book.zone_of(account)))
        found.append((moment, "term", term))
    for moment, kind, data in events:
        mine = data.get("licence") == key or (
            data.get("account") == account["key"] and kind == "change"
        )
        if mine and kind not in ("add", *HANDS):
            found.append((max(moment, known), kind, data))
    return sorted(found, key=lambda event: event[0])


def _closing(before: Mapping[str, Any], term: Mapping[str, Any], zone: str) -> datetime:
    day = (
        as_date(term.get("closed_on"))
        or as_date(term.get("starts_on"))
        or as_date(before["expires_on"])
    )
    assert day is not None
    return first_moment(day, zone)


def _apply(state: _State, kind: str, data: Mapping[str, Any]) -> None:
    if kind == "term":
        state.terms[data["number"]] = (_start(data), _expiry(data), False)
    elif kind == "renew":
        state.terms[data.get("number", state.number + 1)] = (_start(data), _expiry(data), False)
    elif kind == "correct":
        number = data.get("number", state.number)
        start, expiry, by_itself = state.terms[number]
        state.terms[number] = (
            _start(data) or start,
            as_date(data.get("expires_on")) or expiry,
            by_itself,
        )
    elif kind == "cancel":
        state.licence["status"] = data.get("status", "cancelled")
    elif kind == "fact":  # clicked, answered …
        state.licence["facts"] = {*state.licence.get("facts", ()), data["fact"]}
    elif kind == "change":
        (state.account if "account" in data else state.licence).update(data["fields"])
    else:
        raise ValueError(f"{kind!r} is not an event of a licence")


def _start(data: Mapping[str, Any]) -> date | None:
    return as_date(data.get("starts_on"))


def _expiry(data: Mapping[str, Any]) -> date:
    expiry = as_date(data["expires_on"])
    assert expiry is not None
    return expiry


def _passes(state: _State, book: Book, now: datetime) -> datetime | None:
    """When the expiry of an auto-renewing licence's term passes; ``None``: never."""
    if not state.terms or not state.licence.get("auto_renew") or not book.self_renewing:
        return None
    if (state.licence.get("status") or "active") != "active":
        return None
    expiry = state.terms[state.number][1]
    return max(now, first_moment(expiry + ONE, book.zone_of(state.account)))


def _open_next(state: _State, pending: list[Event], *, months: bool) -> None:
    number = state.number + 1
    for event in pending:
        if event[1] == "term" and event[2]["number"] == number:  # the book knows its dates
            pending.remove(event)
            _apply(state, "term", event[2])
            return
    start, expiry, _ = state.terms[state.number]
    state.terms[number] = (expiry, _next_expiry(start, expiry, months=months), True)


def _next_expiry(start: date | None, expiry: date, *, months: bool) -> date:
    if start is None:
        return months_on(expiry, 12) if months else expiry + UNKNOWN_TERM
    if months:
        count = (expiry.year - start.year) * 12 + expiry.month - start.month
        if count > 0 and months_on(start, count) == expiry:
            return months_on(expiry, count)
    return expiry + (expiry - start)

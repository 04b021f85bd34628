"""A made-up book with every awkward date in it; the same seed gives the same book."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from tests.oracle.cadences import schedules
from tests.oracle.days import ONE, months_on, public_holidays

__all__ = [
    "COLUMNS",
    "SOURCES",
    "contacts_csv",
    "generate",
    "licences_csv",
    "schedules",
]

Row = dict[str, Any]
PLACES = (
    ("America/Chicago", "US"),
    ("Europe/Warsaw", "PL"),
    ("Europe/Moscow", "RU"),
    ("Europe/Berlin", "DE"),
    ("Asia/Tokyo", "JP"),
    ("Asia/Kolkata", "IN"),
    ("Australia/Lord_Howe", None),
    ("Pacific/Apia", None),
    ("America/Sao_Paulo", None),
    ("UTC", None),
    ("Asia/Tokyo", "US"),
    (None, None),
)
SHAPES = {
    "yearly": 10,
    "early": 14,
    "late": 14,
    "monthly": 5,
    "two-day": 6,
    "three-year": 6,
    "return": 6,
    "auto": 6,
    "auto-chain": 3,
    "cancelled": 3,
    "ended": 2,
    "blank-start": 5,
    "blank-closed": 6,
    "seen-late": 8,
    "long-gone": 2,
    "far-off": 2,
    "leap": 3,
}
OFFSETS = (-90, -60, -30, -14, -7, -1, 0, 3, 7, 30)
COLUMNS = (
    *("licence", "product", "quantity", "amount", "currency", "auto_renew", "status", "owner"),
    *("starts_on", "expires_on", "closed_on"),
    *("account", "name", "timezone", "country", "segment", "language", "tags"),
)
SOURCES = """
[sources.licences]
kind = "csv"
path = "licences.csv"

[[sources.licences.load]]
entity = "account"
key = "{account}"
name = "{name}"
timezone = "{timezone}"
country = "{country}"
segment = "{segment}"
language = "{language}"
tags = "{tags}"

[[sources.licences.load]]
entity = "licence"
key = "{licence}"
account = "{account}"
product = "{product}"
quantity = "{quantity}"
amount = "{amount}"
currency = "{currency}"
auto_renew = "{auto_renew}"
status = "{status}"
owner = "{owner}"
starts_on = "{starts_on}"
expires_on = "{expires_on}"
closed_on = "{closed_on}"

[sources.contacts]
kind = "csv"
path = "contacts.csv"

[[sources.contacts.load]]
entity = "contact"
key = "{key}"
account = "{account}"
email = "{email}"
name = "{name}"
role = "{role}"
"""


@dataclass
class Maker:
    """Makes licences around a run from ``first`` to ``last``."""

    dice: Random
    first: date
    last: date

    def expiry(self, account: Row) -> date:
        """A day near the run, often one on which something awkward happens."""
        span = (self.last - self.first).days + 130
        plain = self.first - timedelta(days=40) + timedelta(days=self.dice.randrange(span))
        kind = self.dice.choice(
            ("plain", "weekend", "holiday", "eve", "clocks", "month-end", "leap")
        )
        if kind == "weekend":
            return plain + timedelta(days=5 - plain.weekday() + self.dice.randrange(2))
        if kind in ("holiday", "eve") and account["country"]:
            days = sorted(public_holidays(account["country"], plain.year))
            before = self.dice.choice((1, 2, 3, 4)) if kind == "eve" else 0
            return self.dice.choice(days) - timedelta(days=before)
        if kind == "clocks":
            days = clock_changes(account["timezone"] or "UTC", plain.year)
            if days:
                shift = self.dice.choice(OFFSETS) + self.dice.choice((-1, 0, 0, 1))
                return self.dice.choice(days) - timedelta(days=shift)
        if kind == "month-end":
            return plain.replace(day=1) - ONE
        if kind == "leap":
            return date(leap_year(plain.year), 2, 29) + timedelta(days=self.dice.choice(OFFSETS))
        return plain

    def terms(self, shape: str, account: Row) -> list[Row]:
        """The terms of one licence, oldest first; ``blank`` marks a start the file leaves out."""
        expiry = self.expiry(account)
        year = months_on(expiry, -12)
        if shape == "two-day":
            return [_term(expiry - timedelta(days=2), expiry)]
        if shape == "three-year":
            return [_term(months_on(expiry, -36), expiry)]
        if shape == "leap":
            leap = date(leap_year(self.first.year), 2, 29)
            return [_term(leap - timedelta(days=self.dice.choice((366, 1461))), leap)]
        if shape == "long-gone":
            return [_term(months_on(expiry, -72), months_on(expiry, -60))]
        if shape == "far-off":
            return [_term(expiry, months_on(expiry, 40))]
        if shape == "blank-start":
            return [_term(None, expiry)]
        if shape == "monthly":
            return self._chain(months_on(expiry, -self.dice.randrange(1, 9)), 1, 12, (-12, 12))
        if shape in ("early", "auto-chain"):
            return self._chain(months_on(expiry, -24), 12, 4, (-80, -1))
        if shape == "late":
            return self._chain(months_on(expiry, -24), 12, 4, (0, 60))
        if shape == "seen-late":
            return self._chain(months_on(expiry, -24), 12, 4, (200, 380))
        if shape == "return":
            start = expiry + timedelta(days=self.dice.randrange(91, 260))
            after = _term(
                start, months_on(start, 12), start - timedelta(days=self.dice.randrange(5))
            )
            return [_term(year, expiry), after]
        if shape == "blank-closed":
            after = _term(expiry, months_on(expiry, 12))
            after["blank"] = self.dice.random() < 0.5
            return [_term(year, expiry), after]
        return [_term(year, expiry, year - timedelta(days=self.dice.randrange(20)))]

    def _chain(self, start: date, months: int, count: int, closed: tuple[int, int]) -> list[Row]:
        found = [_term(start, months_on(start, months))]
        while len(found) < count:
            before = found[-1]
            begins = before["expires_on"] + self.dice.choice((0, 0, 1)) * ONE
            agreed = before["expires_on"] + timedelta(days=self.dice.randint(*closed))
            if before["closed_on"]:
                agreed = max(agreed, before["closed_on"] + ONE)
            found.append(_term(begins, months_on(begins, months), agreed))
        gap = self.dice.random() < 0.3  # some clients stop renewing in the middle
        return found[: self.dice.randrange(1, count)] if gap else found


def clock_changes(zone: str, year: int) -> list[date]:
    """The civil days of a year on which the clocks of ``zone`` are moved."""
    days = [date(year, 1, 1) + number * ONE for number in range(365)]
    offsets = [datetime.combine(day, time(0), ZoneInfo(zone)).utcoffset() for day in days]
    return [day for day, now, then in zip(days, offsets, offsets[1:], strict=False) if now != then]


def leap_year(year: int) -> int:
    """The leap year nearest after ``year``, itself included."""
    return year + -year % 4


def _term(start: date | None, expiry: date, closed: date | None = None) -> Row:
    return {"starts_on": start, "expires_on": expiry, "closed_on": closed, "blank": False}


def generate(
    seed: int = 1,
    licences: int = 5000,
    first: date = date(2024, 1, 1),
    last: date = date(2024, 12, 31),
) -> Row:
    """A book as ``judge`` reads it. ``shapes`` says what each licence was made to try."""
    dice = Random(seed)
    maker = Maker(dice, first, last)
    book: Row = {"timezone": "UTC", "country": "", "shapes": {}}
    book |= {"accounts": [], "licences": [], "terms": [], "contacts": []}
    while len(book["licences"]) < licences:
        account = _account(dice, len(book["accounts"]) + 1)
        book["accounts"].append(account)
        book["contacts"] += _contacts(dice, account)
        many = dice.choice((1, 1, 1, 2, 2, 3, 5, 8, dice.randrange(9, 41)))
        for _ in range(min(many, licences - len(book["licences"]))):
            shape = dice.choices(list(SHAPES), list(SHAPES.values()))[0]
            key = f"L{len(book['licences']) + 1:06d}"
            book["licences"].append(_licence(dice, key, account, shape))
            book["shapes"][key] = shape
            for number, term in enumerate(maker.terms(shape, account), 1):
                book["terms"].append({"licence": key, "number": number, **term})
    return book


def _account(dice: Random, number: int) -> Row:
    zone, country = PLACES[number % len(PLACES)] if number <= 24 else dice.choice(PLACES)
    return {
        "key": f"A{number:05d}",
        "name": f"Client {number} & Sons",
        "timezone": zone,
        "country": country,
        "segment": dice.choice(("smb", "mid", "enterprise", None)),
        "language": dice.choice(("en", "pl", "ru", None)),
        "tags": dice.choice((["key"], ["key", "north"], ["north"], [])),
    }


def _contacts(dice: Random, account: Row) -> list[Row]:
    roles = dice.choice(
        (("decision-maker",), ("procurement", "technical"), ("end-user",), ("decision-maker",) * 2)
    )
    return [
        {
            "key": f"{account['key']}-{place}",
            "account": account["key"],
            "email": f"{role}.{place}@{account['key'].lower()}.example.com",
            "name": f"{role.title()} {place}",
            "role": role,
        }
        for place, role in enumerate(roles)
    ]


def _licence(dice: Random, key: str, account: Row, shape: str) -> Row:
    return {
        "key": key,
        "account": account["key"],
        "product": dice.choice(("Backup", "Antivirus", "Mail archive")),
        "quantity": dice.randrange(1, 500),
        "amount": f"{dice.randrange(10, 2000)}.50",
        "currency": dice.choice(("USD", "EUR", "PLN")),
        "auto_renew": shape.startswith("auto"),
        "status": shape if shape in ("cancelled", "ended") else "active",
        "owner": dice.choice((None, "ann", "ben")),
    }


# As files


def licences_csv(book: Mapping[str, Any], terms: Iterable[Mapping[str, Any]] | None = None) -> str:
    """The book, or some of its terms, as an import file: one row for each term."""
    accounts = {row["key"]: row for row in book["accounts"]}
    licences = {row["key"]: row for row in book["licences"]}
    rows = []
    for term in book["terms"] if terms is None else terms:
        licence = licences[term["licence"]]
        account = accounts[licence["account"]]
        row = {**account, **licence, **term, "name": account["name"], "account": account["key"]}
        row |= {"tags": ",".join(account["tags"]), "auto_renew": str(row["auto_renew"]).lower()}
        if term.get("blank"):
            row["starts_on"] = None
        rows.append({name: row[name] for name in COLUMNS})
    return _csv(COLUMNS, rows)


def contacts_csv(book: Mapping[str, Any]) -> str:
    """All contacts as an import file."""
    return _csv(("key", "account", "email", "name", "role"), book["contacts"])


def _csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()

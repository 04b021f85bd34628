"""The City of Chicago's licence records as a book, read without the import under test."""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from typing import Any

Row = dict[str, Any]
UNKNOWN_TERM = timedelta(days=365)


def book(
    lines: Iterable[str],
    *,
    zone: str = "America/Chicago",
    country: str | None = None,
    statuses: Mapping[str, str] | None = None,
) -> tuple[Row, dict[int, str]]:
    """The book, and the reasons of rejected rows by line number (the header is line 1).

    ``statuses`` says what the file's ``license_status`` means; without it all are active.
    Contacts are ``licences+{account_number}@example.com``.
    """
    rejected: dict[int, str] = {}
    by_licence: dict[str, list[Row]] = defaultdict(list)
    for number, cells in enumerate(csv.DictReader(lines), 2):
        term = _term(number, cells, statuses or {})
        if not term["expires_on"]:
            rejected[number] = "no expiry"
        elif term["starts_on"] and term["expires_on"] <= term["starts_on"]:
            rejected[number] = "ends on or before its start"
        else:
            by_licence[term["licence"]].append(term)
    found: Row = {"timezone": zone, "accounts": [], "licences": [], "terms": [], "contacts": []}
    accounts = set()
    for key, rows in by_licence.items():
        terms = _history(rows, rejected)
        if terms:
            accounts.add(terms[-1]["account"])
            licence = {"key": key, "auto_renew": False}
            licence |= {name: terms[-1][name] for name in ("account", "status", "product")}
            found["licences"].append(licence)
            found["terms"] += [{**term, "number": n} for n, term in enumerate(terms, 1)]
    for key in sorted(accounts):
        found["accounts"].append({"key": key, "timezone": zone, "country": country})
        found["contacts"].append({"account": key, "email": f"licences+{key}@example.com"})
    return found, rejected


def _term(number: int, cells: Mapping[str, str], statuses: Mapping[str, str]) -> Row:
    return {
        "line": number,
        "licence": cells["license_number"],
        "account": cells["account_number"],
        "product": cells["license_description"],
        "status": statuses.get(cells["license_status"], "active"),
        "starts_on": _date(cells["license_term_start_date"]),
        "expires_on": _date(cells["license_term_expiration_date"]),
        "closed_on": _date(cells["payment_date"]),
    }


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None


def _history(rows: list[Row], rejected: dict[int, str]) -> list[Row]:
    """The terms of one licence in order; rows that claim one term are all rejected."""
    terms: list[Row] = []
    for row in sorted(
        rows, key=lambda row: (row["starts_on"] or row["expires_on"], row["expires_on"])
    ):
        before = terms[-1] if terms else None
        if before is None or _follows(before, row):
            start = row["starts_on"] or (before and before["expires_on"])
            terms.append({**row, "starts_on": start})
        elif _dates(row) != _dates(before):
            rejected[row["line"]] = rejected[before["line"]] = (
                "claims the same term with other dates"
            )
    return [term for term in terms if term["line"] not in rejected]


def _dates(row: Row) -> tuple[date | None, date]:
    return row["starts_on"], row["expires_on"]


def _follows(before: Row, row: Row) -> bool:
    if row["starts_on"]:
        return bool(row["starts_on"] >= before["expires_on"])
    length = before["expires_on"] - before["starts_on"] if before["starts_on"] else UNKNOWN_TERM
    return bool((row["expires_on"] - before["expires_on"]) * 2 >= length)

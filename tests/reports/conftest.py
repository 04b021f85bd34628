"""Small books, written term by term, that the tests of reports count by hand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.reports import figures
from worker.reports.cohort import Asked
from worker.reports.figures import Figure, Report
from worker.schedules.records import versions

YEAR = Period(date(2026, 1, 1), date(2026, 12, 31))
TODAY = date(2027, 2, 15)

Days = tuple[str, ...]
"""``(start, end)`` or ``(start, end, closed)``; an empty start or closing day is unknown."""


def day(said: str) -> date | None:
    return date.fromisoformat(said) if said else None


def moment(said: str) -> datetime:
    """``2026-11-20`` is noon of that day in UTC; an hour may be given."""
    at = datetime.fromisoformat(said)
    return (at if len(said) > 10 else at.replace(hour=12)).replace(tzinfo=UTC)


class Book:
    """Licences with their terms, and what was done about them."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._accounts: dict[str, int] = {}
        self._licences: dict[str, int] = {}
        self._serial = 0

    def licence(
        self,
        key: str,
        *known: Days,
        account: str = "",
        amount: str | None = "100",
        currency: str | None = "EUR",
        status: str = "active",
        seen: str = "2020-01-01",
        segment: str | None = None,
        notice: int | None = None,
        **more: Any,
    ) -> None:
        """A licence whose terms are ``known``, in order of time; the last one is the current."""
        starts, ends, *_ = known[-1]
        values = {
            "key": key,
            "account_id": self._account(account or f"of {key}", segment),
            "amount": Decimal(amount) if amount is not None else None,
            "currency": currency,
            "status": status,
            "auto_renew": notice is not None,
            "notice_days": notice,
            "term": len(known),
            "starts_on": day(starts),
            "expires_on": day(ends),
            "updated_at": moment(seen),
        }
        with self.engine.begin() as conn:
            found = conn.execute(licences.insert().values(values | more)).inserted_primary_key
            assert found is not None
            self._licences[key] = found[0]
            rows = self._terms(found[0], known, moment(seen))
            conn.execute(terms.insert(), rows)

    def _terms(self, licence: int, known: Sequence[Days], seen: datetime) -> list[dict[str, Any]]:
        return [
            {
                "licence_id": licence,
                "number": number,
                "origin": "first" if number == 1 else "renewal",
                "starts_on": day(start),
                "expires_on": day(end),
                "closed_on": day(closed[0]) if closed else None,
                "seen_at": seen,
            }
            for number, (start, end, *closed) in enumerate(known, 1)
        ]

    def _account(self, key: str, segment: str | None) -> int:
        if key not in self._accounts:
            row = {"key": key, "name": key, "segment": segment, "updated_at": moment("2020-01-01")}
            with self.engine.begin() as conn:
                made = conn.execute(accounts.insert().values(row)).inserted_primary_key
            assert made is not None
            self._accounts[key] = made[0]
        return self._accounts[key]

    def step(
        self,
        licence: str,
        step: str,
        on: str,
        *,
        term: int = 1,
        decision: str = "waiting",
        reason: str | None = None,
        state: str = "accepted",
        kind: str = "contractual",
        accepted: str = "",
    ) -> None:
        """A step that fell due ``on`` a day; where it waits for a mail, the mail with its state."""
        self._serial += 1
        key = f"mail-{self._serial}" if decision == "waiting" else None
        at = moment(on)
        with self.engine.begin() as conn:
            version = self._version(conn)
            walk = self._walk(conn, licence, term)
            row = {"walk_id": walk, "step": step, "kind": "email", "decision": decision}
            row |= {"reason": reason, "due_on": at.date(), "at": at, "decided_at": at}
            conn.execute(steps.insert().values(row | {"version_id": version, "mail_key": key}))
            if key is None:
                return
            mail = {"mail_key": key, "address": "a@example.com", "schedule": "renewal"}
            mail |= {"step": step, "version_id": version, "template": "t", "kind": kind}
            mail |= {"day": at.date(), "state": state, "valid_until": at, "created_at": at}
            mail["accepted_at"] = moment(accepted or on) if state == "accepted" else None
            conn.execute(messages.insert().values(mail))

    def _version(self, conn: Any) -> int:
        found = conn.execute(versions.select()).first()
        if found:
            return int(found.id)
        row = {"schedule": "renewal", "number": 1, "digest": "", "text": "", "templates": {}}
        row |= {"steps_since": {}, "applied_at": moment("2020-01-01"), "active": True}
        return int(conn.execute(versions.insert().values(row)).inserted_primary_key[0])

    def _walk(self, conn: Any, licence: str, term: int) -> int:
        subject = self._licences[licence]
        same = (walks.c.subject_id == subject) & (walks.c.cycle == term)
        found = conn.execute(walks.select().where(same)).first()
        if found:
            return int(found.id)
        row = {"schedule": "renewal", "subject_id": subject, "cycle": term, "state": "ended"}
        row |= {"anchor_on": TODAY, "first_act_at": moment("2020-01-01")}
        return int(conn.execute(walks.insert().values(row)).inserted_primary_key[0])

    def report(
        self, period: Period = YEAR, today: date = TODAY, by: str | None = None, **days: int
    ) -> Report:
        with reading(self.engine) as conn:
            return figures.read(conn, Asked(period, today, by, **days))

    def told(self, **asked: Any) -> dict[str, Any]:
        """Metric -> value of the whole cohort, money in euros."""
        return values(figures.figures(self.report(**asked)))


def values(
    found: Iterable[Figure], group: str | None = None, currency: str | None = "EUR"
) -> dict[str, Any]:
    """Metric -> value of one group, and of its money in one currency."""
    return {
        figure.metric: figure.value
        for figure in found
        if figure.group == group and figure.currency in (None, currency)
    }


def year(start: str, years: int = 1) -> tuple[str, str]:
    """A term of some years from a day on."""
    first = date.fromisoformat(start)
    return start, first.replace(year=first.year + years).isoformat()


def after(said: str, days: int) -> str:
    return (date.fromisoformat(said) + timedelta(days=days)).isoformat()


@pytest.fixture
def book(engine: Engine) -> Book:
    """An empty book on a fresh database; runs on both."""
    return Book(engine)

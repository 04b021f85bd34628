"""Small books of clients who were asked and answered, on both databases."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, Table, select

from worker.catalogue.records import accounts, contacts, licences, terms
from worker.config.settings import ThemeSettings
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import figures, flow, rules
from worker.surveys.counting import Asked
from worker.surveys.figures import Figure, Report
from worker.surveys.flow import Became, Given
from worker.surveys.numbers import vote
from worker.surveys.records import invitations, responses
from worker.surveys.themes import reader_of

NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
TODAY = NOW.date()
YEAR = Period(date(2026, 1, 1), date(2026, 12, 31))
THEMES = {
    "price": ThemeSettings(
        name="Price",
        words={"en": ["price*", "too much"], "pl": ["cen*", "drog*"], "ru": ["цен*", "дорог*"]},
    ),
    "support": ThemeSettings(
        name="Support",
        words={"en": ["support"], "pl": ["obsług*", "pomoc*"], "ru": ["поддержк*"]},
    ),
}
READER = reader_of(THEMES)


class Town:
    """Clients with contacts and licences, who are asked and answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.accounts: dict[str, int] = {}
        self.contacts: dict[str, int] = {}

    def account(self, key: str, segment: str | None = "smb", **more: Any) -> int:
        if key not in self.accounts:
            row = {"key": key, "name": f"Client {key}", "segment": segment, "updated_at": NOW}
            self.accounts[key] = self._add(accounts, row | more)
        return self.accounts[key]

    def contact(self, key: str, account: str, role: str | None = None, **more: Any) -> int:
        if key not in self.contacts:
            row = {"key": key, "account_id": self.account(account), "role": role}
            row |= {"email": f"{key.lower()}@example.com", "updated_at": NOW}
            self.contacts[key] = self._add(contacts, row | more)
        return self.contacts[key]

    def licence(
        self, key: str, account: str, amount: str = "100", currency: str = "EUR", **more: Any
    ) -> int:
        """An active licence; its term, and the one after it when it was ``renewed``."""
        renewed, end = more.pop("renewed", False), more.pop("end", date(2026, 6, 30))
        row = {"key": key, "account_id": self.account(account), "amount": Decimal(amount)}
        row |= {"currency": currency, "term": 1, "expires_on": end, "updated_at": NOW}
        id_ = self._add(licences, row | more)
        known = [(1, "first", end)]
        if renewed:
            known.append((2, "renewal", end.replace(year=end.year + 1)))
        for number, origin, expires_on in known:
            term = {"licence_id": id_, "number": number, "origin": origin, "seen_at": NOW}
            self._add(terms, term | {"expires_on": expires_on})
        return id_

    def said(self, score: int, account: str | None = "A-1", on: str = "2026-11-01", **more: Any):
        """An answer as it stands in the table; its number."""
        id_ = flow.draw_id()
        row = {"id": id_, "schedule": "surveys", "survey": "renewal", "promise": rules.NAMED}
        row |= {"account_id": self.account(account) if account else None, "score": score}
        row |= {"vote": vote(score), "segment": "smb", "source": "page"}
        row |= {"answered_on": date.fromisoformat(on) if on else None}
        self._add(responses, row | more)
        return id_

    def asked(self, contact: str, account: str, promise: str = rules.NAMED, **more: Any) -> int:
        """An invitation; its number."""
        row = {"schedule": "surveys", "survey": "renewal", "promise": promise, "segment": "smb"}
        row |= {"contact_id": self.contact(contact, account), "asked_on": TODAY, "asked_at": NOW}
        return self._add(invitations, row | {"account_id": self.account(account)} | more)

    def answer(self, invitation: int, score: int, on: date = TODAY, **more: Any) -> Became:
        """The answer to an invitation, as the page records it."""
        with self.engine.begin() as conn:
            return flow.record(conn, invitation, Given(score, **more), NOW, on, READER)

    def report(self, by: str | None = None, methods: Iterable[str] = ("answers",), **more: Any):
        with reading(self.engine) as conn:
            return figures.read(conn, Asked(more.pop("period", YEAR), by=by, **more), [*methods])

    def rows(self, table: Table = responses) -> list[Any]:
        with reading(self.engine) as conn:
            return list(conn.execute(select(table).order_by(*table.primary_key.columns)))

    def _add(self, table: Table, row: dict[str, Any]) -> int:
        with self.engine.begin() as conn:
            made = conn.execute(table.insert().values(**row)).inserted_primary_key
        assert made is not None
        return int(made[0])


def groups(report: Report) -> dict[str | None, tuple[int, float | None]]:
    """Group -> (n, NPS) of the groups."""
    return {each.group: (each.n, each.record()["nps"]) for each in report.groups}  # type: ignore[misc]  # a number


def whole(report: Report) -> Figure:
    (found,) = report.whole
    return found


@pytest.fixture
def town(engine: Engine) -> Town:
    """An empty town on a fresh database; runs on both."""
    return Town(engine)

"""A small town of clients whose every figure is worked by hand, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, Table

from worker.catalogue.records import accounts, contacts, licences, order_days, terms
from worker.db.engine import reading
from worker.indicators.asked import Asked
from worker.indicators.board import Board
from worker.indicators.reports import KINDS
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.reports.figures import Figure
from worker.schedules.records import versions
from worker.surveys import flow, rules
from worker.surveys.numbers import vote
from worker.surveys.records import responses
from worker.worklist.records import tasks

TODAY = date(2026, 11, 26)
NOW = datetime(2026, 11, 26, 9, 0, tzinfo=UTC)
QUARTER = Period(date(2026, 8, 26), TODAY)
YEAR = Period(date(2025, 11, 26), TODAY)


def day(said: str) -> date:
    return date.fromisoformat(said)


class Town:
    """Accounts that hold licences or order, hear from us and answer."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.accounts: dict[str, int] = {}
        self._serial = 0

    def account(self, key: str, **more: Any) -> int:
        if key not in self.accounts:
            row = {"key": key, "name": f"Client {key}", "updated_at": NOW} | more
            self.accounts[key] = self._add(accounts, row)
            person = {"key": f"C-{key}", "account_id": self.accounts[key], "updated_at": NOW}
            self._add(contacts, person | {"email": f"{key.lower()}@example.com"})
        return self.accounts[key]

    def licence(
        self, account: str, *known: tuple[str, str], amount: str | None = "100", **more: Any
    ) -> None:
        """A licence with its terms as ``(start, end)``, in order; the last is the current one."""
        self._serial += 1
        start, end = map(day, known[-1])
        row = {"key": f"L-{self._serial}", "account_id": self.account(account), "currency": "EUR"}
        row |= {"amount": None if amount is None else Decimal(amount), "term": len(known)}
        row |= {"starts_on": start, "expires_on": end, "updated_at": NOW} | more
        licence = self._add(licences, row)
        for number, (first, last) in enumerate(known, 1):
            term = {"licence_id": licence, "number": number, "seen_at": NOW}
            term |= {"starts_on": day(first), "expires_on": day(last)}
            self._add(terms, term | {"origin": "first" if number == 1 else "renewal"})

    def order(self, account: str, on: str, net: str = "100", currency: str = "EUR") -> None:
        """A day of orders, or of credit notes alone where ``net`` is negative."""
        amount = Decimal(net)
        row = {"account_id": self.account(account), "day": day(on), "product_line": ""}
        row |= {"currency": currency, "net": amount, "sold": max(amount, Decimal(0))}
        self._add(order_days, row | {"orders": int(amount > 0)})

    def mail(self, account: str, on: str, kind: str = "contractual", *, left: bool = True) -> None:
        """A mail that a channel accepted on that day, or did not."""
        self._serial += 1
        at = datetime.combine(day(on), time(9), UTC)
        row = {"mail_key": f"m-{self._serial}", "address": "a@example.com", "schedule": "renewal"}
        row |= {"step": "s", "version_id": self._version(), "template": "t", "kind": kind}
        row |= {"day": day(on), "state": "accepted" if left else "blocked", "valid_until": at}
        row |= {"created_at": at, "accepted_at": at if left else None}
        mine = contacts.c.account_id == self.account(account)
        with self.engine.begin() as conn:
            contact = conn.execute(contacts.select().where(mine)).one().id
        self._add(messages, row | {"contact_id": contact})

    def task(self, account: str, on: str, by: str | None = "sara") -> None:
        """A task that was closed on that day: by a person, or by the machine."""
        self._serial += 1
        at = datetime.combine(day(on), time(9), UTC)
        row = {"key": f"t-{self._serial}", "kind": "by-hand", "title": "Call", "opened_at": at}
        row |= {"account_id": self.account(account), "closed_at": at, "closed_by": by}
        self._add(tasks, row)

    def said(self, account: str, score: int, on: str, promise: str = rules.NAMED) -> int:
        """An answer; its number."""
        number = flow.draw_id()
        row = {"id": number, "schedule": "surveys", "survey": "renewal", "score": score}
        row |= {"account_id": self.account(account), "promise": promise, "vote": vote(score)}
        self._add(responses, row | {"source": "page", "answered_on": day(on)})
        return number

    def answered_by(self, response: int, on: str) -> None:
        """An open task about an answer."""
        at = datetime.combine(day(on), time(9), UTC)
        row = {"key": f"feedback:{response}", "kind": "feedback", "title": "Call", "opened_at": at}
        self._add(tasks, row)

    def board(self, name: str, period: Period, **more: Any) -> Board:
        with reading(self.engine) as conn:
            return KINDS[name].read(conn, Asked(period, **more))

    def _version(self) -> int:
        with self.engine.begin() as conn:
            found = conn.execute(versions.select()).first()
        row = {"schedule": "renewal", "number": 1, "digest": "", "text": "", "templates": {}}
        row |= {"steps_since": {}, "applied_at": NOW, "active": True}
        return int(found.id) if found else self._add(versions, row)

    def _add(self, table: Table, row: dict[str, Any]) -> int:
        with self.engine.begin() as conn:
            made = conn.execute(table.insert().values(**row)).inserted_primary_key
        assert made is not None
        return int(made[0])


def figures(board: Board, group: str | None = None) -> dict[str, Figure]:
    """Metric -> figure of a group."""
    return {one.metric: one for one in board.figures if one.group == group}


@pytest.fixture
def town(engine: Engine) -> Town:
    """An empty book on a fresh database; runs on both."""
    return Town(engine)


def settled(town: Town) -> Town:
    """Five clients. A has renewed once, and holds two licences; B's licence was not renewed in the
    summer; C renewed late and is in grace; D and E order. Their figures stand in the tests."""
    town.account("A", segment="mid", cost_to_serve=Decimal(50))
    town.licence("A", ("2025-01-10", "2026-01-10"), ("2026-01-10", "2027-01-10"), amount="400")
    town.licence("A", ("2026-10-01", "2027-10-01"), amount="200")
    town.licence("B", ("2025-06-30", "2026-06-30"), amount="300")
    town.licence("C", ("2024-11-10", "2025-11-10"), ("2025-11-10", "2026-11-10"), amount="600")
    for on, net in (("2025-09-01", "100"), ("2026-03-01", "250"), ("2026-11-01", "50")):
        town.order("D", on, net)
    town.order("D", "2026-11-02", "-20")
    town.order("E", "2025-10-15", "500")
    return town

"""An office: a worklist on a real database, and people who work on it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest
from sqlalchemy import Engine, select

from worker.access.audit import Actor
from worker.access.records import audit
from worker.access.rules import Role
from worker.catalogue.records import accounts, staff
from worker.db.engine import reading
from worker.worklist import store
from worker.worklist.flow import Today
from worker.worklist.records import tasks
from worker.worklist.rules import Hand
from worker.worklist.store import NewTask

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)  # a Tuesday
TODAY = Today(NOW, NOW.date())
CAPACITY = 25


@dataclass
class Office:
    """A database with one account, and Sara, Tom and Ann among the staff."""

    engine: Engine
    account: int = 0

    def __post_init__(self) -> None:
        with self.engine.begin() as conn:
            for key in ("SARA", "TOM", "ANN"):
                row = {"key": key, "name": key.title(), "email": f"{key.lower()}@example.com"}
                conn.execute(staff.insert().values(row | {"updated_at": NOW}))
            new = accounts.insert().values(key="A/1 x", name="Client One", updated_at=NOW)
            found = conn.execute(new).inserted_primary_key
            assert found is not None
            self.account = found[0]

    def open(self, key: str = "k", kind: str = "step", **more: Any) -> int:
        """A task; its number."""
        opened_at = more.pop("opened_at", NOW)
        with self.engine.begin() as conn:
            new = NewTask(key, kind, more.pop("title", f"Task {key}"), **more)
            (number,) = store.open_tasks(conn, [new], opened_at)
        return number

    def task(self, number: int) -> Any:
        with reading(self.engine) as conn:
            return conn.execute(select(tasks).where(tasks.c.id == number)).one()

    def history(self, number: int) -> list[tuple[str | None, str, str | None]]:
        with reading(self.engine) as conn:
            return [(row.who, row.what, row.note) for row in store.history(conn, number)]

    def logged(self) -> list[tuple[str, str, str]]:
        with reading(self.engine) as conn:
            rows = conn.execute(select(audit).order_by(audit.c.id)).all()
        return [(row.who, row.what, row.about) for row in rows]


def hand(who: str = "SARA", role: Role = Role.SALES, key: str | None = "") -> Hand:
    """Somebody who acts through a page; their name is their key of staff, too, unless told."""
    return Hand(Actor(who.lower(), "page"), role, who if key == "" else key)


def on(day: int) -> date:
    """That day of the month of ``NOW``."""
    return date(2026, 11, day)


@pytest.fixture
def office(engine: Engine) -> Office:
    return Office(engine)

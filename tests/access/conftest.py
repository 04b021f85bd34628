"""People who may sign in, with passwords that are cheap to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import Engine, select

from worker.access import flow, passwords, people
from worker.access.audit import Actor
from worker.access.flow import Tried
from worker.access.people import Person
from worker.access.records import audit
from worker.db.engine import reading

BOSS = Actor("boss", "page")
SECRET = "correct horse battery"
START = datetime(2027, 3, 1, 9, 30, tzinfo=UTC)


@dataclass
class Door:
    """A database with users, the clock on its wall, and the audit log behind it."""

    engine: Engine
    now: datetime = field(default=START)

    def add(
        self, login: str, role: str = "sales", password: str | None = SECRET, **more: str
    ) -> int:
        person = Person(login, login.title(), role, **more)
        return people.add(self.engine, BOSS, person, password, self.now)

    def knock(self, login: str, password: str = SECRET, address: str = "192.0.2.1") -> Tried:
        return flow.sign_in(self.engine, login, password, address, "Browser/1", self.now)

    def later(self, **span: float) -> None:
        self.now += timedelta(**span)

    def log(self, what: str = "") -> Sequence[Any]:
        """The lines of the audit log, the oldest first."""
        with reading(self.engine) as conn:
            rows = conn.execute(select(audit).order_by(audit.c.id)).all()
        return [row for row in rows if not what or row.what == what]


@pytest.fixture(autouse=True)
def cheap_passwords(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords are looked at a hundred times here; only their own test needs the true price."""
    if "test_passwords" not in request.module.__name__:
        cheap = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
        monkeypatch.setattr(passwords, "_hasher", cheap)
        monkeypatch.setattr(passwords, "_PATIENCE", 60)
        passwords._nobodys.cache_clear()


@pytest.fixture
def door(engine: Engine) -> Door:
    """On both databases."""
    return Door(engine)

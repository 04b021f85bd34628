"""A book to import into: a real database, a folder for the files, a clock that stands still."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from worker.catalogue.flow import Options, import_source
from worker.catalogue.records import accounts, contacts, licences, terms
from worker.catalogue.rejects import told
from worker.catalogue.report import Report
from worker.config.settings import SourceSettings
from worker.kernel.clock import VirtualClock

ACCOUNT = {"entity": "account", "key": "{account}", "name": "{name}"}
LICENCE = {
    "entity": "licence",
    "key": "{licence}",
    "account": "{account}",
    "starts_on": "{start}",
    "expires_on": "{end}",
}


class Book:
    """Imports text as a file named ``book.csv`` and tells what the database holds."""

    def __init__(self, engine: Engine, root: Path) -> None:
        self.engine, self.root = engine, root
        self.clock = VirtualClock(datetime(2026, 11, 20, 12, tzinfo=UTC))

    def load(
        self,
        text: str | bytes | None,
        loads: Sequence[dict[str, Any]] = (ACCOUNT, LICENCE),
        *,
        name: str = "book.csv",
        options: Options | None = None,
        **settings: Any,
    ) -> Report:
        if text is not None:  # else what is there already
            (self.root / name).write_bytes(text.encode() if isinstance(text, str) else text)
        source = SourceSettings(
            **{"kind": "csv", "path": name, "load": [dict(load) for load in loads], **settings}
        )
        return import_source(self.engine, "book", source, self.clock, self.root, options)

    def terms(self, key: str) -> list[tuple[Any, ...]]:
        """(number, origin, start, end) of a licence, history first."""
        wanted = (
            select(terms.c.number, terms.c.origin, terms.c.starts_on, terms.c.expires_on)
            .join(licences, licences.c.id == terms.c.licence_id)
            .where(licences.c.key == key)
        )
        with self.engine.begin() as conn:
            found = [tuple(row) for row in conn.execute(wanted)]
        return sorted(found, key=lambda term: (term[0] or 0, term[3]))

    def licence(self, key: str) -> dict[str, Any]:
        with self.engine.begin() as conn:
            row = conn.execute(select(licences).where(licences.c.key == key)).mappings().one()
            return dict(row)

    def account(self, key: str) -> dict[str, Any]:
        with self.engine.begin() as conn:
            row = conn.execute(select(accounts).where(accounts.c.key == key)).mappings().one()
            return dict(row)

    def contact(self, key: str) -> dict[str, Any]:
        with self.engine.begin() as conn:
            row = conn.execute(select(contacts).where(contacts.c.key == key)).mappings().one()
            return dict(row)

    def everything(self) -> list[list[tuple[Any, ...]]]:
        """All rows of the book, for comparing."""
        with self.engine.begin() as conn:
            tables = (accounts, contacts, licences, terms)
            return [[tuple(r) for r in conn.execute(select(t).order_by(t.c.id))] for t in tables]

    def count(self) -> list[int]:
        return [len(rows) for rows in self.everything()]


def said(report: Report) -> list[str]:
    """The problems as people read them."""
    return [told(problem) for problem in report.problems]


@pytest.fixture
def book(engine: Engine, root: Path) -> Book:
    """A book on a fresh database; runs on both."""
    return Book(engine, root)

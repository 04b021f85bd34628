"""Importing order lines from a CSV file, and keeping the totals of their days, on both databases.

The floor is the same file, read with ``csv`` and trusted blindly: on PostgreSQL raw ``COPY`` into
the same table, then one ``INSERT … SELECT … GROUP BY`` for the days; on SQLite ``executemany`` and
the same statement. Ours checks every cell, finds keys told twice, knows what is new and what is
corrected, and adds up in exact decimals.
"""

from __future__ import annotations

import csv
import random
import sqlite3
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench.import_ import _seconds
from worker.catalogue.flow import import_source
from worker.catalogue.records import accounts
from worker.config.settings import SourceSettings
from worker.db import bulk
from worker.kernel.clock import SystemClock

REACH = 3.0
HEADER = ("invoice", "line", "client", "product", "day", "pieces", "net", "currency")
SOURCE = SourceSettings(
    kind="csv",
    path="orders.csv",
    load=[
        {
            "entity": "order",
            "key": "{invoice}/{line}",
            "account": "{client}",
            "product_line": "{product}",
            "ordered_on": "{day}",
            "quantity": "{pieces}",
            "amount": "{net}",
            "currency": "{currency}",
        }
    ],
)

_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_LINES = "key, account_id, product_line, ordered_on, quantity, amount, currency, source, updated_at"
_DAYS = "account_id, day, product_line, currency, net, sold, orders"
_LINES_AN_INVOICE = 20


def clients(count: int) -> int:
    """How many accounts share so many lines: one in two hundred, as in the wholesaler's file."""
    return max(1, count // 200)


def write_orders(path: Path, count: int) -> None:
    """A file of ``count`` lines: invoices of twenty lines over two years and 40 product lines, one
    line in fifty a credit note."""
    draw = random.Random(3)
    first = date(2024, 11, 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(0, count, _LINES_AN_INVOICE):
            client = f"A-{draw.randrange(clients(count)):07}"
            day = first + timedelta(days=number * 730 // count)
            for line in range(min(_LINES_AN_INVOICE, count - number)):
                pieces = draw.randrange(1, 50) * (-1 if draw.random() < 0.02 else 1)
                net = f"{pieces * draw.randrange(50, 5000) / 100:.2f}"
                product = f"Line {draw.randrange(40)}"
                writer.writerow((number, line, client, product, day, pieces, net, "GBP"))


def fill(engine: Engine, count: int) -> None:
    """The accounts of these lines."""
    rows = [(f"A-{n:07}", f"Client {n}", _NOW) for n in range(clients(count))]
    with engine.begin() as conn:
        bulk.insert(conn, accounts, ("key", "name", "updated_at"), rows)


def _rows(path: Path, ids: Mapping[str, int], now: object) -> Iterator[tuple[Any, ...]]:
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        next(reader)
        for invoice, line, client, product, day, pieces, net, currency in reader:
            key, account = f"{invoice}/{line}", ids[client]
            yield key, account, product, day, pieces, net, currency, "orders", now


def _days(amount: str) -> str:
    """The same aggregation in SQL; ``amount`` is a number there."""
    return (
        f"INSERT INTO order_days ({_DAYS}) SELECT account_id, ordered_on, product_line, currency, "
        f"sum({amount}), coalesce(sum({amount}) FILTER (WHERE {amount} > 0), 0), "
        f"count(*) FILTER (WHERE {amount} > 0) FROM orders GROUP BY 1, 2, 3, 4"
    )


def floor_postgresql(engine: Engine, path: Path) -> None:
    """Raw COPY, then the days."""
    with engine.begin() as conn:
        cursor = conn.connection.cursor()
        cursor.execute("SELECT key, id FROM accounts")
        ids = dict(cursor.fetchall())
        with cursor.copy(f"COPY orders ({_LINES}) FROM STDIN") as copy:
            for row in _rows(path, ids, _NOW):
                copy.write_row(row)
        cursor.execute(_days("amount"))


def floor_sqlite(engine: Engine, path: Path) -> None:
    """``executemany`` of the standard library, then the days, in one transaction; its sums are
    floating-point numbers."""
    conn = sqlite3.connect(str(engine.url.database), isolation_level=None)
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "cache_size = -65536"):
        conn.execute(f"PRAGMA {pragma}")
    conn.execute("BEGIN IMMEDIATE")
    ids = dict(conn.execute("SELECT key, id FROM accounts"))
    now = _NOW.isoformat(timespec="microseconds")
    conn.executemany(
        f"INSERT INTO orders ({_LINES}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows(path, ids, now)
    )
    conn.execute(_days("CAST(amount AS REAL)"))
    conn.execute("COMMIT")
    conn.close()


def ours(engine: Engine, path: Path) -> None:
    """``perennial import`` without the terminal."""
    report = import_source(engine, "orders", SOURCE, SystemClock(), path.parent)
    assert report.rejected_rows == 0


def run(
    fresh: Callable[[str], Engine], *, count: int = 1_000_000, times: int = 3
) -> list[dict[str, Any]]:
    """Rows of the table: what, floor, ours, reach; the best of ``times``, floor and ours in turn.

    ``fresh`` gives an engine on an empty, migrated database of the kind it is asked for.
    """
    floors: Mapping[str, Callable[[Engine, Path], None]] = {
        "postgresql": floor_postgresql,
        "sqlite": floor_sqlite,
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "orders.csv"
        write_orders(path, count)
        for kind, floor in floors.items():
            best = {"floor": 9e9, "ours": 9e9}
            for _ in range(times):
                for name, act in (("floor", floor), ("ours", ours)):
                    engine = fresh(kind)
                    fill(engine, count)
                    best[name] = min(best[name], _seconds(act, engine, path))
                    engine.dispose()
            what = f"import {count:,} order lines with the totals of their days, {kind}"
            found.append(
                {"what": what, "floor_s": best["floor"], "ours_s": best["ours"], "reach": REACH}
            )
    return found

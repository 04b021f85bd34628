"""Importing licences with their accounts and contacts from a CSV file, on both databases.

The floor is the same file, read with ``csv`` and trusted blindly, into the same tables: on
PostgreSQL by ``COPY`` into temporary tables and a merge of each, on SQLite by ``executemany``
with upserts. Ours checks every cell, knows renewals from corrections, and counts what changed.
"""

from __future__ import annotations

import csv
import sqlite3
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Any

from sqlalchemy import Engine

from worker.catalogue.flow import import_source
from worker.config.settings import SourceSettings
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.kernel.clock import SystemClock

REACH = 3.0
HEADER = ("account", "name", "zone", "email", "person", "licence", "product", "quantity", "amount")
HEADER = (*HEADER, "currency", "starts_on", "expires_on")

SOURCE = SourceSettings(
    kind="csv",
    path="book.csv",
    load=[
        {"entity": "account", "key": "{account}", "name": "{name}", "timezone": "{zone}"},
        {
            "entity": "contact",
            "account": "{account}",
            "email": "{email}",
            "name": "{person}",
            "role": "procurement",
        },
        {
            "entity": "licence",
            "key": "{licence}",
            "account": "{account}",
            "product": "{product}",
            "quantity": "{quantity}",
            "amount": "{amount}",
            "currency": "{currency}",
            "starts_on": "{starts_on}",
            "expires_on": "{expires_on}",
        },
    ],
)


def write_book(path: Path, count: int) -> None:
    """A file of ``count`` licences, one in three accounts with more than one."""
    first = date(2026, 1, 1)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(count):
            account = number * 3 // 4
            starts_on = first + timedelta(days=number % 365)
            writer.writerow(
                (
                    f"A-{account:07}",
                    f"Łąka & Sons {account}",
                    ("Europe/Warsaw", "America/Chicago", "Asia/Tokyo")[account % 3],
                    f"anna{account}@example{account % 9}.com",
                    f"Anna Nowak {account}",
                    f"L-{number:08}",
                    f"Antivirus Business {number % 50}",
                    1 + number % 300,
                    f"{1000 + number / 4:.2f}",
                    ("USD", "EUR", "PLN")[number % 3],
                    starts_on,
                    starts_on + timedelta(days=365),
                )
            )


_NOW = datetime(2026, 11, 20, tzinfo=UTC)
_ACCOUNTS = "key, name, timezone, source, updated_at"
_CONTACTS = "key, account_id, email, name, role, source, updated_at"
_LICENCES = (
    "key, account_id, product, quantity, amount, currency, term, starts_on, expires_on, "
    "source, updated_at, changed"
)
_TERMS = "licence_id, number, origin, starts_on, expires_on, seen_at"


def _rows(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))[1:]


def floor_postgresql(engine: Engine, path: Path) -> None:
    """COPY into one temporary table per entity, then merges."""
    rows = _rows(path)
    with engine.begin() as conn:
        cursor = conn.connection.cursor()
        cursor.execute(
            "CREATE TEMP TABLE s_account (key text, name text, timezone text) ON COMMIT DROP;"
            "CREATE TEMP TABLE s_contact (key text, account text, name text) ON COMMIT DROP;"
            "CREATE TEMP TABLE s_licence (key text, account text, product text, quantity int,"
            " amount numeric, currency text, starts_on date, expires_on date) ON COMMIT DROP"
        )
        for table, places in (
            ("s_account", (0, 1, 2)),
            ("s_contact", (3, 0, 4)),
            ("s_licence", (5, 0, 6, 7, 8, 9, 10, 11)),
        ):
            with cursor.copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row([row[place] for place in places])
        cursor.execute(f"""
            INSERT INTO accounts ({_ACCOUNTS})
            SELECT DISTINCT ON (key) key, name, timezone, 'book', now() FROM s_account
            ON CONFLICT (key) DO UPDATE SET name = excluded.name, timezone = excluded.timezone""")
        cursor.execute(f"""
            INSERT INTO contacts ({_CONTACTS})
            SELECT DISTINCT ON (s.key) s.key, a.id, s.key, s.name, 'procurement', 'book', now()
            FROM s_contact s JOIN accounts a ON a.key = s.account
            ON CONFLICT (key) DO UPDATE SET name = excluded.name""")
        cursor.execute(f"""
            INSERT INTO licences ({_LICENCES})
            SELECT DISTINCT ON (s.key) s.key, a.id, s.product, s.quantity, s.amount, s.currency,
                1, s.starts_on, s.expires_on, 'book', now(), true
            FROM s_licence s JOIN accounts a ON a.key = s.account
            ON CONFLICT (key) DO UPDATE SET product = excluded.product,
                quantity = excluded.quantity, amount = excluded.amount,
                starts_on = excluded.starts_on, expires_on = excluded.expires_on""")
        cursor.execute(f"""
            INSERT INTO terms ({_TERMS})
            SELECT DISTINCT ON (s.key) l.id, 1, 'first', s.starts_on, s.expires_on, now()
            FROM s_licence s JOIN licences l ON l.key = s.key
            ON CONFLICT (licence_id, number) DO UPDATE SET starts_on = excluded.starts_on,
                expires_on = excluded.expires_on""")


def floor_sqlite(engine: Engine, path: Path) -> None:
    """Upserts by ``executemany`` of the standard library, in one transaction."""
    rows = _rows(path)
    conn = sqlite3.connect(str(engine.url.database), isolation_level=None)
    conn.execute("PRAGMA synchronous = FULL")
    conn.execute("PRAGMA foreign_keys = ON")
    conn.execute("PRAGMA cache_size = -65536")
    conn.execute("BEGIN IMMEDIATE")
    now = _NOW.isoformat(timespec="microseconds")
    conn.executemany(
        f"INSERT INTO accounts ({_ACCOUNTS}) VALUES (?, ?, ?, 'book', ?) ON CONFLICT (key)"
        " DO UPDATE SET name = excluded.name, timezone = excluded.timezone",
        ((row[0], row[1], row[2], now) for row in rows),
    )
    account = "(SELECT id FROM accounts WHERE key = ?)"
    conn.executemany(
        f"INSERT INTO contacts ({_CONTACTS}) VALUES (?, {account}, ?, ?, 'procurement', 'book', ?)"
        " ON CONFLICT (key) DO UPDATE SET name = excluded.name",
        ((row[3], row[0], row[3], row[4], now) for row in rows),
    )
    conn.executemany(
        f"INSERT INTO licences ({_LICENCES}) VALUES (?, {account}, ?, ?, ?, ?, 1, ?, ?, 'book', ?,"
        " 1) ON CONFLICT (key) DO UPDATE SET product = excluded.product,"
        " quantity = excluded.quantity, amount = excluded.amount,"
        " starts_on = excluded.starts_on, expires_on = excluded.expires_on",
        ((r[5], r[0], r[6], int(r[7]), r[8], r[9], r[10], r[11], now) for r in rows),
    )
    conn.executemany(
        f"INSERT INTO terms ({_TERMS}) VALUES ((SELECT id FROM licences WHERE key = ?), 1,"
        " 'first', ?, ?, ?) ON CONFLICT (licence_id, number) DO UPDATE SET"
        " starts_on = excluded.starts_on, expires_on = excluded.expires_on",
        ((row[5], row[10], row[11], now) for row in rows),
    )
    conn.execute("COMMIT")
    conn.close()


def ours(engine: Engine, path: Path) -> None:
    """``perennial import`` without the terminal."""
    report = import_source(engine, "book", SOURCE, SystemClock(), path.parent)
    assert report.entities["licence"].rejected == 0


def run(
    fresh: Callable[[str], Engine], *, count: int = 100_000, times: int = 3
) -> list[dict[str, Any]]:
    """Rows of the table: what, floor, ours, ratio; the best of ``times``, floor and ours in turn.

    ``fresh`` gives an engine on an empty, migrated database of the kind it is asked for.
    """
    floors: Mapping[str, Callable[[Engine, Path], None]] = {
        "postgresql": floor_postgresql,
        "sqlite": floor_sqlite,
    }
    found = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "book.csv"
        write_book(path, count)
        for kind, floor in floors.items():
            best = {"floor": 9e9, "ours": 9e9, "again": 9e9}
            for _ in range(times):
                for name, act in (("floor", floor), ("ours", ours)):
                    engine = fresh(kind)
                    best[name] = min(best[name], _seconds(act, engine, path))
                    if name == "ours":
                        best["again"] = min(best["again"], _seconds(ours, engine, path))
                    engine.dispose()
            found.append(
                {
                    "what": f"import {count:,} licences, {kind}",
                    "floor_s": round(best["floor"], 2),
                    "ours_s": round(best["ours"], 2),
                    "ratio": round(best["ours"] / best["floor"], 2),
                    "reach": REACH,
                    "again_s": round(best["again"], 2),
                }
            )
    return found


def _seconds(act: Callable[[Engine, Path], None], engine: Engine, path: Path) -> float:
    started = perf_counter()
    act(engine, path)
    return perf_counter() - started


@contextmanager
def _databases() -> Iterator[Callable[[str], Engine]]:
    """Fresh databases: files in a temporary folder, and a PostgreSQL of our own."""
    from tests import folders, servers

    servers.find_postgres()
    numbers = iter(range(10_000))
    with (
        servers.running(servers.Postgres(folders.short_folder())) as server,
        tempfile.TemporaryDirectory() as folder,
    ):

        def fresh(kind: str) -> Engine:
            name = f"bench_{next(numbers)}"
            if kind == "sqlite":
                engine = make_engine(f"sqlite:///{folder}/{name}.db")
            else:
                with server.connect() as conn:
                    conn.execute(f"CREATE DATABASE {name}")
                engine = make_engine(server.url(name))
            upgrade(engine)
            return engine

        yield fresh


if __name__ == "__main__":
    licences = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with _databases() as databases:
        for line in run(databases, count=licences):
            print(line)

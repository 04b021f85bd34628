"""The list of silent clients with many open entries, asked for twenty times a second.

The floor is that of ``bench/staff.py``: a bare handler of the same framework that writes the same
template from the same values, which it holds in memory.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from bench import book, staff
from bench.spent import spent
from bench.staff import Page
from bench.staff_book import SARA
from tests.processes import running
from worker.catalogue.records import accounts, contacts, order_days
from worker.db import bulk
from worker.kernel.clock import SystemClock
from worker.reactivation.records import episode_lines, episodes
from worker.worklist.records import tasks

PATHS = ("/queue", "/queue?by=urgency", "/queue?line=Line+7", "/queue?lane=just-overdue&owner=ann")
LINES = 40
_ORDERED_EVERY = 30
_LANES = ("gone-quiet", "just-overdue", "buying-less")


def run(fresh: Callable[[], Engine], clients: int, seconds: int) -> list[Page]:
    """The pages with so many open entries: the 99th percentile of each, for ``seconds``."""
    engine = fresh()
    fill(engine, clients, SystemClock().now().date())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cookie = staff._house(root, engine)
        known = spent(root, cookie, [(path, False) for path in PATHS])
        with staff._bare([one.held for one in known]) as bare, running(root, "web") as web:
            web.wait_for("web.started")
            ours = f"http://127.0.0.1:{staff._port(root)}"
            found = [
                Page(path, *staff.in_turn(f"{bare}/{number}", ours + path, cookie, seconds))
                for number, path in enumerate(PATHS)
            ]
    engine.dispose()
    return found


def fill(engine: Engine, clients: int, today: date) -> None:
    """So many accounts, each with two years of monthly orders, an open episode and its task."""
    with engine.begin() as conn:
        for table, rows in (
            (accounts, _accounts),
            (contacts, _contacts),
            (order_days, _orders),
            (episodes, _episodes),
            (episode_lines, _lines),
            (tasks, _tasks),
        ):
            made = list(rows(clients, today))
            bulk.insert(conn, table, tuple(made[0]), [tuple(row.values()) for row in made])
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
        conn.exec_driver_sql("VACUUM ANALYZE")  # as autovacuum would in a minute


def _accounts(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients + 1):
        row = {"id": n, "key": f"A{n}", "name": f"Firm {n}", "segment": f"s{n % 5}"}
        yield row | {"updated_at": book.NOW}


def _contacts(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients * 2 + 1):
        row = {"id": n, "key": f"C{n}", "account_id": (n + 1) // 2, "email": f"c{n}@example.com"}
        role = "decision-maker" if n % 2 else "technical"
        yield row | {"name": f"Ann {n}", "role": role, "updated_at": book.NOW}


def _orders(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients + 1):
        for back in range(60 + n % 60, 730, _ORDERED_EVERY):
            for line in (n % LINES, (n + 7) % LINES):
                place = {"account_id": n, "day": today - timedelta(days=back)}
                place |= {"product_line": f"Line {line}", "currency": "EUR"}
                amount = Decimal(50 + n % 900)
                yield place | {"net": amount, "sold": amount, "orders": 1}


def _episodes(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients + 1):
        told = [{"product_line": f"Line {i % LINES}", "drop": 0.6} for i in (n, n + 7)]
        facts = {"evidence": [35, 31], "last_order_on": today.isoformat(), "usual_gap_days": 30}
        row = {"id": n, "schedule": "reactivation", "account_id": n, "number": 1, "score": 0.8}
        row |= {"flagged_on": today, "as_of": today, "lane": _LANES[n % 3], "currency": "EUR"}
        row |= {"at_stake": Decimal(100 + n * 7919 % 90_000), "entered": True}
        row |= {"reasons": [{"code": "silent", "days": 90, "usual": 30}]}
        relative = (100 + n * 7919 % 90_000) / 45_000
        row |= {"facts": facts | {"drop": 0.6, "product_lines": told}}
        yield row | {"relative_stake": relative, "urgency": relative * (n % 97) / 97}


def _lines(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients + 1):
        for line in (n % LINES, (n + 7) % LINES):
            yield {"product_line": f"Line {line}", "episode_id": n}


def _tasks(clients: int, today: date) -> Iterator[dict[str, Any]]:
    for n in range(1, clients + 1):
        row = {"key": f"step:reactivation:call:account-{n}:1", "kind": "dormant", "title": "Call"}
        whose = SARA if n % 50 == 0 else "ann" if n % 2 else None
        row |= {"account_id": n, "assignee": whose, "pool": "sales", "due_on": today}
        yield row | {"opened_at": book.NOW}

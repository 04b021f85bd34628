"""Two readings at a time: what a page counts is shared by two connections that see the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy.engine import Connection

from worker.db.engine import reading

Found = TypeVar("Found")
_ONE_CORE = "SET LOCAL max_parallel_workers_per_gather = 0"


@contextmanager
def beside(conn: Connection, count: Callable[[Connection], Found]) -> Iterator[Callable[[], Found]]:
    """Counts on a second connection while the block goes on with ``conn``, whose transaction only
    reads. Both see the same moment; PostgreSQL gives each a core, and no more: parts of one count
    would wait for those of the other. SQLite has nothing to gain: there it is counted when the
    block asks.

    Gives what hands over the count, or raises what went wrong with it.
    """
    if conn.dialect.name != "postgresql":
        yield lambda: count(conn)
        return
    conn.exec_driver_sql(_ONE_CORE)
    view = conn.exec_driver_sql("SELECT pg_export_snapshot()").scalar_one()

    def work() -> Found:
        with reading(conn.engine) as other:
            other.exec_driver_sql(f"SET TRANSACTION SNAPSHOT '{view}'")
            other.exec_driver_sql(_ONE_CORE)
            return count(other)

    with ThreadPoolExecutor(1, "beside") as pool:
        yield pool.submit(work).result

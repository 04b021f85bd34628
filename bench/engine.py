"""The engine: a rehearsal of a year, and a heartbeat with many steps due.

The floor of a heartbeat is the same rows, inserted by SQLAlchemy's own ``executemany`` into the
same tables; a book ten times as large must hardly cost more.
"""

from __future__ import annotations

import json
import os
import random
import resource
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from sqlalchemy import Engine, func, insert, select

from bench import book
from bench.peak import watched
from worker.access.audit import NOBODY
from worker.cadence import flow, rehearse
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults, Library
from worker.cadence.records import steps, walks
from worker.channels.rehearsal import RehearsalChannel
from worker.db import bulk
from worker.db.engine import make_engine, reading
from worker.db.migrate import upgrade
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import Period
from worker.kernel.keys import new_mail_key
from worker.outbox.records import messages
from worker.templating import texts

TEMPLATES = Path(__file__).parent.parent / "templates"
STEPS_A_SECOND = 10_000
MEGABYTES = 500
TICK_REACH, GROWTH_REACH, GROUPED_REACH = 5.0, 1.2, 1.5

TICK = datetime(2026, 11, 2, 13, tzinfo=book.NOW.tzinfo)  # a Monday, in office hours of Europe


# --- a year, rehearsed ---


def rehearsal(count: int = 100_000) -> dict[str, Any]:
    """Rehearses a year in a process of its own: steps, seconds, CPU seconds, peak in MB. Another
    one writes the book before, so that its memory does not count."""
    with tempfile.TemporaryDirectory() as folder:
        for what in (_write_book, _rehearse):
            command = [sys.executable, "-m", "bench.engine", what.__name__, folder, str(count)]
            told, peak = watched(command)
    found: dict[str, Any] = json.loads(told.splitlines()[-1])
    return found | {"peak_mb": peak}


def _write_book(folder: str, count: int) -> None:
    draw = random.Random(2)
    first = date(2026, 1, 1)
    live = make_engine(f"sqlite:///{folder}/book.db", durable=False)
    upgrade(live)
    book.fill(live, [first + timedelta(days=draw.randrange(365)) for _ in range(count)], book.WORLD)
    live.dispose()


def _rehearse(folder: str, _: int) -> dict[str, Any]:
    live = make_engine(f"sqlite:///{folder}/book.db", durable=False)
    asked = rehearse.Asked(
        Period(date(2025, 1, 1), date(2025, 12, 31)),
        [book.ten_steps(texts.read_folder(TEMPLATES))],
        Defaults(),
        Letterhead("Maria Lind <maria.lind@example.com>"),
        book.NOW,
        Path(folder) / "out",
    )
    began, spent = perf_counter(), _processor_seconds()
    with rehearse.rehearsed(live, asked, life=timed) as done:
        seconds, spent = perf_counter() - began, _processor_seconds() - spent
        with reading(done.engine) as conn:
            decided = conn.execute(select(func.count()).select_from(steps)).scalar_one()
    live.dispose()
    planning = [float(path.read_text()) for path in Path(folder).glob("out/planning-*")]
    return {
        "steps": decided,
        "seconds": seconds,
        "planning_seconds": max(planning),
        "cpu_seconds": spent,
    }


def timed(engine: Engine, asked: rehearse.Asked, progress: rehearse.Progress) -> RehearsalChannel:
    """Lives through the year, and leaves beside its mails how long deciding and recording took."""
    spent, halves = [0.0], (flow.follow_batch, flow.advance_batch)

    def watched(batch: Callable[..., int]) -> Callable[..., int]:
        def stopwatch(planning: flow.Planning, limit: int = flow.BATCH) -> int:
            began = perf_counter()
            handled = batch(planning, limit)
            spent[0] += perf_counter() - began
            return handled

        return stopwatch

    flow.follow_batch, flow.advance_batch = map(watched, halves)
    try:
        channel = rehearse.lived(engine, asked, progress)
    finally:
        flow.follow_batch, flow.advance_batch = halves
    asked.folder.mkdir(parents=True, exist_ok=True)
    (asked.folder / f"planning-{os.getpid()}").write_text(str(spent[0]))
    return channel


def _processor_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return process_time() + children.ru_utime + children.ru_stime


# --- a heartbeat with many steps due ---


@contextmanager
def postgresql() -> Iterator[Callable[[], Engine]]:
    """Empty databases on a PostgreSQL of our own, with the memory that one is usually given."""
    from tests import folders, servers

    with servers.running(servers.Postgres(folders.short_folder())) as server:
        with server.connect() as conn:
            conn.execute("ALTER SYSTEM SET shared_buffers = '1GB'")
            conn.execute("ALTER SYSTEM SET max_wal_size = '4GB'")
        server.stop()
        server.start()
        numbers = iter(range(1000))

        def fresh() -> Engine:
            name = f"bench_{next(numbers)}"
            with server.connect() as conn:
                conn.execute(f"CREATE DATABASE {name}")
            engine = make_engine(server.url(name))
            upgrade(engine)
            return engine

        yield fresh


class Heartbeat:
    """A book in which ``due`` walks have a step due at ``TICK``, anywhere among ``count``."""

    def __init__(
        self, engine: Engine, count: int, due: int, *, limits: str = "", per_account: int = 1
    ) -> None:
        self.engine = engine
        self.commercial = per_account > 1  # then mails keep to a budget
        self.limits, self.per_account = limits, per_account
        self.due = sorted(random.Random(3).sample(range(1, count + 1), due))
        version = self._apply()
        draw = random.Random(4)
        soon, later = TICK.date() + timedelta(days=30), TICK.date() + timedelta(days=35)
        ends = [later + timedelta(days=draw.randrange(20)) for _ in range(count)]
        for id_ in self.due:
            ends[id_ - 1] = soon
        book.fill(engine, ends, book.EUROPE, per_account=per_account)
        self._past(ends, version)
        self._rest()

    def _apply(self) -> int:
        draft = book.ten_steps(
            texts.read_folder(TEMPLATES),
            mail_class="commercial" if self.commercial else "contractual",
            limits=self.limits,
        )
        flow.apply(self.engine, VirtualClock(TICK - timedelta(days=400)), [draft], NOBODY)
        with reading(self.engine) as conn:
            (version,) = Library().active(conn).values()
        return version.version_id

    def _past(self, ends: list[date], version: int) -> None:
        """Every walk has done its first steps, and mailed for one of them."""
        begun, decided = TICK - timedelta(days=200), TICK - timedelta(days=35)
        for ids in bulk.chunks(range(1, len(ends) + 1), 20_000):
            keys = {id_: new_mail_key(decided) for id_ in ids}
            with self.engine.begin() as conn:
                bulk.insert(conn, walks, *_walks(ids, ends, begun))
                bulk.insert(conn, steps, *_steps(ids, keys, decided, version))
                bulk.insert(
                    conn, messages, *_messages(ids, keys, decided, version, self.per_account)
                )

    def _rest(self) -> None:
        """As a database stands on a quiet night."""
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            for table in ("walks", "steps", "messages"):
                sequence = f"pg_get_serial_sequence('{table}', 'id')"
                conn.exec_driver_sql(f"SELECT setval({sequence}, (SELECT max(id) FROM {table}))")
            conn.exec_driver_sql("VACUUM ANALYZE")
            conn.exec_driver_sql("CHECKPOINT")

    def tick(self) -> float:
        """Plans until nothing is due; seconds."""
        planning = flow.Planning(self.engine, VirtualClock(TICK), Library(), Defaults())
        began = perf_counter()
        while flow.plan_batch(planning):
            pass
        return perf_counter() - began

    def executemany(self) -> float:
        """The rows of the last tick once more, by SQLAlchemy alone; seconds."""
        with reading(self.engine) as conn:
            decided = conn.execute(select(steps).where(steps.c.decided_at == TICK))
            step_rows = [dict(row) for row in decided.mappings()]
            written = conn.execute(select(messages).where(messages.c.created_at == TICK))
            message_rows = [dict(row) for row in written.mappings()]
        assert len(step_rows) == len(message_rows) == len(self.due)
        self.undo()
        began = perf_counter()
        with self.engine.begin() as conn:
            conn.execute(insert(messages), message_rows)
            conn.execute(insert(steps), step_rows)
        return perf_counter() - began

    def undo(self) -> None:
        """Takes the last tick back."""
        with self.engine.begin() as conn:
            conn.execute(steps.delete().where(steps.c.decided_at == TICK))
            conn.execute(messages.delete().where(messages.c.created_at == TICK))
            rows = [(id_, TICK) for id_ in self.due]
            bulk.update(conn, walks, ("next_at",), rows, key="subject_id")
        self._rest()


def _walks(
    ids: Sequence[int], ends: list[date], begun: datetime
) -> tuple[tuple[str, ...], list[Any]]:
    columns = ("id", "schedule", "subject_id", "cycle", "anchor_on", "first_act_at", "next_at")
    today = TICK.date() + timedelta(days=30)
    rows = []
    for id_ in ids:
        end = ends[id_ - 1]
        rows.append((id_, "ten", id_, 2, end, begun, TICK + (end - today), "active"))
    return (*columns, "state"), rows


def _steps(
    ids: Sequence[int], keys: dict[int, str], at: datetime, version: int
) -> tuple[tuple[str, ...], list[Any]]:
    columns = ("walk_id", "step", "kind", "decision", "due_on", "at", "decided_at", "version_id")
    day = at.date()
    rows = [
        (id_, step, "email", decision, day, at, at, version, key)
        for id_ in ids
        for step, decision, key in (
            ("step-0", "superseded", None),
            ("step-1", "waiting", keys[id_]),
        )
    ]
    return (*columns, "mail_key"), rows


def _messages(
    ids: Sequence[int], keys: dict[int, str], at: datetime, version: int, per_account: int
) -> tuple[tuple[str, ...], list[Any]]:
    clients = {i: (i - 1) // per_account + 1 for i in ids}
    columns = ("mail_key", "address", "contact_id", "schedule", "step", "version_id", "template")
    more = ("kind", "day", "state", "valid_until", "accepted_at", "created_at")
    same = ("contractual", at.date(), "accepted", at, at, at)
    rows = [
        (keys[i], f"anna{c}@example.com", c, "ten", "step-1", version, "renewal/heads-up", *same)
        for i, c in clients.items()
    ]
    return (*columns, *more), rows


def ticks(
    due: int = 20_000, small: int = 100_000, large: int = 1_000_000, times: int = 3
) -> tuple[float, float, float]:
    """The best seconds of ``times``: ``executemany`` of the rows of a tick, the tick in the small
    book, the tick in the large one; in turns."""
    with postgresql() as fresh:
        beats = [Heartbeat(fresh(), count, due) for count in (small, large)]
        floor, ours, larger = 9e9, 9e9, 9e9
        for _ in range(times):
            ours = min(ours, beats[0].tick())
            floor = min(floor, beats[0].executemany())
            larger = min(larger, beats[1].tick())
            for beat in beats:
                beat.undo()
        for beat in beats:
            beat.engine.dispose()
    return floor, ours, larger


def grouped_ticks(
    due: int = 20_000, count: int = 100_000, times: int = 3, per_account: int = 4
) -> tuple[float, float]:
    """The best seconds of ``times`` in one book of clients with several licences and a budget: the
    tick that mails about each licence, and the one that groups and gathers; in turns."""
    with postgresql() as fresh:
        beats = [
            Heartbeat(fresh(), count, due, limits=limits, per_account=per_account)
            for limits in ("", 'group_by = "contact"\ngather = "5 days"')
        ]
        alone, together = 9e9, 9e9
        for _ in range(times):
            alone, together = min(alone, beats[0].tick()), min(together, beats[1].tick())
            for beat in beats:
                beat.undo()
        for beat in beats:
            beat.engine.dispose()
    return alone, together


if __name__ == "__main__":
    part = {one.__name__: one for one in (_write_book, _rehearse)}[sys.argv[1]]
    print(json.dumps(part(sys.argv[2], int(sys.argv[3]))))

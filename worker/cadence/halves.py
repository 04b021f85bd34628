"""A large book is rehearsed in two halves side by side, one on each of two cores.

Contractual mail of one account looks at no row of another, unless a reseller serves both. So each
half lives through the period with its own accounts on a database of its own, by the same code, and
what came of both is put together afterwards. Where a budget is shared or a reseller is asked, the
book is rehearsed whole.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sqlalchemy import Engine, Table, func, select

from worker.cadence.facts import account_slot
from worker.cadence.records import LICENCE, steps, walks
from worker.cadence.triggers import TRIGGERS
from worker.catalogue.records import accounts, contacts, licences, preferences, staff, terms
from worker.channels.rehearsal import Kept, RehearsalChannel
from worker.db.engine import lay_tables, make_scratch
from worker.outbox.records import messages
from worker.schedules.calendar import SLOTS
from worker.schedules.model import Schedule
from worker.schedules.records import template_texts, versions
from worker.webhooks.records import calls
from worker.worklist.records import tasks

HALVES = 2
WORTH_IT = 20_000
"""Licences from which on two processes are quicker than one."""

Asked_contra = TypeVar("Asked_contra", contravariant=True)
Progress = Callable[[float], None]


class Live(Protocol[Asked_contra]):
    """Lives through a period on a database that holds a book and the schedules in force."""

    def __call__(
        self, engine: Engine, asked: Asked_contra, progress: Progress
    ) -> RehearsalChannel: ...


def worth_it(engine: Engine, schedules: Iterable[Schedule]) -> bool:
    """Whether this machine and this book are large enough, and accounts have nothing in common."""
    if (os.cpu_count() or 1) < HALVES:
        return False
    asked = list(schedules)
    if any(schedule.mail_class != "contractual" for schedule in asked):
        return False
    if any(TRIGGERS[schedule.trigger].subject != LICENCE for schedule in asked):
        return False
    served = select(accounts.c.id).where(accounts.c.reseller.is_not(None)).limit(1)
    with engine.connect() as conn:
        if conn.execute(served).first():
            return False
        return conn.execute(select(func.count()).select_from(licences)).scalar_one() >= WORTH_IT


def side_by_side(
    whole: Engine, asked: Asked_contra, progress: Progress, live: Live[Asked_contra]
) -> RehearsalChannel:
    """Runs ``live`` on each half and brings what came of it back to ``whole``.

    ``live`` and ``asked`` travel to another process: they must be picklable.
    """
    files = [Path(f"{whole.url.database}.{number}") for number in range(HALVES)]
    for number, file in enumerate(files):
        _deal(whole, file, number)
    whole.dispose()  # its pages need not stay in memory meanwhile
    with ProcessPoolExecutor(HALVES - 1, mp_context=get_context("spawn")) as pool:
        others = [pool.submit(_half, file, asked, live, _in_silence) for file in files[1:]]
        channel = _half(files[0], asked, live, progress)
        channels = [channel, *(other.result() for other in others)]
    for file in files:
        with _beside(whole, file) as driver:
            _gather(driver)
        file.unlink()
    _keep_the_first(channel, [kept for one in channels for kept in one.kept])
    return channel


def _in_silence(_: float) -> None:
    return


def _half(
    file: Path, asked: Asked_contra, live: Live[Asked_contra], progress: Progress
) -> RehearsalChannel:
    engine = make_scratch(file)
    try:
        return live(engine, asked, progress)
    finally:
        engine.dispose()


def _half_of(account_key: str) -> int:
    """By slots: the walks of a slot have their moments together, and each half has only its own."""
    return account_slot(account_key) * HALVES // SLOTS


@contextmanager
def _beside(whole: Engine, file: Path) -> Iterator[Any]:
    """A transaction of the driver on ``whole``, with another database attached as ``half``."""
    connection = whole.raw_connection()
    driver = connection.cursor()
    try:
        driver.execute("ATTACH DATABASE ? AS half", (str(file),))
        driver.execute("BEGIN IMMEDIATE")
        yield driver
        driver.execute("COMMIT")
        driver.execute("DETACH DATABASE half")
    finally:
        connection.close()


def _deal(whole: Engine, file: Path, number: int) -> None:
    """Gives one half its accounts with all that is theirs, and every schedule in force."""
    half = make_scratch(file)
    lay_tables(half)
    half.dispose()
    wanted = {
        versions: "",
        template_texts: "",
        staff: "",
        accounts: f"WHERE half_of(key) = {number}",
        contacts: "WHERE account_id IN (SELECT id FROM half.accounts)",
        preferences: "WHERE contact_id IN (SELECT id FROM half.contacts)",
        licences: "WHERE account_id IN (SELECT id FROM half.accounts)",
        terms: "WHERE licence_id IN (SELECT id FROM half.licences)",
    }
    with _beside(whole, file) as driver:
        driver.connection.create_function("half_of", 1, _half_of, deterministic=True)
        for table, which in wanted.items():
            names = ", ".join(table.c.keys())
            driver.execute(
                f"INSERT INTO half.{table.name} ({names}) "  # noqa: S608 -- names are ours
                f"SELECT {names} FROM main.{table.name} {which}"
            )


def _gather(driver: Any) -> None:
    """Adds what one half decided and did, under new ids, and where its licences stand."""
    after = {table: _highest(driver, table) for table in (walks, steps, messages, calls, tasks)}
    for table, highest in after.items():
        columns = table.c.keys()
        moved = {"id": highest} | ({"walk_id": after[walks]} if table is steps else {})
        values = [f"{name} + {moved[name]}" if name in moved else name for name in columns]
        driver.execute(
            f"INSERT INTO main.{table.name} ({', '.join(columns)}) "  # noqa: S608 -- names are ours
            f"SELECT {', '.join(values)} FROM half.{table.name} ORDER BY id"
        )
    shown = ("term", "starts_on", "expires_on", "closed_on", "changed")
    settings = ", ".join(f"{name} = h.{name}" for name in shown)
    driver.execute(
        f"UPDATE main.licences SET {settings} "  # noqa: S608 -- names are ours
        "FROM half.licences h WHERE h.id = main.licences.id"
    )


def _highest(driver: Any, table: Table) -> int:
    found: int | None = driver.execute(
        f"SELECT max(id) FROM main.{table.name}"  # noqa: S608 -- names are ours
    ).fetchone()[0]
    return found or 0


def _keep_the_first(channel: RehearsalChannel, kept: Iterable[Kept]) -> None:
    """Leaves the sample that one process would have kept: the first mails of each step."""
    channel.kept.clear()
    seen: Counter[tuple[str, str]] = Counter()
    for mail in sorted(kept, key=lambda one: (one.at, one.eml)):
        step = mail.envelope.schedule, mail.envelope.step
        seen[step] += 1
        if channel.per_step is None or seen[step] <= channel.per_step:
            channel.kept.append(mail)
            continue
        for name in filter(None, (mail.eml, mail.html)):
            (channel.folder / name).unlink(missing_ok=True)

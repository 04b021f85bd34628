"""Migrations while others work (P19): nobody is turned away, nothing is lost, and the release
before can go on with the schema of this one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Boolean, Date, Engine, Integer, MetaData, Table, func, inspect, select
from sqlalchemy.engine import Connection

from tests.servers import Postgres
from worker.db.engine import make_engine
from worker.db.migrate import alembic_config, current, head, upgrade

BEFORE = f"{int(head()) - 1:04}"
"""The schema of the release before."""

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
TABLES = ("tasks", "heartbeats", "schedule_versions", "accounts")
"""Written by the old release while the schema moves: one row after the other."""


@pytest.fixture
def old(empty: Engine) -> Engine:
    """A database as the release before made it."""
    _upgrade_to(empty, BEFORE)
    return empty


@pytest.fixture
def empty(backend: str, tmp_path: Any, request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A database without tables."""
    if backend == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path}/old.db")
        yield engine
        engine.dispose()
        return
    server: Postgres = request.getfixturevalue("postgres")
    name = f"old_{time.monotonic_ns()}"
    with server.connect() as conn:
        conn.execute(f"CREATE DATABASE {name}")
        engine = make_engine(server.url(name))
        yield engine
        engine.dispose()
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _upgrade_to(engine: Engine, revision: str) -> None:
    with engine.begin() as conn:
        command.upgrade(alembic_config(conn), revision)


def _reflected(engine: Engine) -> MetaData:
    known = MetaData()
    known.reflect(engine)
    return known


def _row(table: Table, number: int) -> dict[str, Any]:
    """A row as the old release writes it: all that it must say, and nothing that is new."""
    said: dict[str, Any] = {}
    for column in table.columns:
        if column.primary_key and isinstance(column.type, Integer):
            continue
        if column.nullable or column.server_default is not None:
            continue
        said[column.name] = _value(column.type, f"{column.name}-{number}", number)
    return said


def _value(kind: Any, words: str, number: int) -> Any:
    if isinstance(kind, Boolean):
        return False
    if isinstance(kind, Integer):
        return number
    if isinstance(kind, Date):
        return date(2026, 11, 20)
    names = type(kind).__name__.upper()
    if "TIME" in names:
        return NOW
    return {} if "JSON" in names else words


class Writer(threading.Thread):
    """A process of the old release: writes a row, changes it, reads it; again and again."""

    def __init__(self, engine: Engine, table: Table, first: int) -> None:
        super().__init__()
        self.engine, self.table, self.number = engine, table, first
        self.first, self.stopped = first, threading.Event()
        self.trouble: list[BaseException] = []

    def run(self) -> None:
        while not self.stopped.is_set():
            try:
                with self.engine.begin() as conn:
                    self._write(conn)
            except Exception as error:  # noqa: BLE001 -- told by the test
                self.trouble.append(error)
                return
            self.number += 1
            time.sleep(0.002)

    def _write(self, conn: Connection) -> None:
        row = _row(self.table, self.number)
        name, value = next(iter(row.items()))
        conn.execute(self.table.insert(), row)
        conn.execute(self.table.update().where(self.table.c[name] == value).values({name: value}))
        assert conn.execute(select(self.table.c[name]).where(self.table.c[name] == value)).all()


def test_whoever_writes_while_the_schema_moves_on_is_not_turned_away_and_loses_nothing(
    old: Engine,
) -> None:
    tables = _reflected(old).tables
    writers = [Writer(old, tables[name], 1 + place * 100_000) for place, name in enumerate(TABLES)]
    for writer in writers:
        writer.start()
    time.sleep(0.3)
    written = [writer.number for writer in writers]
    mover = make_engine(old.url.render_as_string(hide_password=False))
    upgrade(mover)
    mover.dispose()
    time.sleep(0.3)
    for writer in writers:
        writer.stopped.set()
        writer.join()
    assert [writer.trouble for writer in writers] == [[]] * len(TABLES)
    assert all(now.number > then for now, then in zip(writers, written, strict=True))
    assert current(old) == head()
    with old.connect() as conn:
        for writer in writers:
            found = conn.scalar(select(func.count()).select_from(writer.table))
            assert found == writer.number - writer.first, writer.table.name


def test_a_migration_takes_nothing_away_that_the_release_before_uses(old: Engine) -> None:
    before = _reflected(old)
    keys_before = {name: _unique(old, name) for name in before.tables}
    upgrade(old)
    after = _reflected(old)
    for name, table in before.tables.items():
        if name == "alembic_version":
            continue
        assert name in after.tables, f"{name}: the old release uses it"
        moved = after.tables[name]
        for column in table.columns:
            assert column.name in moved.c, f"{name}.{column.name}: the old release uses it"
            assert str(moved.c[column.name].type) == str(column.type), (name, column.name)
            assert moved.c[column.name].nullable or not column.nullable, (name, column.name)
        for column in moved.columns:
            is_new = column.name not in table.columns
            said = column.nullable or column.server_default is not None
            assert said or not is_new, f"{name}.{column.name}: the old release does not write it"
        for key in _unique(old, name):
            old_key = any(known <= key for known in keys_before[name])
            assert old_key, f"{name}: the old release may write two rows with one {set(key)}"


def test_a_mail_of_the_first_release_is_in_the_ledger_after_every_step_since(
    empty: Engine,
) -> None:
    _upgrade_to(empty, "0001")
    tables = _reflected(empty).tables
    mails = tables["messages"]
    with empty.begin() as conn:
        conn.execute(tables["schedule_versions"].insert(), _row(tables["schedule_versions"], 1))
        conn.execute(mails.insert(), _row(mails, 1) | {"provider_id": "kept-by-them"})
        written = conn.execute(select(mails)).all()
    for revision in range(2, int(head()) + 1):
        _upgrade_to(empty, f"{revision:04}")
        with empty.connect() as conn:
            assert conn.execute(select(mails)).all() == written, revision
    with empty.connect() as conn:
        assert conn.scalar(select(_reflected(empty).tables["messages"].c.origin)) == "step"


def _unique(engine: Engine, table: str) -> set[frozenset[str]]:
    """The columns of each key that may stand only once."""
    looked = inspect(engine)
    found = {frozenset(one["column_names"]) for one in looked.get_unique_constraints(table)}
    indexes = [one for one in looked.get_indexes(table) if one["unique"]]
    found |= {frozenset(filter(None, one["column_names"])) for one in indexes}
    return found | {frozenset(looked.get_pk_constraint(table)["constrained_columns"])}

"""The disk is full, the database may only be read, or gives no connection (P14): an error that says
so, nothing half done, and it goes on by itself once there is room."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import DBAPIError

from tests.outbox.world import World
from tests.processes import write_config
from tests.servers import Postgres
from worker.cli.main import run
from worker.db.engine import make_engine
from worker.db.migrate import upgrade

MAILS = 5


def _on_each_connection(engine: Engine, statement: str) -> None:
    """From now on the database refuses what it would refuse in trouble."""
    engine.dispose()

    @event.listens_for(engine, "connect")
    def _set(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(statement)
        cursor.close()
        connection.commit()  # PostgreSQL follows from the next transaction on


def _full(engine: Engine) -> None:
    with engine.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar_one()
    _on_each_connection(engine, f"PRAGMA max_page_count = {pages}")


def _only_to_be_read(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        _on_each_connection(engine, "PRAGMA query_only = ON")
    else:
        _on_each_connection(engine, "SET default_transaction_read_only = on")


def _try_all(world: World, engine: Engine) -> list[str]:
    """What each duty of a process says about it."""
    sound, world.engine = world.engine, engine
    machine, said = world.machine(), []
    for duty in (machine.plan_batch, machine.send_batch, machine.sweep):
        try:
            duty()
        except DBAPIError as error:  # what the loops of a process catch, and try again
            said.append(str(error.orig))
    world.engine = sound
    return said


def _dump(engine: Engine) -> dict[str, list[Any]]:
    query = {
        "messages": "SELECT id, state, attempts, attempt_id, started_at FROM messages ORDER BY id",
        "steps": "SELECT id, decision, mail_key FROM steps ORDER BY id",
        "walks": "SELECT id, state, next_at FROM walks ORDER BY id",
        "licences": "SELECT id, changed FROM licences ORDER BY id",
    }
    with engine.connect() as conn:
        return {name: list(conn.execute(text(sql))) for name, sql in query.items()}


def _goes_on(world: World) -> None:
    world.run()
    assert world.addresses() == [f"client{number}@example.com" for number in range(MAILS)]
    world.files_match_the_ledger()


@pytest.mark.parametrize("is_decided", [False, True], ids=["before planning", "before sending"])
def test_a_database_that_may_only_be_read_is_said_and_changes_nothing(
    world: World, database_url: str, is_decided: bool
) -> None:
    world.book(MAILS)
    world.apply()
    if is_decided:
        world.decide()
    before = _dump(world.engine)
    poor = make_engine(database_url)
    _only_to_be_read(poor)
    said = _try_all(world, poor)
    poor.dispose()
    assert said
    assert all("readonly" in one or "read-only" in one for one in said), said
    assert _dump(world.engine) == before
    assert world.mails() == []
    _goes_on(world)


def test_a_full_disk_under_the_database_is_said_and_leaves_nothing_half_done(
    root: Path, sqlite_url: str
) -> None:
    world = World(make_engine(sqlite_url), root)
    world.book(300)  # more than fits into what is left of the last pages
    world.apply()
    before = _dump(world.engine)
    poor = make_engine(sqlite_url)
    _full(poor)
    said = _try_all(world, poor)
    poor.dispose()
    assert any("disk is full" in one for one in said), said
    assert _dump(world.engine) == before
    world.run()
    assert len(world.mails()) == 300
    world.files_match_the_ledger()
    world.engine.dispose()


@contextmanager
def _no_room_for_files() -> Iterator[None]:
    """No file of this process may hold a byte, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_full_disk_under_the_mails_sends_none_loses_none_and_leaves_no_torn_file(
    root: Path, postgresql_url: str
) -> None:
    """On PostgreSQL alone: the limit would hold for a database in a file as well."""
    world = World(make_engine(postgresql_url), root)
    world.book(MAILS)
    world.apply()
    world.decide()
    with _no_room_for_files():
        world.machine().send_batch()
    assert {state for state, _ in world.states()} == {"due"}
    assert all("File too large" in str(reason) for _, reason in world.states())
    assert world.mails() == []
    world.later(minutes=1)
    _goes_on(world)
    world.engine.dispose()


@pytest.fixture
def crowded(own_postgres: Postgres) -> Iterator[tuple[str, Callable[[], None]]]:
    """A database that gives a program two connections, and a way to take them all."""
    made = make_engine(own_postgres.url())
    upgrade(made)
    made.dispose()
    with own_postgres.connect() as conn:
        conn.execute("CREATE ROLE guest LOGIN CONNECTION LIMIT 2")
        conn.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO guest")
        conn.execute("GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO guest")
    url = own_postgres.url().replace("perennial@", "guest@")
    taken = create_engine(url, pool_size=2)
    held: list[Any] = []
    yield url, lambda: held.extend(taken.connect() for _ in range(2))
    for conn in held:
        conn.close()
    taken.dispose()


def test_a_database_without_a_free_connection_is_one_line_and_comes_back_by_itself(
    root: Path,
    crowded: tuple[str, Callable[[], None]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    url, take_all = crowded
    world = World(make_engine(url), root)
    world.book(MAILS)
    world.apply()
    world.engine.dispose()
    write_config(root, database=url)
    take_all()
    capsys.readouterr()
    assert run(["--root", str(root), "tick"], {}) == 4
    told = capsys.readouterr().err
    assert "too many connections" in told
    assert told.count("\n") == 1
    world.engine.dispose()


def test_a_process_that_got_no_connection_goes_on_once_there_is_one(
    root: Path, crowded: tuple[str, Callable[[], None]], own_postgres: Postgres
) -> None:
    url, take_all = crowded
    world = World(make_engine(own_postgres.url()), root)
    world.book(MAILS)
    world.apply()
    before = _dump(world.engine)
    take_all()
    guest = make_engine(url)
    assert all("too many connections" in one for one in _try_all(world, guest))
    assert _dump(world.engine) == before
    with own_postgres.connect() as conn:
        conn.execute("ALTER ROLE guest CONNECTION LIMIT 9")
    world.engine.dispose()
    world.engine = guest
    _goes_on(world)
    guest.dispose()

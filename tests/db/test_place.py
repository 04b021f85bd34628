"""A copy of a live database knows that it is one, and mails nobody before a person has said so."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.servers import Postgres
from worker.cadence import brakes
from worker.db import place
from worker.db.engine import make_engine, reading
from worker.db.guard import require_environment
from worker.outbox import holds

NOW = datetime(2027, 3, 31, 12, tzinfo=UTC)
COPIED = "This database was copied or moved: it is not where it was when it last ran."


def _opened(engine: Engine) -> list[str]:
    """Opens a database as a process of an instance does; what its brakes say."""
    require_environment(engine, "main", NOW)
    brakes.check_place(engine, NOW)
    with reading(engine) as conn:
        return [brake.detail for brake in holds.pulled(conn)]


@contextmanager
def _at(url: str) -> Iterator[Engine]:
    engine = make_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


def _told(url: str) -> list[str]:
    with _at(url) as engine:
        return _opened(engine)


def test_a_database_that_stays_where_it_is_is_never_in_doubt(engine: Engine) -> None:
    assert [_opened(engine) for _ in range(3)] == [[], [], []]


def test_a_confirmed_copy_is_at_home_from_then_on(engine: Engine) -> None:
    _opened(engine)
    with engine.begin() as conn:
        place.settle(conn, "elsewhere")
    assert _opened(engine) == [COPIED]
    assert _opened(engine) == [COPIED]  # once, however often it is opened
    assert brakes.confirm_place(engine, NOW + timedelta(hours=1)) == 1
    assert _opened(engine) == []
    assert brakes.confirm_place(engine, NOW) == 0


# --- SQLite ---------------------------------------------------------------------------------------


@pytest.fixture
def file(sqlite_url: str) -> Path:
    """The file of a live database."""
    assert _told(sqlite_url) == []
    return Path(sqlite_url.removeprefix("sqlite:///"))


def test_a_copied_file_is_in_doubt_and_the_original_is_not(file: Path, tmp_path: Path) -> None:
    shutil.copy(file, tmp_path / "copy.db")
    assert _told(f"sqlite:///{tmp_path}/copy.db") == [COPIED]
    assert _told(f"sqlite:///{file}") == []


def test_a_moved_file_is_in_doubt_until_it_is_moved_back(file: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "perennial.db"
    moved.parent.mkdir()
    shutil.move(file, moved)
    assert _told(f"sqlite:///{moved}") == [COPIED]
    shutil.move(moved, file)
    assert _told(f"sqlite:///{file}") == [COPIED]  # the brake stays until a person takes it off
    with _at(f"sqlite:///{file}") as engine:
        brakes.confirm_place(engine, NOW)
        assert _opened(engine) == []


def test_a_backup_that_takes_the_place_of_the_file_is_in_doubt(file: Path, tmp_path: Path) -> None:
    backup = tmp_path / "backup.db"
    with sqlite3.connect(file) as live, sqlite3.connect(backup) as copy:
        live.backup(copy)
    live.close()
    copy.close()
    file.rename(tmp_path / "damaged.db")
    shutil.copy(backup, file)
    assert _told(f"sqlite:///{file}") == [COPIED]


def test_one_file_by_two_names_is_one_place(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "linked").symlink_to(file.parent)
    assert _told(f"sqlite:///{tmp_path}/linked/{file.name}") == []
    monkeypatch.chdir(file.parent)
    assert _told(f"sqlite:///{file.name}") == []


# --- PostgreSQL -----------------------------------------------------------------------------------


@pytest.fixture
def live(postgresql_url: str) -> str:
    """The URL of a live database."""
    assert _told(postgresql_url) == []
    return postgresql_url


def _name(url: str) -> str:
    return url.partition("?")[0].rpartition("/")[2]


def test_a_database_made_from_a_live_one_is_in_doubt(live: str, postgres: Postgres) -> None:
    name = _name(live)
    with postgres.connect() as conn:
        conn.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
        try:
            assert _told(postgres.url(f"{name}_copy")) == [COPIED]
            assert _told(live) == []
        finally:
            conn.execute(f"DROP DATABASE {name}_copy WITH (FORCE)")


def test_a_copy_that_takes_the_name_of_the_live_one_is_in_doubt(
    live: str, postgres: Postgres
) -> None:
    name = _name(live)
    with postgres.connect() as conn:
        conn.execute(f"ALTER DATABASE {name} RENAME TO {name}_old")
        conn.execute(f"CREATE DATABASE {name} TEMPLATE {name}_old")
        try:
            assert _told(live) == [COPIED]
        finally:
            conn.execute(f"DROP DATABASE {name}_old WITH (FORCE)")


def test_a_dump_put_back_into_the_same_database_is_in_doubt(live: str) -> None:
    """As pg_restore --clean does it: the tables are made anew, with the old rows."""
    with _at(live) as engine:
        with engine.begin() as conn:
            conn.execute(text("CREATE TABLE again (LIKE instance INCLUDING ALL)"))
            conn.execute(text("INSERT INTO again SELECT * FROM instance"))
            conn.execute(text("DROP TABLE instance"))
            conn.execute(text("ALTER TABLE again RENAME TO instance"))
        assert _opened(engine) == [COPIED]


def test_one_database_through_two_urls_is_one_place(live: str) -> None:
    assert _told(f"{live}&application_name=reports&connect_timeout=5") == []


def test_a_vacuum_moves_nothing(live: str, postgres: Postgres) -> None:
    with postgres.connect(_name(live)) as conn:
        conn.execute("VACUUM FULL instance")
    assert _told(live) == []


def test_a_user_who_may_not_ask_for_the_clusters_number_shares_the_place(
    live: str, postgres: Postgres
) -> None:
    name = _name(live)
    user = f"limited_{name}"
    limited = live.replace("perennial@", f"{user}@")
    with postgres.connect(name) as conn:
        for function in ("pg_control_system()", "pg_control_checkpoint()"):
            conn.execute(f"REVOKE EXECUTE ON FUNCTION {function} FROM PUBLIC")
        conn.execute(f"CREATE ROLE {user} LOGIN")
        try:
            conn.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {user}")
            conn.execute(f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {user}")
            with _at(limited) as engine:
                assert place.place_of(engine).endswith(".")
            assert _told(limited) == []
            assert _told(live) == []
            with _at(limited) as engine:  # whoever settles it first
                brakes.confirm_place(engine, NOW)
            assert _told(live) == []
            with _at(limited) as engine, engine.begin() as conn_:
                place.settle(conn_, "another.")
            assert _told(limited) == [COPIED]
        finally:
            conn.execute(f"DROP OWNED BY {user}")
            conn.execute(f"DROP ROLE {user}")


def test_another_cluster_with_the_same_names_is_another_place() -> None:
    assert not place.is_same("database.one", "database.two")
    assert place.is_same("database.one", "database.")
    assert not place.is_same("database.", "other.")

"""A copy of a live database knows that it is one, and mails nobody before a person has said so."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, text, update

from tests.processes import write_config
from tests.servers import Postgres
from tests.staff import OFFICE
from worker.cadence import brakes
from worker.cli.main import run
from worker.db import heartbeats, place
from worker.db.engine import make_engine, reading
from worker.db.guard import require_environment
from worker.db.records import heartbeats as beats
from worker.db.records import instance
from worker.kernel.clock import SystemClock
from worker.outbox import holds

NOW = datetime(2027, 3, 31, 12, tzinfo=UTC)
COPIED = "This database was copied or moved: it is not where it was when it last ran."


NOWHERE = Path("/nonexistent/last-seen")


def _opened(engine: Engine, seen: Path = NOWHERE) -> list[str]:
    """Opens a database as a process of an instance does; what its brakes say."""
    require_environment(engine, "main", NOW)
    brakes.check_place(engine, NOW, seen)
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
    assert brakes.confirm_place(engine, NOW + timedelta(hours=1), OFFICE) == 1
    assert _opened(engine) == []
    assert brakes.confirm_place(engine, NOW, OFFICE) == 0


# --- a backup put back in place -------------------------------------------------------------------

PUT_BACK = (
    "A backup was put back: this database was last written at 2027-03-30 12:00 UTC, but it was "
    "seen here at 2027-03-31 12:00 UTC."
)


def _seen_at(engine: Engine, seen: Path, moment: datetime) -> None:
    with engine.begin() as conn:
        heartbeats.beat(conn, "beat", moment)
    with reading(engine) as conn:
        place.note_seen(seen, conn)


@pytest.fixture
def seen(tmp_path: Path) -> Path:
    """Where the machine notes what it saw."""
    return tmp_path / "var" / "last-seen"


def _put_back(engine: Engine) -> None:
    """What is left of the beats in a backup of yesterday."""
    with engine.begin() as conn:
        conn.execute(update(beats).values(at=NOW - timedelta(days=1)))


def test_a_backup_put_back_in_the_same_place_is_in_doubt(engine: Engine, seen: Path) -> None:
    _opened(engine, seen)
    _seen_at(engine, seen, NOW)
    assert _opened(engine, seen) == []
    _put_back(engine)
    assert _opened(engine, seen) == [PUT_BACK]
    assert brakes.confirm_place(engine, NOW + timedelta(hours=1), OFFICE) == 1
    assert _opened(engine, seen) == []


def test_the_minutes_that_a_power_failure_may_cost_are_no_backup(
    engine: Engine, seen: Path
) -> None:
    _opened(engine, seen)
    _seen_at(engine, seen, NOW)
    with engine.begin() as conn:
        conn.execute(update(beats).values(at=NOW - timedelta(minutes=5)))
    assert _opened(engine, seen) == []


def test_another_database_at_the_same_address_is_no_backup(engine: Engine, seen: Path) -> None:
    _opened(engine, seen)
    _seen_at(engine, seen, NOW)
    _put_back(engine)
    with engine.begin() as conn:
        conn.execute(update(instance).values(created_at=NOW + timedelta(days=9)))
    assert _opened(engine, seen) == []


@pytest.mark.parametrize("text_", ["", "\n", "yesterday", "2027-03-31 noon", "\xff"])
def test_a_note_that_cannot_be_read_accuses_nobody(engine: Engine, seen: Path, text_: str) -> None:
    _opened(engine, seen)
    seen.parent.mkdir()
    seen.write_text(text_, encoding="latin-1")
    assert _opened(engine, seen) == []


def test_a_place_that_takes_no_note_stops_nobody(engine: Engine) -> None:
    _opened(engine)
    _seen_at(engine, Path("/proc/nobody/last-seen"), NOW)
    assert _opened(engine, Path("/proc/nobody/last-seen")) == []


def test_an_instance_notes_what_it_saw_and_mails_nobody_from_a_backup(
    root: Path, sqlite_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The file itself is written over, as cp does it: its number stays the same."""
    write_config(root, database=sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    with _at(sqlite_url) as engine:
        _opened(engine)
        _seen_at(engine, root / "unused", SystemClock().now() - timedelta(days=1))
    backup = file.read_bytes()
    assert run(["--root", str(root), "tick"], {}) == 0
    assert capsys.readouterr().err == ""
    for journal in file.parent.glob(f"{file.name}-*"):
        journal.unlink()
    file.write_bytes(backup)
    assert run(["--root", str(root), "tick"], {}) == 0
    said = capsys.readouterr().err
    assert said.startswith("Sending is stopped: A backup was put back: this database was last ")
    assert said.endswith("If this is the one that shall mail: perennial confirm-instance\n")


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
        brakes.confirm_place(engine, NOW, OFFICE)
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
                brakes.confirm_place(engine, NOW, OFFICE)
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

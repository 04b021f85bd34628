"""The schema that the migrations make is the one that the code expects."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, text

from tests.schema import all_tables
from tests.servers import Postgres
from worker.db.engine import make_engine
from worker.db.migrate import alembic_config, current, head, require_current, upgrade
from worker.kernel.errors import ConfigError

SEARCHED = ("_folded", "_words")
"""How indexes on expressions are called: what databases tell of them cannot be compared."""
_LISTED = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'index'",
    "postgresql": "SELECT indexname FROM pg_indexes",
}


def _can_be_compared(_: object, name: str | None, *__: object) -> bool:
    return not (name or "").endswith(SEARCHED)


@pytest.mark.filterwarnings("ignore:autogenerate skipping metadata-specified expression-based")
def test_the_migrated_schema_is_that_of_the_tables(engine: Engine) -> None:
    with engine.connect() as conn:
        opts = {
            "compare_type": True,
            "compare_server_default": True,
            "include_object": _can_be_compared,
        }
        context = MigrationContext.configure(conn, opts=opts)
        assert compare_metadata(context, all_tables()) == []


def test_what_people_search_by_has_its_indexes(engine: Engine, backend: str) -> None:
    indexes = [each for table in all_tables().tables.values() for each in table.indexes]
    wanted = {str(one.name) for one in indexes if str(one.name).endswith(SEARCHED)}
    if backend == "sqlite":
        wanted = {name for name in wanted if not name.endswith("_words")}
    with engine.connect() as conn:
        found = set(conn.execute(text(_LISTED[backend])).scalars())
    assert wanted
    assert wanted <= found


def test_a_partial_index_stays_partial(engine: Engine, backend: str) -> None:
    queries = {
        "sqlite": "SELECT sql FROM sqlite_master WHERE name = 'uq_tasks_open_key'",
        "postgresql": "SELECT indexdef FROM pg_indexes WHERE indexname = 'uq_tasks_open_key'",
    }
    with engine.connect() as conn:
        sql = conn.execute(text(queries[backend])).scalar_one()
    assert "UNIQUE" in sql
    assert "closed_at IS NULL" in sql


def test_the_newest_revision_is_told_without_loading_alembic(engine: Engine) -> None:
    with engine.connect() as conn:
        script = ScriptDirectory.from_config(alembic_config(conn))
    assert script.get_heads() == [head()]
    assert current(engine) == head()


def test_upgrading_twice_changes_nothing(engine: Engine) -> None:
    upgrade(engine)
    require_current(engine)


def test_two_upgrades_at_once_do_no_harm_on_sqlite(tmp_path) -> None:
    _upgrade_at_once(f"sqlite:///{tmp_path / 'new.db'}")


def test_two_upgrades_at_once_do_no_harm_on_postgresql(postgres: Postgres) -> None:
    with postgres.connect() as conn:
        conn.execute("CREATE DATABASE empty_once")
        _upgrade_at_once(postgres.url("empty_once"))
        conn.execute("DROP DATABASE empty_once WITH (FORCE)")


def _upgrade_at_once(url: str) -> None:
    engines = [make_engine(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(upgrade, engines))
    assert [current(engine) for engine in engines] == [head()] * 4
    for engine in engines:
        engine.dispose()


def test_a_database_without_tables_says_what_to_run(tmp_path) -> None:
    engine = make_engine(f"sqlite:///{tmp_path / 'new.db'}")
    with pytest.raises(ConfigError) as told:
        require_current(engine)
    assert str(told.value) == (
        f"The database has no tables yet; this release needs {head()}. Run: perennial db upgrade"
    )
    engine.dispose()


def test_an_old_schema_is_refused_and_a_newer_one_accepted(engine: Engine) -> None:
    _stand_at(engine, "0000")
    with pytest.raises(ConfigError, match=r"stands at 0000.*Run: perennial db upgrade"):
        require_current(engine)
    _stand_at(engine, "9999")
    require_current(engine)


def _stand_at(engine: Engine, revision: str) -> None:
    with engine.begin() as conn:
        conn.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})

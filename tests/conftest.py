"""What all tests share: real databases and a real Redis, fresh for each test that asks."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from redis import Redis as RedisClient
from sqlalchemy import Engine

from tests import folders, servers
from tests.browsers import chromium
from worker.db.engine import make_engine
from worker.db.migrate import upgrade

_numbers = itertools.count()


def pytest_configure(config: pytest.Config) -> None:
    shared = getattr(config, "workerinput", {}).get("servers")
    config.stash[_RUN] = Path(shared) if shared else _begin()


def _begin() -> Path:
    """A new run. All temporary files are in its folder, except those that pytest keeps of tests
    which failed."""
    folders.live_in_memory()
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    run = servers.new_run()
    folders.live_in(run)
    return run


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        servers.end_run(config.stash[_RUN])


_RUN = pytest.StashKey[Path]()


class _Sharing:
    """Tells the processes of xdist where the run's servers are."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node) -> None:  # type: ignore[no-untyped-def]  # xdist's
        node.workerinput["servers"] = str(node.config.stash[_RUN])


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.register(_Sharing())


@pytest.fixture(scope="session")
def run_folder(pytestconfig: pytest.Config) -> Path:
    """A folder that all processes of this test run share."""
    return pytestconfig.stash[_RUN]


def _shared(run: Path, name: str) -> dict[str, str]:
    try:
        return servers.shared(run, name)
    except servers.MissingServerError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def postgres(run_folder: Path) -> servers.Postgres:
    """The run's PostgreSQL, with a migrated database ``template_perennial`` to copy."""
    server = servers.Postgres(Path(_shared(run_folder, "postgres")["folder"]))
    with servers.locked(run_folder), server.connect() as conn:
        names = [name for (name,) in conn.execute("SELECT datname FROM pg_database")]
        if "template_perennial" not in names:
            conn.execute("CREATE DATABASE template_draft")
            _migrate(server.url("template_draft"))
            conn.execute("ALTER DATABASE template_draft RENAME TO template_perennial")
    return server


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite database to copy."""
    path = tmp_path_factory.mktemp("migrated") / "perennial.db"
    _migrate(f"sqlite:///{path}")
    return path


def _migrate(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def backend(request: pytest.FixtureRequest) -> str:
    """Each test that uses this, or anything below, runs once per database."""
    name: str = request.param
    return name


@pytest.fixture
def database_url(backend: str, request: pytest.FixtureRequest) -> str:
    """A fresh database with the current schema."""
    url: str = request.getfixturevalue(f"{backend}_url")
    return url


@pytest.fixture
def sqlite_url(migrated_file: Path, tmp_path: Path) -> str:
    """A fresh SQLite database with the current schema."""
    path = tmp_path / "perennial.db"
    shutil.copy(migrated_file, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres: servers.Postgres) -> Iterator[str]:
    """A fresh PostgreSQL database with the current schema."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    with postgres.connect() as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template_perennial")
        yield postgres.url(name)
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    """An engine on a fresh database with the current schema; runs on both databases."""
    made = make_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture
def redis_url(run_folder: Path) -> Iterator[str]:
    """A Redis database that no other test uses, empty."""
    server = _shared(run_folder, "redis")["url"]
    url = f"{server.rpartition('/')[0]}/{_own_number()}"
    client = RedisClient.from_url(url)
    client.flushdb()
    yield url
    client.flushdb()
    client.close()


def _own_number() -> int:
    """One number per test process, from 0 to 255."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    return int(worker.removeprefix("gw")) % 256


@pytest.fixture
def own_postgres() -> Iterator[servers.Postgres]:
    """A PostgreSQL that this test may stop and crash; not migrated."""
    folder = _place("PostgreSQL", servers.find_postgres)
    with servers.running(servers.Postgres(folder, durable=True)) as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[servers.Redis]:
    """A Redis that this test may stop and crash."""
    with servers.running(servers.Redis(_place("Redis", servers.find_redis))) as server:
        yield server


def _place(name: str, find) -> Path:  # type: ignore[no-untyped-def]
    try:
        find()
    except servers.MissingServerError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    return folders.short_folder()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty folder for an instance: config.toml, schedules/, templates/ and var/ go here."""
    folder = tmp_path / "instance"
    folder.mkdir()
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium. Not for the whole run: while it is there, an event loop runs in this thread, and
    whoever wants one of their own is refused."""
    with chromium() as started:
        yield started

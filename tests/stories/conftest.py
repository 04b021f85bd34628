"""Offices with three mails that are due: prepared once on each database, then copied."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.providers.misbehaving import Provider
from tests.stories.office import Office
from worker.db.engine import make_engine

COUNT = 3
EVERYBODY = [f"client{number}@example.com" for number in range(COUNT)]

Open = Callable[[], Office]


@pytest.fixture(scope="module")
def prepared_file(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A SQLite database in which three mails are due."""
    path = tmp_path_factory.mktemp("prepared") / "perennial.db"
    shutil.copy(migrated_file, path)
    _prepare(f"sqlite:///{path}", path.parent)
    return str(path)


@pytest.fixture(scope="module")
def prepared_template(
    postgres: servers.Postgres, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The same on PostgreSQL, to copy."""
    name = f"prepared_{os.getpid()}"
    with postgres.connect() as conn:
        conn.execute(f"CREATE DATABASE {name} TEMPLATE template_perennial")
        _prepare(postgres.url(name), tmp_path_factory.mktemp("prepared"))
        yield name
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _prepare(url: str, folder: Path) -> None:
    engine = make_engine(url)
    with Provider(folder / "provider").running() as provider:
        office = Office(engine, folder / "instance", provider=provider)
        office.book(COUNT)
        office.apply()
        office.decide()
    engine.dispose()


@pytest.fixture
def opened(backend: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens an office with three mails that are due, as often as it is asked."""
    closing: list[Callable[[], object]] = []
    numbers = itertools.count()

    def url_of(number: int) -> str:
        if backend == "sqlite":
            path = tmp_path / f"perennial-{number}.db"
            shutil.copy(request.getfixturevalue("prepared_file"), path)
            return f"sqlite:///{path}"
        name = f"office_{os.getpid()}_{next(_NUMBERS)}"
        template = request.getfixturevalue("prepared_template")
        server: servers.Postgres = request.getfixturevalue("postgres")
        with server.connect() as conn:
            conn.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        closing.append(lambda: _drop(server, name))
        return server.url(name)

    def open_one() -> Office:
        number = next(numbers)
        engine = make_engine(url_of(number))
        closing.append(engine.dispose)
        place = tmp_path / f"office-{number}"
        running = Provider(place / "provider", hang=0.1).running()
        provider = running.__enter__()
        closing.append(lambda: running.__exit__(None, None, None))
        return Office(engine, place, provider=provider)

    yield open_one
    for close in reversed(closing):
        close()


_NUMBERS = itertools.count()


def _drop(server: servers.Postgres, name: str) -> None:
    with server.connect() as conn:
        conn.execute(f"DROP DATABASE {name} WITH (FORCE)")

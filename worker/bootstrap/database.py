"""The database of an instance: opened, checked, and known again when it was moved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Engine

from worker.cadence import brakes
from worker.db import place
from worker.db.engine import make_engine, reading
from worker.db.guard import require_environment, require_usable_file
from worker.db.migrate import current, require_current, upgrade

if TYPE_CHECKING:
    from pathlib import Path

    from worker.bootstrap.app import App


def raw(app: App) -> Engine:
    """The database as it is, whatever its schema; the caller disposes of it.

    Raises ``ConfigError`` when an SQLite file may not lie where it should.
    """
    origin = app.loaded.origins["database.url"]
    file = "config.toml" if origin == "default" else origin
    require_usable_file(app.database_url, origin=file)
    return make_engine(app.database_url)


def checked(app: App) -> Engine:
    """The database, fit for this release and this instance.

    Raises ``ConfigError`` when its schema is not current or when it belongs to another environment,
    and SQLAlchemy's ``OperationalError`` when it does not answer.
    """
    engine = raw(app)
    try:
        require_current(engine)
        require_environment(engine, app.settings.database.environment, app.clock.now())
        brakes.check_place(engine, app.clock.now(), _seen(app))
    except BaseException:
        engine.dispose()
        raise
    return engine


def create_tables_if_none(app: App) -> None:
    """Gives an empty database its tables; one with an older schema is left as it is."""
    engine = raw(app)
    try:
        if current(engine) is None:
            upgrade(engine)
    finally:
        engine.dispose()


def note_seen(app: App) -> None:
    """Notes until when this machine saw the database written."""
    with reading(app.engine) as conn:
        place.note_seen(_seen(app), conn)


def _seen(app: App) -> Path:
    return app.root / "var" / "last-seen"

"""All tables of all rooms, and the drafting of migrations from them.

``python -m tests.schema "what changes"`` writes the next file under ``worker/db/migrations`` from
the difference between the migrations and the tables; ``--first`` rewrites the only one there is,
which is right until the first release. Read what it wrote.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from alembic import command
from sqlalchemy import BigInteger, MetaData
from sqlalchemy.sql.elements import False_

import worker
from worker.db.engine import make_engine
from worker.db.migrate import alembic_config, head, upgrade
from worker.db.types import metadata

VERSIONS = Path(worker.__file__).parent / "db/migrations/versions"


def all_tables() -> MetaData:
    """The metadata with the tables of every room that has a ``records.py``."""
    for path in sorted(Path(worker.__file__).parent.glob("*/records.py")):
        importlib.import_module(f"worker.{path.parent.name}.records")
    return metadata


def _render(kind: str, item: Any, context: Any) -> str | bool:
    module = type(item).__module__
    if kind == "type" and module == "worker.db.types":
        return f"{type(item).__name__}()"
    if kind == "type" and isinstance(item, BigInteger):
        return "Id"
    if kind == "server_default" and isinstance(getattr(item, "arg", None), False_):
        return "sa.false()"
    return False


def draft(message: str, *, first: bool) -> None:
    """Writes a migration file; see the module's docstring."""
    all_tables()
    if first:
        for path in VERSIONS.glob("[0-9]*.py"):
            path.unlink()
    number = "0001" if first else f"{int(head()) + 1:04}"
    engine = make_engine("sqlite://")
    if not first:
        upgrade(engine)
    with engine.connect() as conn:
        config = alembic_config(conn)
        config.attributes["render_item"] = _render
        command.revision(config, message, autogenerate=True, rev_id=number)


if __name__ == "__main__":
    words = [word for word in sys.argv[1:] if word != "--first"]
    draft(" ".join(words), first="--first" in sys.argv)

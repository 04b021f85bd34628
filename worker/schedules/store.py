"""Queries on applied versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.db import bulk
from worker.db.prepared import Prepared
from worker.schedules.records import template_texts, versions

_SHOWN = ("id", "schedule", "number", "digest", "steps_since", "applied_at")
_ACTIVE = Prepared(
    select(*[versions.c[name] for name in _SHOWN])
    .where(versions.c.active)
    .order_by(versions.c.schedule)
)


def active(conn: Connection) -> list[Any]:
    """The versions that run: id, schedule, number, digest, steps_since, applied_at."""
    return _ACTIVE.rows(conn)


_ACTIVE_IDS = Prepared(select(versions.c.id).where(versions.c.active).order_by(versions.c.schedule))


def active_ids(conn: Connection) -> list[int]:
    """The ids of the versions that run."""
    return _ACTIVE_IDS.scalars(conn)


def version(conn: Connection, version_id: int) -> Any:
    """One version, whole."""
    return conn.execute(select(versions).where(versions.c.id == version_id)).one()


_PINNED = Prepared(select(versions.c.templates).where(versions.c.id == bindparam("version")))


def pinned(conn: Connection, version_id: int) -> dict[str, str]:
    """The fingerprint of each template text of a version, by its path under ``templates/``."""
    (found,) = _PINNED.scalars(conn, version=version_id)
    return dict(found)


def pinned_texts(conn: Connection, version_id: int) -> dict[str, str]:
    """The template texts of a version by their path under ``templates/``."""
    paths = pinned(conn, version_id)
    digests = sorted(set(paths.values()))
    where = bulk.among(template_texts.c.digest, digests)
    texts = {row.digest: row.text for row in conn.execute(select(template_texts).where(where))}
    return {path: texts[found] for path, found in paths.items()}


def history(conn: Connection, stem: str, most: int) -> list[Any]:
    """The versions of a schedule, the newest first: id, number, digest, applied_at, active."""
    names = ("id", "number", "digest", "applied_at", "active")
    query = select(*[versions.c[name] for name in names]).where(versions.c.schedule == stem)
    return list(conn.execute(query.order_by(versions.c.number.desc()).limit(most)))


def add_version(conn: Connection, values: Mapping[str, Any], texts: Mapping[str, str]) -> int:
    """Makes a version the one that runs; ``texts`` maps digests to template texts. Its id."""
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    if texts:
        rows = [{"digest": found, "text": text} for found, text in sorted(texts.items())]
        conn.execute(dialect.insert(template_texts).on_conflict_do_nothing(), rows)
    retire(conn, [values["schedule"]])
    newest = select(func.coalesce(func.max(versions.c.number), 0)).where(
        versions.c.schedule == values["schedule"]
    )
    number = conn.execute(newest).scalar_one() + 1
    done = conn.execute(
        versions.insert().values(**values, number=number, active=True).returning(versions.c.id)
    )
    added: int = done.scalar_one()
    return added


def retire(conn: Connection, stems: Sequence[str]) -> None:
    """Takes schedules out of force; their versions stay."""
    conn.execute(
        update(versions)
        .where(versions.c.schedule.in_(stems), versions.c.active)
        .values(active=False)
    )


def first_applied(conn: Connection, stem: str) -> datetime:
    """When a schedule that has a version was applied first."""
    mine = versions.c.schedule == stem
    query = select(func.min(versions.c.applied_at)).where(mine)
    moment: datetime = conn.execute(query).scalar_one()
    return moment


def last_applied(conn: Connection) -> datetime | None:
    """When a version was applied last."""
    moment: datetime | None = conn.execute(select(func.max(versions.c.applied_at))).scalar()
    return moment

"""Who tasks can belong to: members of staff, and users who stand for one."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.engine import Connection

from worker.access.records import users
from worker.access.rules import Role
from worker.catalogue.records import staff
from worker.db.prepared import Prepared


@dataclass(frozen=True, slots=True)
class Colleague:
    """A member of staff: the ``key`` that their tasks bear, and what is known of them.

    ``role`` is that of their user; ``None`` when they have none, or it is disabled.
    """

    key: str
    name: str
    email: str | None
    role: Role | None


_STAFF = Prepared(select(staff.c.key, staff.c.name, staff.c.email))
_ABLE = Prepared(
    select(*[users.c[name] for name in ("staff", "name", "email", "role")])
    .where(users.c.staff.is_not(None), users.c.disabled_at.is_(None))
    .order_by(users.c.id)
)


def colleagues(conn: Connection) -> dict[str, Colleague]:
    """Everybody who may be given a task, by key, in the order of their names."""
    found = {row.key: Colleague(row.key, row.name, row.email, None) for row in _STAFF.rows(conn)}
    for user in _ABLE.rows(conn):
        known = found.get(user.staff)
        name, email = (known.name, known.email) if known else (user.name, user.email)
        found[user.staff] = Colleague(user.staff, name, email, Role(user.role))
    return dict(sorted(found.items(), key=lambda one: (one[1].name.lower(), one[0])))


def find(conn: Connection, named: str) -> str | None:
    """The key of the member of staff of that key, or whose login it is."""
    if conn.execute(select(staff.c.id).where(staff.c.key == named)).first():
        return named
    query = select(users.c.staff).where(users.c.login == named.lower()).limit(1)
    by_login: str | None = conn.execute(query).scalar_one_or_none()
    if by_login is None and conn.execute(select(users.c.id).where(users.c.staff == named)).first():
        return named
    return by_login

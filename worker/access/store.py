"""Queries on users, sessions and tokens. Nothing here commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import bindparam, delete, func, insert, or_, select, update
from sqlalchemy.engine import Connection

from worker.access.records import requests, sessions, tokens, users
from worker.access.rules import PENDING, Role
from worker.db.prepared import Prepared


class Seat(NamedTuple):
    """A session that stands, and whose it is; ``staff`` is the key that their tasks bear."""

    digest: str
    made_at: datetime
    seen_at: datetime
    user_id: int
    login: str
    name: str
    role: Role
    staff: str | None


_SEAT = Prepared(
    select(
        sessions.c.digest,
        sessions.c.made_at,
        sessions.c.seen_at,
        users.c.id,
        users.c.login,
        users.c.name,
        users.c.role,
        users.c.staff,
    )
    .join(users, users.c.id == sessions.c.user_id)
    .where(
        sessions.c.digest == bindparam("digest"),
        sessions.c.kind == bindparam("kind"),
        sessions.c.ends_at > bindparam("now"),
        sessions.c.revoked_at.is_(None),
        users.c.disabled_at.is_(None),
    )
)


def seat(conn: Connection, kind: str, digest: str, now: datetime) -> Seat | None:
    """The session (or the link) of that digest, while it stands and its user does."""
    row = next(iter(_SEAT.rows(conn, digest=digest, kind=kind, now=now)), None)
    return Seat(*row)._replace(role=Role(row.role)) if row else None


def begin(
    conn: Connection,
    kind: str,
    digest: str,
    user_id: int,
    now: datetime,
    ends_at: datetime,
    agent: str | None = None,
) -> None:
    """Notes a session, or a link that will make one."""
    conn.execute(
        insert(sessions).values(
            digest=digest,
            kind=kind,
            user_id=user_id,
            made_at=now,
            seen_at=now,
            ends_at=ends_at,
            agent=(agent or "")[:200] or None,
        )
    )


def seen(conn: Connection, digest: str, now: datetime, ends_at: datetime) -> None:
    """Notes that a session was used, and its new end."""
    mine = sessions.c.digest == digest
    conn.execute(update(sessions).where(mine).values(seen_at=now, ends_at=ends_at))


def revoke(conn: Connection, digest: str, now: datetime) -> bool:
    """Ends a session or a link; whether it stood. Of two that end one link, one did."""
    standing = (sessions.c.digest == digest, sessions.c.revoked_at.is_(None))
    return conn.execute(update(sessions).where(*standing).values(revoked_at=now)).rowcount == 1


def revoke_own(conn: Connection, user_id: int, digest: str, now: datetime) -> bool:
    """The same, of that user only."""
    mine = update(sessions).where(
        sessions.c.digest == digest,
        sessions.c.user_id == user_id,
        sessions.c.revoked_at.is_(None),
    )
    return conn.execute(mine.values(revoked_at=now)).rowcount == 1


def revoke_all(conn: Connection, user_id: int, now: datetime, but: str = "") -> int:
    """Ends every session and link of a user that has not ended, save the one with the digest
    ``but``; how many there were."""
    standing = update(sessions).where(
        sessions.c.user_id == user_id,
        sessions.c.revoked_at.is_(None),
        sessions.c.ends_at > now,
        sessions.c.digest != but,
    )
    return conn.execute(standing.values(revoked_at=now)).rowcount


def standing(conn: Connection, user_id: int, kind: str, now: datetime) -> Sequence[Any]:
    """A user's sessions (or links) that stand, the one that was used last first."""
    query = (
        select(sessions)
        .where(
            sessions.c.user_id == user_id,
            sessions.c.kind == kind,
            sessions.c.revoked_at.is_(None),
            sessions.c.ends_at > now,
        )
        .order_by(sessions.c.seen_at.desc(), sessions.c.digest)
    )
    return conn.execute(query).all()


def forget_ended(conn: Connection, before: datetime) -> None:
    """Deletes sessions and links that ended before then."""
    conn.execute(delete(sessions).where(sessions.c.ends_at < before))


def user(conn: Connection, login: str) -> Any | None:
    """The user of that login, or ``None``."""
    return conn.execute(select(users).where(users.c.login == login.lower())).first()


def stands(conn: Connection, known: Any) -> bool:
    """Whether a user is still as they were read: not disabled, with the same password."""
    row = user(conn, known.login)
    return bool(row and not row.disabled_at and row.password_hash == known.password_hash)


def by_subject(conn: Connection, subject: str) -> Any | None:
    """The user who is that to the OpenID provider, or ``None``."""
    return conn.execute(select(users).where(users.c.subject == subject)).first()


def ways_in(row: Any) -> list[str]:
    """How a user of that row can sign in, beside a link."""
    subject = row.subject or ""
    by_openid = ["openid, not yet"] if subject.startswith(PENDING) else ["openid"]
    return (["password"] if row.password_hash else []) + (by_openid if subject else [])


def link_of(row: Any, secret: str) -> str:
    """The path that signs a user of that row in; it leads whoever has no other way in to where they
    choose a password."""
    return f"/sign-in/link/{secret}" + ("" if ways_in(row) else "?next=/me")


def any_user(conn: Connection) -> bool:
    """Whether there is a user at all."""
    return conn.execute(select(users.c.id).limit(1)).first() is not None


def last_seen(conn: Connection, ids: Sequence[int]) -> Mapping[int, datetime]:
    """When the sessions of these users were used last, as far as they are kept."""
    query = select(sessions.c.user_id, func.max(sessions.c.seen_at))
    query = query.where(sessions.c.user_id.in_(ids), sessions.c.kind == "session")
    return {row[0]: row[1] for row in conn.execute(query.group_by(sessions.c.user_id))}


def all_users(conn: Connection) -> Sequence[Any]:
    """Every user, by login."""
    return conn.execute(select(users).order_by(users.c.login)).all()


def add_user(conn: Connection, values: dict[str, Any], now: datetime) -> int:
    """Adds a user; its id. A second one with the same login raises."""
    new = insert(users).values(values | {"made_at": now}).returning(users.c.id)
    return int(conn.execute(new).scalar_one())


def change_user(conn: Connection, user_id: int, values: dict[str, Any]) -> None:
    """Changes columns of a user."""
    conn.execute(update(users).where(users.c.id == user_id).values(values))


def hold_admins(conn: Connection) -> set[int]:
    """The admins who can sign in; none of them changes before this transaction ends."""
    able = (users.c.role == Role.ADMIN, users.c.disabled_at.is_(None))
    query = select(users.c.id).where(*able).order_by(users.c.id).with_for_update()
    return set(conn.execute(query).scalars())


def all_tokens(conn: Connection, most: int | None = None) -> Sequence[Any]:
    """Tokens: those that were not revoked by name, then those that were."""
    order = (tokens.c.revoked_at.is_not(None), tokens.c.name, tokens.c.id.desc())
    return conn.execute(select(tokens).order_by(*order).limit(most)).all()


def add_token(conn: Connection, values: dict[str, Any]) -> None:
    """Adds a token. A second one of the same name raises while the first stands."""
    conn.execute(insert(tokens).values(values))


def revoke_token(conn: Connection, name: str, now: datetime) -> bool:
    """Ends the token of that name; whether it stood."""
    standing = (tokens.c.name == name, tokens.c.revoked_at.is_(None))
    return conn.execute(update(tokens).where(*standing).values(revoked_at=now)).rowcount == 1


def token(conn: Connection, digest: str, now: datetime) -> Any | None:
    """The token of that digest, while it stands."""
    standing = (
        tokens.c.digest == digest,
        tokens.c.revoked_at.is_(None),
        or_(tokens.c.ends_at.is_(None), tokens.c.ends_at > now),
    )
    return conn.execute(select(tokens).where(*standing)).first()


def token_used(conn: Connection, token_id: int, now: datetime) -> None:
    """Notes that a token was used."""
    conn.execute(update(tokens).where(tokens.c.id == token_id).values(used_at=now))


REQUESTS_KEPT = timedelta(hours=24)
"""How long the answer to a request is kept for one with the same key."""


def forget_requests(conn: Connection, now: datetime) -> int:
    """Deletes the answers that are kept no longer; how many there were."""
    old = delete(requests).where(requests.c.at <= now - REQUESTS_KEPT)
    return conn.execute(old).rowcount

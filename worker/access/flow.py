"""Signing in and out: each a transaction of its own."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access import audit, store
from worker.access.audit import Actor
from worker.access.rules import LINK, LONGEST_SESSION, SESSION, digest_of
from worker.access.store import Seat
from worker.db.engine import reading

SESSION_KIND, LINK_KIND = "session", "link"
_SELDOM = timedelta(minutes=5)
"""That a session was used is noted so often, not at every request: pages only read."""


def offer(engine: Engine, user_id: int, now: datetime) -> str:
    """A secret that signs a user in once, within a day."""
    secret = secrets.token_urlsafe(32)
    with engine.begin() as conn:
        store.begin(conn, LINK_KIND, digest_of(secret), user_id, now, now + LINK)
    return secret


def offered(engine: Engine, secret: str, now: datetime) -> Seat | None:
    """Whom a link would sign in; ``None`` when it is used up, too old or none of ours."""
    with reading(engine) as conn:
        return store.seat(conn, LINK_KIND, digest_of(secret), now)


def take(engine: Engine, secret: str, agent: str, now: datetime) -> str | None:
    """Uses a link up: the cookie of the session that it began, or ``None`` as for ``offered``."""
    with engine.begin() as conn:
        seat = store.seat(conn, LINK_KIND, digest_of(secret), now)
        if seat is None or not store.revoke(conn, seat.digest, now):
            return None
        audit.note(conn, Actor(seat.login, "page"), "user.signed-in", f"user {seat.login}", now)
        return begin(conn, seat.user_id, agent, now)


def begin(conn: Connection, user_id: int, agent: str, now: datetime) -> str:
    """Begins a session in the caller's transaction; its cookie."""
    cookie = secrets.token_urlsafe(32)
    store.begin(conn, SESSION_KIND, digest_of(cookie), user_id, now, now + SESSION, agent)
    return cookie


def sit(engine: Engine, cookie: str, now: datetime) -> Seat | None:
    """Whose session a cookie is, if it stands; a use makes it last, up to ``LONGEST_SESSION``."""
    with reading(engine) as conn:
        seat = store.seat(conn, SESSION_KIND, digest_of(cookie), now)
    if seat is not None and now - seat.seen_at >= _SELDOM:
        with engine.begin() as conn:
            end = min(now + SESSION, seat.made_at + LONGEST_SESSION)
            store.seen(conn, seat.digest, now, end)
    return seat


def sign_out(engine: Engine, seat: Seat, now: datetime) -> None:
    """Ends a session."""
    with engine.begin() as conn:
        store.revoke(conn, seat.digest, now)
        audit.note(conn, Actor(seat.login, "page"), "user.signed-out", f"user {seat.login}", now)

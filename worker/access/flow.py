"""Signing in and out: each a transaction of its own."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import structlog
from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.access import audit, passwords, store, throttle
from worker.access.audit import Actor
from worker.access.openid import Vouched
from worker.access.rules import LINK, LONGEST_SESSION, SESSION, digest_of, pending
from worker.access.store import Seat
from worker.db.engine import reading

SESSION_KIND, LINK_KIND = "session", "link"
_KEPT = timedelta(days=30)
"""Sessions that ended are kept so long."""
_SELDOM = timedelta(minutes=5)
"""That a session was used is noted so often, not at every request: pages only read."""

_STRANGER = Actor("(stranger)", "page")  # no login looks like this
log = structlog.get_logger(__name__)


class Tried(NamedTuple):
    """How a try to sign in ended: with the cookie of a session, or with a time to wait first."""

    cookie: str | None
    wait: timedelta


def sign_in(
    engine: Engine, login: str, password: str, address: str, agent: str, now: datetime
) -> Tried:
    """Signs a user in by login and password; ``address`` is that of the network.

    Unknown logins, wrong passwords and disabled users end alike and take as long. Raises
    ``passwords.BusyError``.
    """
    keys = throttle.keys_of(login, address)
    with passwords.at_hand():
        with engine.begin() as conn:
            tried = throttle.begin(conn, keys, now)
            user = store.user(conn, login)
        if tried.waits:
            return Tried(None, tried.waits)
        right = passwords.is_right(user.password_hash if user else None, password)
        fresh = _fresh(user, password) if right else None
    with engine.begin() as conn:
        if user is None or not right or not store.stands(conn, user):
            _note_failure(conn, user, tried.then, now)
            return Tried(None, tried.then)
        throttle.clear(conn, keys)
        if fresh is not None:
            store.change_user(conn, user.id, {"password_hash": fresh})
        return Tried(enter(conn, user, "password", agent, now), timedelta(0))


def sign_in_vouched(engine: Engine, vouched: Vouched, agent: str, now: datetime) -> str | None:
    """Signs in whom an OpenID provider vouches for; the cookie of a session.

    ``None`` when no user is that, or they are disabled. At the first time an admin's word links
    the verified address with the user; from then on only the provider's own name for them counts.
    """
    with engine.begin() as conn:
        user = store.by_subject(conn, vouched.subject)
        if user is None and vouched.email:
            user = store.by_subject(conn, pending(vouched.email))
            if user is not None and user.disabled_at is None:
                store.change_user(conn, user.id, {"subject": vouched.subject})
        if user is None or user.disabled_at is not None:
            return None
        return enter(conn, user, "openid", agent, now)


def faults_of_own(engine: Engine, login: str, password: str, now: datetime) -> list[str]:
    """What is wrong with the password that a signed-in user says is theirs; nothing when they have
    none yet. Tries count as at the door: a session left open is no place to guess either."""
    keys = throttle.keys_of(login, "signed in")
    with engine.begin() as conn:
        user = store.user(conn, login)
        if user is None or user.password_hash is None:
            return []
        tried = throttle.begin(conn, keys, now)
    if tried.waits:
        minutes = -int(-tried.waits.total_seconds() // 60)
        return [f"Too many tries. Wait {minutes} minute{'s' if minutes != 1 else ''}."]
    if not passwords.is_right(user.password_hash, password):
        return ["The password that you have now is another one."]
    with engine.begin() as conn:
        throttle.clear(conn, keys)
    return []


def enter(conn: Connection, user: Any, how: str, agent: str, now: datetime) -> str:
    """Begins a session of a user who proved who they are; its cookie."""
    by, about = Actor(user.login, "page"), f"user {user.login}"
    audit.note(conn, by, "user.signed-in", about, now, {"by": how})
    store.forget_ended(conn, now - _KEPT)
    return begin(conn, user.id, agent, now)


def _fresh(user: Any, password: str) -> str | None:
    """The password kept anew, when it is kept as it was long ago."""
    return passwords.keep(password) if passwords.is_outdated(user.password_hash) else None


def _note_failure(conn: Connection, user: Any | None, then: timedelta, now: datetime) -> None:
    """A user's failures are few, because they have to wait. Logins that nobody has are without
    number and may be a mistyped password, so they get no line that stays for ever."""
    minutes = int(then.total_seconds() // 60)
    if user is None:
        log.warning("user.sign-in-failed", known=False, wait_minutes=minutes)
        return
    detail = {"wait_minutes": minutes} if minutes else {}
    audit.note(conn, _STRANGER, "user.sign-in-failed", f"user {user.login}", now, detail)


def offer(engine: Engine, user_id: int, now: datetime) -> str:
    """A secret that signs a user in once, within a day."""
    with engine.begin() as conn:
        return offer_in(conn, user_id, now)


def offer_in(conn: Connection, user_id: int, now: datetime) -> str:
    """The same in the caller's transaction."""
    secret = secrets.token_urlsafe(32)
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
        user = store.user(conn, seat.login)
        return enter(conn, user, "link", agent, now)


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


def revoke(engine: Engine, seat: Seat, digest: str, now: datetime) -> bool:
    """Ends another session of the same user; whether it stood."""
    with engine.begin() as conn:
        ended = store.revoke_own(conn, seat.user_id, digest, now)
        if ended:
            _note_revoked(conn, seat, 1, now)
    return ended


def revoke_others(engine: Engine, seat: Seat, now: datetime) -> int:
    """Ends every session and link of a user but the one they sit in; how many stood."""
    with engine.begin() as conn:
        ended = store.revoke_all(conn, seat.user_id, now, but=seat.digest)
        if ended:
            _note_revoked(conn, seat, ended, now)
    return ended


def _note_revoked(conn: Connection, seat: Seat, count: int, now: datetime) -> None:
    by, about = Actor(seat.login, "page"), f"user {seat.login}"
    audit.note(conn, by, "session.revoked", about, now, {"sessions": count})


def sign_out(engine: Engine, seat: Seat, now: datetime) -> None:
    """Ends a session."""
    with engine.begin() as conn:
        store.revoke(conn, seat.digest, now)
        audit.note(conn, Actor(seat.login, "page"), "user.signed-out", f"user {seat.login}", now)

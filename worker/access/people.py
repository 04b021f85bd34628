"""Users: added, changed, disabled. Each in a transaction with its line of the audit log."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Engine
from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from worker.access import audit, flow, passwords, store
from worker.access.audit import Actor
from worker.access.rules import PENDING, FaultsError, Role, pending
from worker.config.validation import UnfitError
from worker.config.values import mail_address
from worker.kernel.errors import FindingsError, did_you_mean
from worker.kernel.keys import digest

_LOGIN = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")
_LONGEST = 100
_OPEN = ("role", "staff")
"""What of a user may stand in the audit log as it is: it tells nothing about a person."""


class ChangedMeanwhileError(FindingsError):
    """Somebody else changed the user since the form was shown; ``now`` is how they are."""

    def __init__(self, now: Person) -> None:
        super().__init__("Somebody changed this user meanwhile. Nothing of yours was kept.")
        self.now = now


class Person(NamedTuple):
    """What people say of a user. ``openid`` is the address that may sign in by OpenID Connect."""

    login: str
    name: str
    role: str
    staff: str = ""
    email: str = ""
    openid: str = ""

    @property
    def mark(self) -> str:
        """A fingerprint: a form brings back the one it was made from."""
        return digest("\n".join(self))


def person_of(row: Any) -> Person:
    """A row of users as people know it."""
    subject = row.subject or ""
    openid = subject.removeprefix(PENDING) if subject.startswith(PENDING) else ""
    return Person(row.login, row.name, row.role, row.staff or "", row.email or "", openid)


def subject_of(openid: str) -> str | None:
    """What stands for an address until its owner has signed in by OpenID Connect."""
    return pending(openid) if openid else None


def faults_of(person: Person) -> list[str]:
    """Everything that is wrong with a user, in sentences. Pure."""
    found = []
    if not _LOGIN.fullmatch(person.login):
        found.append(
            f"Login {person.login[:80]!r}: expected up to 64 small letters, digits and . _ @ + -, "
            "beginning with a letter or a digit."
        )
    if not person.name:
        found.append("Name: expected what colleagues call them.")
    for name, text in (("Name", person.name), ("Key of staff", person.staff)):
        if len(text) > _LONGEST or not text.isprintable():
            found.append(f"{name}: expected up to {_LONGEST} characters on one line.")
    if person.role not in list(Role):
        hint = did_you_mean(person.role, list(Role), otherwise=f"there are {', '.join(Role)}")
        found.append(f"Role {person.role!r} is none; {hint}")
    for text in dict.fromkeys((person.email, person.openid)):
        found += _faults_of_address(text)
    return found


def _faults_of_address(text: str) -> list[str]:
    try:
        mail_address(text or "nobody@example.com")
    except UnfitError as error:
        return [f"{text!r} is not {one.expected}; {one.hint}." for one in error.findings]
    return []


def add(engine: Engine, by: Actor, person: Person, password: str | None, now: datetime) -> int:
    """Adds a user; its id. Without a password they sign in by a link or by OpenID Connect.

    Raises ``FaultsError``.
    """
    person = _tidy(person)
    found = faults_of(person)
    if password is not None:
        found += passwords.faults(password, person.login)
    if found:
        raise FaultsError(found)
    values = _values(person) | {
        "login": person.login,
        "password_hash": None if password is None else passwords.keep(password),
        "subject": subject_of(person.openid),
    }
    try:
        with engine.begin() as conn:
            made = store.add_user(conn, values, now)
            detail = {"role": person.role, "staff": person.staff}
            audit.note(conn, by, "user.added", f"user {person.login}", now, detail)
    except IntegrityError:
        raise FaultsError([_taken(engine, person)]) from None
    return made


def change(
    engine: Engine,
    by: Actor,
    login: str,
    changes: Mapping[str, str],
    now: datetime,
    seen: str | None = None,
) -> Person:
    """Changes what people say of a user: fields of ``Person`` by name, without the login.

    ``seen`` is the mark of what the changes were made to. Raises ``FaultsError``,
    ``ChangedMeanwhileError``, and ``FindingsError`` when no admin would be left.
    """
    try:
        with engine.begin() as conn:
            admins = store.hold_admins(conn)
            row = found(conn, login)
            was = person_of(row)
            if seen is not None and seen != was.mark:
                raise ChangedMeanwhileError(was)
            person = _tidy(was._replace(**changes))
            if faults := faults_of(person):
                raise FaultsError(faults)
            if person.role != Role.ADMIN:
                _leave_an_admin(admins, row)
            _change(conn, by, row, was, person, now)
    except IntegrityError:
        raise FaultsError([f"Another user signs in as {changes.get('openid')}."]) from None
    return person


def _change(
    conn: Connection, by: Actor, row: Any, was: Person, person: Person, now: datetime
) -> None:
    values = _values(person)
    if person.openid != was.openid:
        values["subject"] = subject_of(person.openid)
    changed = [name for name in Person._fields if getattr(was, name) != getattr(person, name)]
    if not changed:
        return
    store.change_user(conn, row.id, values)
    detail: dict[str, Any] = {"changed": changed}
    detail |= {name: getattr(person, name) for name in changed if name in _OPEN}
    audit.note(conn, by, "user.changed", f"user {row.login}", now, detail)


def set_password(
    engine: Engine, by: Actor, login: str, password: str, now: datetime, keep: str = ""
) -> None:
    """Gives a user another password and ends their sessions, save that with the digest ``keep``.

    Raises ``FaultsError``.
    """
    if faults := passwords.faults(password, login.lower()):
        raise FaultsError(faults)
    kept = passwords.keep(password)
    with engine.begin() as conn:
        row = found(conn, login)
        store.change_user(conn, row.id, {"password_hash": kept})
        ended = store.revoke_all(conn, row.id, now, but=keep)
        detail = {"changed": ["password"], "sessions_ended": ended}
        audit.note(conn, by, "user.changed", f"user {row.login}", now, detail)


def disable(engine: Engine, by: Actor, login: str, now: datetime) -> bool:
    """Lets a user in no more and ends their sessions; whether they could sign in before.

    Raises ``FindingsError`` when no admin would be left.
    """
    with engine.begin() as conn:
        admins = store.hold_admins(conn)
        row = found(conn, login)
        if row.disabled_at is not None:
            return False
        _leave_an_admin(admins, row)
        store.change_user(conn, row.id, {"disabled_at": now})
        ended = store.revoke_all(conn, row.id, now)
        detail = {"sessions_ended": ended}
        audit.note(conn, by, "user.disabled", f"user {row.login}", now, detail)
    return True


def enable(engine: Engine, by: Actor, login: str, now: datetime) -> bool:
    """Lets a user in again; whether they were kept out. What they had open stays ended."""
    with engine.begin() as conn:
        row = found(conn, login)
        if row.disabled_at is None:
            return False
        store.revoke_all(conn, row.id, now)
        store.change_user(conn, row.id, {"disabled_at": None})
        audit.note(conn, by, "user.enabled", f"user {row.login}", now)
    return True


def offer_link(
    engine: Engine, by: Actor, login: str, now: datetime, *, forget_password: bool = False
) -> str:
    """A secret that signs a user in once, within a day. Whoever lost the password has it forgotten
    and chooses a new one behind the link."""
    with engine.begin() as conn:
        row = found(conn, login)
        if row.disabled_at is not None:
            raise FindingsError(f"User {row.login} is disabled; enable them first.")
        if forget_password:
            store.change_user(conn, row.id, {"password_hash": None})
        detail = {"password_forgotten": True} if forget_password else {}
        audit.note(conn, by, "user.link-made", f"user {row.login}", now, detail)
        return flow.offer_in(conn, row.id, now)


def end_sessions(engine: Engine, by: Actor, login: str, now: datetime) -> int:
    """Ends all sessions and links of a user; how many stood."""
    with engine.begin() as conn:
        row = found(conn, login)
        ended = store.revoke_all(conn, row.id, now)
        if ended:
            detail = {"sessions": ended}
            audit.note(conn, by, "session.revoked", f"user {row.login}", now, detail)
    return ended


def found(conn: Connection, login: str) -> Any:
    """The user of that login; raises ``FindingsError`` when there is none."""
    row = store.user(conn, login)
    if row is None:
        near = did_you_mean(login, [one.login for one in store.all_users(conn)])
        raise FindingsError(f"There is no user {login!r}; {near or 'see: perennial user list'}")
    return row


def _leave_an_admin(admins: set[int], row: Any) -> None:
    if admins == {row.id}:
        raise FindingsError(
            f"User {row.login} is the last admin who can sign in. Make somebody else an admin "
            "first. Nothing was changed."
        )


def _taken(engine: Engine, person: Person) -> str:
    with engine.connect() as conn:
        if store.user(conn, person.login) is not None:
            return f"There is a user {person.login} already."
    return f"Another user signs in as {person.openid}."


def _tidy(person: Person) -> Person:
    tidy = Person(*(text.strip() for text in person))
    return tidy._replace(login=tidy.login.lower(), openid=tidy.openid.lower())


def _values(person: Person) -> dict[str, Any]:
    return {
        "name": person.name,
        "role": person.role,
        "staff": person.staff or None,
        "email": person.email or None,
    }

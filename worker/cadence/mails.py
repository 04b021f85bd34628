"""Mails of the ledger with the licences that they speak of, and one that waits as it reads now."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.engine import Connection

from worker.cadence import asking, load, people_store, standing, store
from worker.cadence.letterhead import Letter, Letterhead, write
from worker.cadence.letters import context, managers, writer
from worker.cadence.library import Defaults, InForce, library_of
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, contacts, licences
from worker.channels.contract import Mail
from worker.db import bulk
from worker.kernel.errors import FindingsError
from worker.outbox import holds
from worker.outbox.records import SHOWN, STEP, messages
from worker.outbox.rules import DUE
from worker.schedules.model import SURVEYS
from worker.templating import mime
from worker.templating.context import Asked
from worker.templating.own import Own
from worker.templating.render import RenderError

_KEYS = ("mail_key", "day", "state", "reason", "address", "schedule", "step", "language", "subject")
_MOMENTS = ("created_at", "next_at", "accepted_at", "attempts")
_FIRST = 3


@dataclass(frozen=True, slots=True)
class Awaiting:
    """Mails of one step that wait for an approval: how many, about how many licences, the first
    addresses, and the key of one of them."""

    schedule: str
    step: str
    mails: int
    licences: int
    addresses: Sequence[str]
    example: str


def listed(conn: Connection, state: str | None, limit: int) -> list[dict[str, Any]]:
    """Mails, in ``state`` or all, the newest first; ``licences`` holds the keys of those in it."""
    query = select(
        *[messages.c[name] for name in (*_KEYS, *_MOMENTS)],
        accounts.c.key.label("account"),
        messages.c.provider_id,
    )
    query = query.outerjoin(contacts, contacts.c.id == messages.c.contact_id)
    query = query.outerjoin(accounts, accounts.c.id == contacts.c.account_id)
    query = query.where(SHOWN)
    if state:
        query = query.where(messages.c.state == state)
    rows = conn.execute(query.order_by(messages.c.id.desc()).limit(limit)).all()
    spoken = _licences(conn, [row.mail_key for row in rows])
    return [{**row._mapping, "licences": spoken[row.mail_key]} for row in rows]


def _licences(conn: Connection, mail_keys: Sequence[str]) -> dict[str, list[str]]:
    query = (
        select(steps.c.mail_key, licences.c.key)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .where(bulk.among(steps.c.mail_key, sorted(set(mail_keys))))
        .order_by(licences.c.key)
    )
    found: dict[str, list[str]] = defaultdict(list)
    for row in conn.execute(query):
        found[row.mail_key].append(row.key)
    return found


def awaiting(conn: Connection, schedules: Sequence[str], first: int = _FIRST) -> list[Awaiting]:
    """What an approval of these schedules, or of all, would let go, step by step, each with its
    ``first`` addresses."""
    found = []
    for group in holds.awaiting(conn, schedules):
        mine = holds.of_step(group.schedule, group.step)
        keys = select(messages.c.mail_key).where(mine)
        spoken = select(func.count()).select_from(steps).where(steps.c.mail_key.in_(keys))
        some = select(messages.c.address, messages.c.mail_key).where(mine)
        rows = conn.execute(some.order_by(messages.c.id).limit(first)).all()
        count = conn.execute(spoken).scalar_one()
        addresses = [row.address for row in rows]
        step = (group.schedule, group.step, group.mails, count, addresses, rows[0].mail_key)
        found.append(Awaiting(*step))
    return found


def next_due(conn: Connection) -> datetime | None:
    """The moment of the next step, or of the next try of a mail; nothing when none is known."""
    moments = [
        conn.execute(select(func.min(column)).where(column.is_not(None))).scalar_one()
        for column in (messages.c.next_at, walks.c.next_at)
    ]
    return min(filter(None, moments), default=None)


def as_it_would_go(
    conn: Connection, mail_key: str, letterhead: Letterhead, defaults: Defaults, now: datetime
) -> Mail:
    """A mail that waits, written as if it left now: with the licences, the contact and the applied
    templates of today. Of several copies, the first.

    Raises ``FindingsError`` when no such mail waits, or when it cannot be written.
    """
    copy = _waiting(conn, mail_key)
    rows = store.walks_of_mails(conn, [mail_key])
    inforce = library_of(conn).active(conn).get(copy.schedule)
    people = people_store.contacts_by_id(conn, [copy.contact_id] if copy.contact_id else [])
    template = _template(inforce, copy.step)
    if not rows or not people or inforce is None or template is None:
        raise FindingsError(
            f"The mail {mail_key} would not go: its licences, its contact or its step are gone"
        )
    told = Told(mail_key, copy.address, template, None)
    return written(conn, told, rows, people[0], inforce, Writing(letterhead, defaults, now))


@dataclass(frozen=True, slots=True)
class Writing:
    """What a mail is written with: in whose name, what counts for the mute, as at which moment."""

    letterhead: Letterhead
    defaults: Defaults
    now: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """Which mail, to which address, by which template; ``language``: the one it was sent in;
    ``own``: a person's words, where others shall be tried than those that stand."""

    mail_key: str
    address: str
    template: str
    language: str | None
    own: Own | None = None


def written(
    conn: Connection,
    told: Told,
    rows: Sequence[Any],
    contact: Any,
    inforce: InForce,
    writing: Writing,
) -> Mail:
    """A mail about these rows (walk_, licence_ and account_ columns, and ``step``) by the templates
    that a version pins; raises ``FindingsError`` when it cannot be written."""
    row = rows[0]
    staff = {person.key: person for person in people_store.staff_of(conn, managers([rows]))}
    today = load.line_of(inforce, row, writing.defaults).calendar.today(writing.now)
    asked = _asked(conn, told, rows, contact, inforce)
    person = writer(row, staff, writing.letterhead.view)
    built = context(person, contact, rows, inforce, today, asked)
    wanted = (told.language, contact.language, row.account_language, writing.defaults.language)
    letter = Letter(
        told.mail_key,
        mime.addressed(contact.name, told.address),
        told.template,
        tuple(filter(None, wanted)),
        own=_own(conn, rows) if told.own is None else told.own,
    )
    renderer = library_of(conn).renderer(conn, inforce.version_id)
    try:
        return write(renderer, writing.letterhead, letter, built(), writing.now)
    except RenderError as error:
        raise FindingsError(f"{told.template} cannot be written.", (error.problem,)) from error


def _asked(
    conn: Connection, told: Told, rows: Sequence[Any], contact: Any, inforce: InForce
) -> Asked | None:
    """The question of the mail, if it asks one; before it is decided, as its step will ask it."""
    if not told.template.startswith(SURVEYS):
        return None
    for one in reversed(asking.of_walks(conn, [row.walk_id for row in rows])):
        if one.contact_id == contact.id:
            reminder = one.mail_key != told.mail_key and asking.may_have_arrived(conn, one)
            return Asked(one.mail_key, one.promise, reminder)
    steps_ = inforce.schedule.steps
    step = next((one for one in steps_ if one.id == rows[0].step), None)
    promise = inforce.schedule.asking(step).keys.promise if step else "named"
    return Asked(told.mail_key, promise)


def _own(conn: Connection, rows: Sequence[Any]) -> Own:
    return standing.latest(standing.edits_of(conn, [row.walk_id for row in rows]), rows)


def _template(inforce: InForce | None, step: str) -> str | None:
    found = [one.template for one in inforce.schedule.steps if one.id == step] if inforce else []
    return found[0] if found else None


def waiting_letter(conn: Connection, mail_key: str) -> Any | None:
    """The mail that waits under this key, if it is a letter that no step sends."""
    mine = messages.c.mail_key == mail_key, messages.c.origin != STEP, SHOWN
    query = select(messages).where(*mine, messages.c.state == DUE).order_by(messages.c.id)
    return conn.execute(query).first()


def _waiting(conn: Connection, mail_key: str) -> Any:
    query = select(messages).where(messages.c.mail_key == mail_key).order_by(messages.c.id)
    rows = conn.execute(query).all()
    if not rows:
        raise FindingsError(f"There is no mail {mail_key!r}; keys stand in perennial outbox")
    for row in rows:
        if row.state == DUE:
            return row
    raise FindingsError(f"The mail {mail_key} does not wait: it is {rows[0].state}")

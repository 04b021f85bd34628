"""What else is the matter with a client that fell silent.

It is shown beside the orders and counts in no score: whoever calls should know of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import bindparam, exists, func, or_, select
from sqlalchemy.engine import Connection

from worker.cadence.records import happenings, steps
from worker.catalogue.records import contacts, suppressions
from worker.db import bulk
from worker.db.prepared import Prepared
from worker.desk.writing import count, day
from worker.outbox.records import messages
from worker.surveys.records import responses
from worker.surveys.rules import HUMAN
from worker.worklist.kinds import PROMISE
from worker.worklist.records import tasks

NOTICES_SINCE = timedelta(days=90)
ANSWERS_SINCE = timedelta(days=365)
_HEARD = ("clicked", "answered", "replied")
_TOLD = {
    "complaint": "called a mail of ours spam",
    "no-contact": "nobody left to write to",
    "undelivered": "a notice did not arrive",
}


class Sign(NamedTuple):
    """Something to know before the call: its words, how bad it is, and where more stands."""

    words: str
    tone: str
    where: str = ""


_OPEN = Prepared(
    select(*[tasks.c[name] for name in ("id", "account_id", "kind", "title", "due_on")])
    .where(bulk.listed(tasks.c.account_id), tasks.c.closed_at.is_(None))
    .where(or_(*[tasks.c.kind == kind for kind in (*_TOLD, PROMISE)]))
    .order_by(tasks.c.due_on, tasks.c.id)
)
_SILENT = Prepared(
    select(contacts.c.account_id, contacts.c.name, contacts.c.key, suppressions.c.reason)
    .outerjoin(suppressions, suppressions.c.address == contacts.c.email)
    .where(bulk.listed(contacts.c.account_id), contacts.c.role == "decision-maker")
    .where(or_(suppressions.c.reason.is_not(None), contacts.c.email.is_(None)))
    .order_by(contacts.c.account_id, contacts.c.id)
)
_heard = exists().where(
    steps.c.mail_key == messages.c.mail_key,
    happenings.c.walk_id == steps.c.walk_id,
    or_(*[happenings.c.what == what for what in _HEARD]),
)
_UNHEARD = Prepared(
    select(contacts.c.account_id, func.count(messages.c.id.distinct()).label("notices"))
    .join(messages, messages.c.address == contacts.c.email)
    .where(bulk.listed(contacts.c.account_id), messages.c.day > bindparam("since"))
    .where(messages.c.kind == "contractual", messages.c.accepted_at.is_not(None), ~_heard)
    .group_by(contacts.c.account_id)
)
_LOW = Prepared(
    select(*[responses.c[name] for name in ("id", "account_id", "score", "answered_on")])
    .where(bulk.listed(responses.c.account_id), responses.c.answered_on > bindparam("since"))
    .where(responses.c.vote == -1, responses.c.judged == HUMAN)
    .order_by(responses.c.account_id, responses.c.answered_on.desc(), responses.c.id)
)


def of(conn: Connection, account_ids: Sequence[int], today: date) -> Mapping[int, list[Sign]]:
    """What is known of these accounts, a query for each kind of sign."""
    found: dict[int, list[Sign]] = defaultdict(list)
    if account_ids:
        ids = sorted(set(account_ids))
        for ask in (_tasks, _deciders, _notices, _answers):
            for account, sign in ask(conn, ids, today):
                found[account].append(sign)
    return found


def _tasks(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Complaints and promises that are open."""
    for row in _OPEN.rows(conn, ids=ids):
        where = f"/worklist/{row.id}"
        if row.kind != PROMISE:
            yield row.account_id, Sign(_TOLD[row.kind], "bad", where)
            continue
        late = row.due_on is not None and row.due_on < today
        due = f", due {day(row.due_on)}" if row.due_on else ""
        words = f"{'a broken' if late else 'an open'} promise: {row.title}{due}"
        yield row.account_id, Sign(words, "bad" if late else "warn", where)


def _deciders(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Decision-makers whose mail comes back, or who have no address any more."""
    for row in _SILENT.rows(conn, ids=ids):
        who = row.name or row.key
        words = "mail comes back" if row.reason else "no address"
        yield row.account_id, Sign(f"decision-maker {who}: {words}", "bad")


def _notices(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Notices of the last three months that nobody clicked on or answered."""
    for account, notices in _UNHEARD.rows(conn, ids=ids, since=today - NOTICES_SINCE):
        yield account, Sign(f"{count(notices, 'notice')} without an answer", "warn")


def _answers(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Low answers to surveys in the last year."""
    for row in _LOW.rows(conn, ids=ids, since=today - ANSWERS_SINCE):
        words = f"answered {row.score} of 10 on {day(row.answered_on)}"
        yield row.account_id, Sign(words, "bad", f"/surveys/answers/{row.id}")

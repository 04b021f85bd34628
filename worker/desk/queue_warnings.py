"""What else is the matter with a client that fell silent.

It is shown beside the orders and counts in no score: whoever calls should know of it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple

from sqlalchemy import exists, func, select
from sqlalchemy.engine import Connection

from worker.cadence.records import happenings, steps
from worker.catalogue.records import contacts, suppressions
from worker.db import bulk
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
    c = tasks.c
    kinds = c.kind.in_([*_TOLD, PROMISE])
    query = select(c.id, c.account_id, c.kind, c.title, c.due_on)
    mine = (bulk.among(c.account_id, ids), c.closed_at.is_(None), kinds)
    for row in conn.execute(query.where(*mine).order_by(c.due_on, c.id)):
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
    c = contacts.c
    silent = suppressions.c.reason.is_not(None) | c.email.is_(None)
    query = (
        select(c.account_id, c.name, c.key, suppressions.c.reason)
        .outerjoin(suppressions, suppressions.c.address == c.email)
        .where(bulk.among(c.account_id, ids), c.role == "decision-maker", silent)
        .order_by(c.account_id, c.id)
    )
    for row in conn.execute(query):
        who = row.name or row.key
        words = "mail comes back" if row.reason else "no address"
        yield row.account_id, Sign(f"decision-maker {who}: {words}", "bad")


def _notices(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Notices of the last three months that nobody clicked on or answered."""
    c = contacts.c
    heard = exists().where(
        steps.c.mail_key == messages.c.mail_key,
        happenings.c.walk_id == steps.c.walk_id,
        happenings.c.what.in_(_HEARD),
    )
    query = (
        select(c.account_id, func.count(messages.c.id.distinct()))
        .join(messages, messages.c.address == c.email)
        .where(bulk.among(c.account_id, ids), messages.c.day > today - NOTICES_SINCE)
        .where(messages.c.kind == "contractual", messages.c.accepted_at.is_not(None), ~heard)
        .group_by(c.account_id)
    )
    for account, notices in conn.execute(query):
        yield account, Sign(f"{count(notices, 'notice')} without an answer", "warn")


def _answers(conn: Connection, ids: Sequence[int], today: date) -> Iterator[tuple[int, Sign]]:
    """Low answers to surveys in the last year."""
    c = responses.c
    query = (
        select(c.id, c.account_id, c.score, c.answered_on)
        .where(bulk.among(c.account_id, ids), c.answered_on > today - ANSWERS_SINCE)
        .where(c.vote == -1, c.judged == HUMAN)
        .order_by(c.account_id, c.answered_on.desc(), c.id)
    )
    for row in conn.execute(query):
        words = f"answered {row.score} of 10 on {day(row.answered_on)}"
        yield row.account_id, Sign(words, "bad", f"/surveys/answers/{row.id}")

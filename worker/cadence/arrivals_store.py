"""Queries about those who enter schedules whose walks have no licence. The cost is that of what is
new, not of the book."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from typing import Any

from sqlalchemy import BindParameter, bindparam, exists, func, select, update
from sqlalchemy.engine import Connection

from worker.cadence.records import ACCOUNT, ANSWER, walks
from worker.cadence.subjects import episodes, responses
from worker.catalogue.records import accounts, licences, terms
from worker.db import bulk
from worker.db.prepared import Prepared

_BEHIND = 10_000
"""So many numbers before the newest account that walks are looked at again: transactions side by
side commit in another order than they took their numbers."""

_STEM: BindParameter[Any] = bindparam("stem")
_PLACE = (
    accounts.c.timezone.label("account_timezone"),
    accounts.c.country.label("account_country"),
)
"""Where an account is, for its calendar."""
_FLAGGED = Prepared(
    select(
        *[episodes.c[name] for name in ("id", "account_id", "number", "flagged_on", "ended_on")],
        *_PLACE,
    )
    .join(accounts, accounts.c.id == episodes.c.account_id)
    .where(episodes.c.schedule == _STEM, ~episodes.c.entered)
    .order_by(episodes.c.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True, of=episodes)
)
_ENTERED = Prepared(update(episodes).where(bulk.listed(episodes.c.id)).values(entered=True))


def take_flagged(conn: Connection, stem: str, most: int) -> Sequence[Any]:
    """The episodes of a schedule that have not entered it, which have entered now: id, account_id,
    number, flagged_on, ended_on, account_timezone, account_country."""
    rows = _FLAGGED.rows(conn, stem=stem, most=most)
    if rows:
        _ENTERED.run(conn, ids=[row.id for row in rows])
    return rows


_mine = (walks.c.schedule == _STEM, walks.c.subject == ACCOUNT)
_NEWEST = Prepared(select(func.max(walks.c.account_id).label("id")).where(*_mine))
_UNREVIEWED = Prepared(
    select(accounts.c.id.label("account_id"), *_PLACE)
    .where(accounts.c.id > bindparam("after"))
    .where(~exists().where(*_mine, walks.c.subject_id == accounts.c.id))
    .order_by(accounts.c.id)
    .limit(bindparam("most"))
)


def unreviewed(conn: Connection, stem: str, most: int) -> Sequence[Any]:
    """Accounts that do not walk a schedule of reviews: account_id, account_timezone,
    account_country."""
    newest = _NEWEST.scalars(conn, stem=stem)[0] or 0
    return _UNREVIEWED.rows(conn, stem=stem, after=newest - _BEHIND, most=most)


_KNOWN_SINCE = Prepared(
    select(licences.c.account_id, func.min(terms.c.starts_on).label("day"))
    .join(terms, terms.c.licence_id == licences.c.id)
    .where(bulk.listed(licences.c.account_id), terms.c.starts_on.is_not(None))
    .group_by(licences.c.account_id)
)


def known_since(conn: Connection, account_ids: Sequence[int]) -> dict[int, date]:
    """The first day of the first known term of these accounts; those without one are left out."""
    rows = _KNOWN_SINCE.rows(conn, ids=list(account_ids)) if account_ids else []
    return {row.account_id: row.day for row in rows}


_REVIEWS = Prepared(
    select(
        walks.c.account_id,
        func.min(walks.c.anchor_on).label("first"),
        func.max(walks.c.cycle).label("last"),
    )
    .where(bulk.listed(walks.c.account_id), walks.c.account_id.is_not(None), *_mine)
    .group_by(walks.c.account_id)
)


def reviews(conn: Connection, stem: str, account_ids: Sequence[int]) -> dict[int, tuple[date, int]]:
    """The day of the first review of each of these accounts, and the number of its last."""
    rows = _REVIEWS.rows(conn, ids=list(account_ids), stem=stem)
    return {row.account_id: (row.first, row.last) for row in rows}


_UNHEARD = Prepared(
    select(*[responses.c[name] for name in ("id", "account_id", "answered_on", "source")], *_PLACE)
    .join(accounts, accounts.c.id == responses.c.account_id)
    .where(responses.c.answered_on >= bindparam("since"), responses.c.judged == "human")
    .where(responses.c.account_id.is_not(None))
    .where(
        ~exists().where(
            walks.c.schedule == _STEM,
            walks.c.subject == ANSWER,
            walks.c.subject_id == responses.c.id,
        )
    )
    .order_by(responses.c.answered_on, responses.c.id)
    .limit(bindparam("most"))
)


def unheard_answers(conn: Connection, stem: str, since: date, most: int) -> Sequence[Any]:
    """Answers of the days from ``since`` on, named to an account, that do not walk a schedule: id,
    account_id, answered_on, source, account_timezone, account_country."""
    return _UNHEARD.rows(conn, stem=stem, since=since, most=most)


_HEARD = Prepared(
    select(walks.c.account_id, func.count().label("walks"))
    .where(bulk.listed(walks.c.account_id), walks.c.account_id.is_not(None))
    .where(walks.c.schedule == _STEM, walks.c.subject == ANSWER)
    .group_by(walks.c.account_id)
)


def answers_heard(conn: Connection, stem: str, account_ids: Collection[int]) -> dict[int, int]:
    """How many answers of each of these accounts walk a schedule."""
    rows = _HEARD.rows(conn, ids=sorted(account_ids), stem=stem) if account_ids else []
    return {row.account_id: row.walks for row in rows}

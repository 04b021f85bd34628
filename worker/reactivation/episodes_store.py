"""Queries on episodes. Nothing here commits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, order_days
from worker.db import bulk
from worker.reactivation.flagging import WEEK, Candidate, Standing, Thresholds
from worker.reactivation.records import episode_lines, episodes, score_runs, scores


def last_run(conn: Connection) -> date | None:
    """The day of the latest scores."""
    found: date | None = conn.execute(select(func.max(score_runs.c.as_of))).scalar()
    return found


def candidates(conn: Connection, as_of: date, by: Thresholds) -> Iterator[Candidate]:
    """The accounts with such a score on that day, those to call first on top."""
    c = scores.c
    wanted = (
        select(c.account_id, accounts.c.account_manager, c.lane, c.score, c.at_stake)
        .join(accounts, accounts.c.id == c.account_id)
        .where(c.as_of == as_of, c.score >= by.at_least_score, c.lane.in_(by.taken))
        .order_by(c.place)
    )
    for row in conn.execute(wanted.execution_options(yield_per=5000)):
        yield Candidate._make(row)


def standing(conn: Connection, stem: str, as_of: date, today: date) -> Standing:
    """What stands in the way of flagging accounts today."""
    return Standing(
        frozenset(conn.scalars(select(episodes.c.account_id).where(episodes.c.ended_on.is_(None)))),
        frozenset(conn.scalars(_ordered_since(as_of, today))),
        *_last_ended(conn),
        _given_lately(conn, stem, today),
    )


def _ordered_since(as_of: date, today: date) -> Any:
    """Accounts with an order after the last day that the score knew: a few days' worth."""
    c = order_days.c
    silent = select(scores.c.account_id).where(
        scores.c.as_of == as_of, scores.c.lane.is_not(None), scores.c.account_id == c.account_id
    )
    late = (c.day > as_of, c.day <= today, c.orders > 0)
    return select(c.account_id).where(*late, silent.exists()).distinct()


def _last_ended(conn: Connection) -> tuple[dict[int, date], dict[int, date]]:
    """When the last episode of each account ended, and until when a person let it rest."""
    c = episodes.c
    last = select(func.max(c.id)).where(c.ended_on.is_not(None)).group_by(c.account_id)
    rows = conn.execute(select(c.account_id, c.ended_on, c.rests_until).where(c.id.in_(last))).all()
    ended = {row.account_id: row.ended_on for row in rows}
    return ended, {row.account_id: row.rests_until for row in rows if row.rests_until}


def _given_lately(conn: Connection, stem: str, today: date) -> dict[str | None, int]:
    wanted = (
        select(accounts.c.account_manager, func.count())
        .join(episodes, episodes.c.account_id == accounts.c.id)
        .where(episodes.c.schedule == stem, episodes.c.flagged_on > today - WEEK)
        .group_by(accounts.c.account_manager)
    )
    return {row[0]: row[1] for row in conn.execute(wanted)}


def scored(conn: Connection, as_of: date, account_ids: Sequence[int]) -> dict[int, Row[Any]]:
    """The scores of these accounts on that day, with their accounts' keys."""
    found: dict[int, Row[Any]] = {}
    for some in bulk.chunks(account_ids):
        wanted = (
            select(scores, accounts.c.key.label("account_key"))
            .join(accounts, accounts.c.id == scores.c.account_id)
            .where(scores.c.as_of == as_of, bulk.among(scores.c.account_id, some))
        )
        found.update((row.account_id, row) for row in conn.execute(wanted))
    return found


def mean_stakes(conn: Connection, as_of: date) -> dict[str, float]:
    """What a mean client of each currency buys in a year."""
    c = scores.c
    wanted = select(c.currency, func.sum(c.at_stake), func.count()).where(c.as_of == as_of)
    rows = conn.execute(wanted.group_by(c.currency))
    return {row[0]: float(row[1]) / row[2] for row in rows}


def last_numbers(conn: Connection, stem: str, account_ids: Sequence[int]) -> dict[int, int]:
    """The number of the last episode of each of these accounts in a schedule."""
    c = episodes.c
    found: dict[int, int] = {}
    for some in bulk.chunks(account_ids):
        wanted = select(c.account_id, func.max(c.number)).group_by(c.account_id)
        mine = (c.schedule == stem, bulk.among(c.account_id, some))
        found.update((row[0], row[1]) for row in conn.execute(wanted.where(*mine)))
    return found


def add(conn: Connection, rows: Sequence[dict[str, Any]], lines: dict[int, list[str]]) -> None:
    """Adds episodes, and the product lines of each account's; what another process added at the
    same moment is left as it is."""
    if not rows:
        return
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    adding = dialect.insert(episodes).on_conflict_do_nothing()
    added = conn.execute(adding.returning(episodes.c.id, episodes.c.account_id), rows)
    told = [
        {"product_line": line, "episode_id": id_}
        for id_, account in added
        for line in lines[account]
    ]
    if told:
        conn.execute(insert(episode_lines), told)

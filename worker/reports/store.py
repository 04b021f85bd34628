"""Queries of the reports: each counts inside the database and gives back sums."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Connection,
    Date,
    Float,
    FromClause,
    Integer,
    Select,
    Text,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from worker.cadence.records import steps, walks
from worker.catalogue.records import accounts, licences, terms
from worker.catalogue.rules import UNKNOWN_LENGTH_DAYS
from worker.db.dates import Day, Days
from worker.kernel.dates import Period
from worker.outbox.records import messages
from worker.reports.cohort import (
    BY_TERM,
    NO_CURRENCY,
    Asked,
    closed_on,
    cohort_of,
    due,
    flag,
    following,
    group_of,
    renewed,
    today_cents,
    walked,
)

_CELL = ("grp", "currency", "outcome", "late", "known", "covered", "seen")
_MONTH_DAYS = literal_column("30.4375", Float)  # 365.25 / 12
_NOT_OUT = ("failed", "blocked", "skipped", "suppressed", "superseded")


def span(conn: Connection) -> Period | None:
    """From the first day to the last on which any term is due; nothing in an empty book."""
    first, last = conn.execute(
        select(func.min(terms.c.expires_on), func.max(terms.c.expires_on))
    ).one()
    return Period(first, last) if first else None


def renewals(conn: Connection, asked: Asked) -> list[Any]:
    """What became of the terms due in the period, in one statement.

    Rows of kind ``cell`` count ``terms`` that are alike in ``_CELL``; ``valued`` of them have an
    amount, which sums to ``cents``, and its square to ``squares``. Rows of kind ``group`` and
    ``all`` count accounts: ``terms`` of them had a term due, ``valued`` renewed at least one.
    """
    cohort = cohort_of(asked).cte("cohort")
    cents = cast(cohort.c.cents, Float)
    cells = select(
        literal("cell").label("kind"),
        *[cohort.c[name] for name in _CELL],
        func.count().label("terms"),
        func.sum(cohort.c.valued).label("valued"),
        func.sum(cohort.c.cents).label("cents"),
        func.sum(cents * cents).label("squares"),
    ).group_by(*[cohort.c[name] for name in _CELL])
    parts = [cells, _accounts(cohort, "all", literal(""))]
    if asked.by is not None:
        parts.append(_accounts(cohort, "group", cohort.c.grp))
    return list(conn.execute(union_all(*parts)))


def _accounts(cohort: CTE, kind: str, group: ColumnElement[Any]) -> Select[Any]:
    renewed = func.max(flag(cohort.c.outcome == "renewed")).label("renewed")
    each = select(group.label("grp"), renewed).group_by(cohort.c.account_id)
    if kind == "group":
        each = each.group_by(cohort.c.grp)
    one = each.subquery(f"of_{kind}")
    empty = (Text, Text, Integer, Integer, Integer, Integer)
    columns: list[ColumnElement[Any]] = [
        literal(kind),
        one.c.grp,
        *[cast(null(), type_) for type_ in empty],
        func.count(),
        func.sum(one.c.renewed),
        cast(null(), BigInteger),
        cast(null(), Float),
    ]
    return select(*columns).group_by(one.c.grp)


# --- the base: what was in force when the period began, and after its end ---


def base(conn: Connection, asked: Asked, by: str | None) -> list[Any]:
    """Yearly value by account, at the start of the period and after its end, as sums.

    A row for each group and currency: ``accounts`` that had value at the start, of which ``kept``
    still have some; ``start``, ``least`` (of start and end) and ``end`` in cents, and ``squares``
    of the start. Reads the terms in force: its cost is that of the book.
    """
    each = _yearly_by_account(asked, by).subquery("each")
    least = case((each.c.end < each.c.start, each.c.end), else_=each.c.start)
    start = cast(each.c.start, Float)
    return list(
        conn.execute(
            select(
                each.c.grp,
                each.c.currency,
                func.count().label("accounts"),
                func.sum(flag(each.c.end > 0)).label("kept"),
                func.sum(each.c.start).label("start"),
                func.sum(least).label("least"),
                func.sum(each.c.end).label("end"),
                func.sum(start * start).label("squares"),
            )
            .where(each.c.start > 0)
            .group_by(each.c.grp, each.c.currency)
            .order_by(each.c.grp, each.c.currency)
        )
    )


def _yearly_by_account(asked: Asked, by: str | None) -> Select[Any]:
    first, after = asked.period.first, asked.period.last + timedelta(days=1)
    yearly = yearly_cents()
    before, behind = (case((_in_force(day), yearly), else_=0) for day in (first, after))
    return (
        select(
            group_of(by).label("grp"),
            func.coalesce(licences.c.currency, NO_CURRENCY).label("currency"),
            func.sum(before).label("start"),
            func.sum(behind).label("end"),
        )
        .select_from(_held(by))
        .where(terms.c.expires_on > first, today_cents > 0)
        .group_by("grp", "currency", licences.c.account_id)  # by the names of the first two
    )


def _held(by: str | None) -> FromClause:
    held = terms.join(licences, licences.c.id == terms.c.licence_id)
    return held.join(accounts, accounts.c.id == licences.c.account_id) if by else held


def _in_force(day: date) -> ColumnElement[bool]:
    """A term runs from its start up to, not including, the day it expires on."""
    on = literal(day, Date)
    begun = or_(
        terms.c.starts_on <= on,
        and_(terms.c.starts_on.is_(None), Days(terms.c.expires_on, on) <= UNKNOWN_LENGTH_DAYS),
    )
    return and_(begun, terms.c.expires_on > on)


def yearly_cents() -> ColumnElement[Any]:
    """Today's amount of a licence by the year, in cents: times 12, by the whole months of the term
    that it is paid for."""
    days = func.coalesce(
        Days(licences.c.expires_on, licences.c.starts_on), UNKNOWN_LENGTH_DAYS, type_=Integer
    )
    months = func.round(days / _MONTH_DAYS)
    whole = case((months < 1, 1), else_=months)
    return cast(func.round(today_cents * literal_column("12.0") / whole), BigInteger)


# --- steps: renewed soon after, with and without ---


def step_effects(conn: Connection, asked: Asked) -> list[Any]:
    """For each schedule and step, and whether it ``went`` out: of ``terms`` not renewed when it
    fell due, how many were ``soon`` renewed, within the days asked for; ``offset`` sums its days
    from the expiry."""
    counted = steps_of(asked).subquery("counted")
    keys = [counted.c.schedule, counted.c.step, counted.c.went]
    sums = [func.sum(counted.c[name]).label(name) for name in ("soon", "offset")]
    query = select(*keys, func.count().label("terms"), *sums)
    return list(conn.execute(query.group_by(*keys)))


def steps_of(asked: Asked) -> Select[Any]:
    """A row for each step of a due term that may be compared."""
    after, found = following(asked.period), _stepped(asked).subquery("stepped")
    closed = Days(closed_on(after), found.c.on)
    soon = and_(renewed(after), closed.between(0, asked.within))
    at_risk = case((renewed(after), flag(closed >= 0)), else_=1) == 1
    went = or_(found.c.decision == "sent", found.c.accepted == 1)
    return (
        select(
            found.c.schedule,
            found.c.step,
            flag(went).label("went"),
            flag(soon).label("soon"),
            Days(found.c.due_on, terms.c.expires_on).label("offset"),
        )
        .select_from(
            found.join(terms, terms.c.id == found.c.term).outerjoin(
                after, after.c.after == found.c.term
            )
        )
        .where(
            or_(went, _did_not_go(found)),
            at_risk,
            Days(literal(asked.today, Date), found.c.on) >= asked.within,
        )
    )


def _stepped(asked: Asked) -> Select[Any]:
    """A row for each step of a due term, and one for a term without any, with the day ``on`` which
    it fell due and what became of its mails: whether one was ``accepted``, whether one was
    ``stopped``. Joined and grouped as ``told`` in ``cohort.py`` is."""
    accepted = flag(messages.c.accepted_at.is_not(None))
    stopped = flag(messages.c.state.in_(_NOT_OUT))
    names = ("step", "decision", "reason", "due_on")
    return (
        select(
            terms.c.id.label("term"),
            walks.c.schedule,
            *[steps.c[name] for name in names],
            Day(steps.c.at).label("on"),
            func.max(accepted).label("accepted"),
            func.max(stopped).label("stopped"),
        )
        .select_from(
            terms.outerjoin(walks, walked)
            .outerjoin(steps, steps.c.walk_id == walks.c.id)
            .outerjoin(messages, messages.c.mail_key == steps.c.mail_key)
        )
        .where(due(asked.period))
        .group_by(*BY_TERM, walks.c.id, steps.c.id)
    )


def _did_not_go(found: FromClause) -> ColumnElement[bool]:
    """The step was passed over or its mail came to another end. Not counted: what still waits,
    what was cancelled because the licence was settled, what was history when first seen."""
    passed = and_(
        found.c.decision.not_in(("sent", "waiting", "cancelled")),
        func.coalesce(found.c.reason, "") != "history",
    )
    return or_(passed, and_(found.c.decision == "waiting", found.c.stopped == 1))

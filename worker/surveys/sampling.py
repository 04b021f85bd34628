"""From whom answers could have come: how many were asked, how many there are, and whether each of
them answered once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, FromClause, Text, case, func, literal, select, union_all
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts, contacts
from worker.surveys import rules
from worker.surveys.counting import MONTH, OF_ACCOUNT, Asked, counted, month_of, of_account
from worker.surveys.records import invitations, responses


def asked_of(conn: Connection, asked: Asked) -> dict[str | None, tuple[int, int]]:
    """By group: how many were asked in the period, and how many of those have answered."""
    source: FromClause = invitations
    group: ColumnElement[Any] = literal("", Text)
    if asked.by in OF_ACCOUNT and asked.by:
        source = invitations.join(accounts, accounts.c.id == invitations.c.account_id)
        group = of_account(asked.by)
    elif asked.by == MONTH:
        group = invitations.c.asked_on
    elif asked.by:
        group = func.coalesce(invitations.c[asked.by], "")
    mine: list[ColumnElement[bool]] = [
        invitations.c.asked_on.between(asked.period.first, asked.period.last)
    ]
    if asked.schedule:
        mine.append(invitations.c.schedule == asked.schedule)
    answered = func.sum(case((invitations.c.answered, 1), else_=0))
    query = select(group.label("grp"), func.count(), answered).select_from(source).where(*mine)
    found: dict[str | None, tuple[int, int]] = {}
    for told, count, back in conn.execute(query.group_by("grp")):
        name = month_of(told) if asked.by == MONTH else told
        sent, have = found.get(name, (0, 0))
        found[name] = sent + count, have + int(back)
    return found


def population(conn: Connection, by: str | None) -> dict[str | None, tuple[int, int]]:
    """By group: contacts and accounts of the book as it is today; of a group that the book does not
    know (a product, a schedule, a month), none."""
    if by not in (None, "segment", "role", *OF_ACCOUNT):
        return {}
    group: ColumnElement[Any] = literal("", Text)
    if by in OF_ACCOUNT and by:
        group = of_account(by)
    elif by == "segment":
        group = func.coalesce(accounts.c.segment, "")
    elif by == "role":
        group = func.coalesce(contacts.c.role, "")
    source = contacts.join(accounts, accounts.c.id == contacts.c.account_id)
    people = func.count(func.distinct(contacts.c.account_id))
    query = select(group.label("grp"), func.count(), people).select_from(source)
    return {row[0]: (row[1], row[2]) for row in conn.execute(query.group_by("grp"))}


def each_person_once(conn: Connection, asked: Asked) -> bool:
    """Whether every answer is known to be another person's: only then are they a sample of the
    contacts without repetition, whose size is a finite population's."""
    mine = counted(asked)
    named = select(responses.c.contact_id).where(responses.c.contact_id.is_not(None), *mine)
    asked_once = (
        select(invitations.c.contact_id)
        .select_from(responses.join(invitations, invitations.c.id == responses.c.invitation_id))
        .where(responses.c.promise == rules.CONFIDENTIAL, *mine)
    )
    people = union_all(named, asked_once).subquery("people")
    known = (
        select(people.c.contact_id).group_by(people.c.contact_id).having(func.count() > 1).limit(1)
    )
    unknown = select(responses.c.id).where(
        responses.c.contact_id.is_(None), responses.c.invitation_id.is_(None), *mine
    )
    return all(conn.execute(query.limit(1)).first() is None for query in (unknown, known))

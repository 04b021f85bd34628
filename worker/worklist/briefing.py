"""What the morning mail says, and when. Pure, but for reading what is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from sqlalchemy import func, or_, select
from sqlalchemy.engine import Connection

from worker.catalogue.records import accounts
from worker.db import bulk
from worker.worklist.kinds import PROMISE, kind_of
from worker.worklist.people import Colleague
from worker.worklist.records import task_history, tasks
from worker.worklist.rules import pools_of

NOON = time(12)
LEAST_WINDOW = timedelta(hours=1)
_SATURDAY = 5
_MOST = 200


@dataclass(frozen=True, slots=True)
class Contents:
    """What is one person's this morning. A task stands in one list only, the first that fits."""

    promises: Sequence[Any]
    overdue: Sequence[Any]
    today: Sequence[Any]
    new: Sequence[Any]
    waiting: int
    """Tasks that nobody has in this person's pools, and …"""
    waiting_new: int
    """… how many of them came since the last mail."""

    def is_worth_a_mail(self) -> bool:
        """Whether there is anything that this person does not know or has to do today."""
        return bool(self.promises or self.overdue or self.today or self.new or self.waiting_new)

    def counts(self) -> dict[str, int]:
        """How much of each, for the row of the mail."""
        lists = ("promises", "overdue", "today", "new")
        found = {name: len(getattr(self, name)) for name in lists}
        return found | {"waiting": self.waiting}


def morning_of(now: datetime, morning: str, zone: ZoneInfo) -> date | None:
    """The day whose mails may leave at this moment: Monday to Friday, from ``morning`` (``07:30``)
    to noon, or an hour longer where it is set later. ``None`` at all other times."""
    local = now.astimezone(zone)
    if not morning or local.weekday() >= _SATURDAY:
        return None
    first = datetime.combine(local.date(), time.fromisoformat(morning))
    last = max(datetime.combine(local.date(), NOON), first + LEAST_WINDOW)
    return local.date() if first <= local.replace(tzinfo=None) < last else None


def contents(conn: Connection, who: Colleague, today: date, since: datetime) -> Contents:
    """What is this person's this morning; new is what came ``since`` then."""
    mine = _mine(conn, who.key, today)
    given = _given(conn, [row.id for row in mine], since)
    promises = [row for row in mine if row.kind == PROMISE and row.due_on and row.due_on <= today]
    rest = [row for row in mine if row not in promises]
    overdue = [row for row in rest if row.due_on and row.due_on < today]
    due = [row for row in rest if row.due_on == today]
    new = [
        row
        for row in rest
        if row not in overdue and row not in due and (row.opened_at > since or row.id in given)
    ]
    return Contents(promises, overdue, due, new, *_waiting(conn, who, today, since))


def _awake(today: date) -> Any:
    return or_(tasks.c.snoozed_until.is_(None), tasks.c.snoozed_until <= today)


def _mine(conn: Connection, key: str, today: date) -> list[Any]:
    query = (
        select(tasks)
        .add_columns(accounts.c.name.label("account_name"))
        .outerjoin(accounts, accounts.c.id == tasks.c.account_id)
        .where(tasks.c.assignee == key, tasks.c.closed_at.is_(None), _awake(today))
        .order_by(tasks.c.due_on.nulls_last(), tasks.c.id)
    )
    return list(conn.execute(query.limit(_MOST)))


def _given(conn: Connection, ids: Sequence[int], since: datetime) -> set[int]:
    """Which of these somebody assigned since then."""
    lately = (task_history.c.what == "assigned", task_history.c.at > since)
    query = select(task_history.c.task_id).where(bulk.among(task_history.c.task_id, ids), *lately)
    return set(conn.execute(query).scalars())


def _waiting(conn: Connection, who: Colleague, today: date, since: datetime) -> tuple[int, int]:
    if who.role is None:
        return 0, 0
    free = (tasks.c.closed_at.is_(None), tasks.c.assignee.is_(None), _awake(today))
    query = select(func.count(), func.count().filter(tasks.c.opened_at > since))
    row = conn.execute(query.where(*free, tasks.c.pool.in_(pools_of(who.role)))).one()
    return row[0], row[1]


# --- its words ---


@dataclass(frozen=True, slots=True)
class Written:
    """The words of a morning mail."""

    subject: str
    text: str
    html: str
    language: str = "en"


@cache
def _environment() -> Environment:
    made = Environment(
        loader=PackageLoader("worker.worklist", "mails"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["day"] = lambda value: f"{value:%a %-d %b %Y}"
    made.globals["kind_of"] = kind_of
    return made


def write(who: Colleague, found: Contents, day: date, base_url: str) -> Written:
    """The mail of a day to one person; links lead to ``base_url``."""
    values = {"who": who, "found": found, "day": day, "base_url": base_url, "groups": groups(found)}
    text, html = (
        _environment().get_template(f"morning.{end}").render(values) for end in ("txt", "html")
    )
    return Written(_subject(found, day), text, html)


def groups(found: Contents) -> list[tuple[str, Sequence[Any]]]:
    """The lists that hold anything, each under its heading."""
    named = (
        ("Promises that are due", found.promises),
        ("Overdue", found.overdue),
        ("Due today", found.today),
        ("New", found.new),
    )
    return [(name, rows) for name, rows in named if rows]


def _subject(found: Contents, day: date) -> str:
    parts = [
        f"{len(rows)} {word}"
        for word, rows in (
            ("promised", found.promises),
            ("overdue", found.overdue),
            ("due today", found.today),
            ("new", found.new),
        )
        if rows
    ]
    if not parts:
        parts = [f"{found.waiting_new} new for your role"]
    return f"{day:%a %-d %b}: {', '.join(parts)}"

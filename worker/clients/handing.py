"""From answers to work for our people: tasks, and the stops that wait for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence.library import Defaults
from worker.catalogue import stops
from worker.clients import store, tasks
from worker.clients.rules import STOPPING, Given, Item
from worker.kernel.dates import zone
from worker.schedules.calendar import Calendar
from worker.schedules.model import CalendarSpec, Span
from worker.worklist import store as worklist

ANSWER_WITHIN = Span(2, "business days")
"""How soon somebody is to act on an answer, in working days of the account's country."""
_ANEW = "answered anew"


def over(
    conn: Connection,
    mine: tuple[str, int],
    fresh: Sequence[Item],
    defaults: Defaults,
    now: datetime,
) -> None:
    """One open task for each mail and person with the answers that count, and stops where the
    client waits for us. Answers that were replaced leave the tasks that held them.

    ``mine`` is the mail and the person that answered just now, ``fresh`` the licences as they were
    before.
    """
    touched = {(one.given.mail_key, one.given.contact_id) for one in fresh if one.given}
    for mail_key, contact_id in sorted(touched | {mine}):
        key = tasks.key_of(mail_key, contact_id)
        was_open = worklist.close(conn, key, _ANEW, now)
        if was_open or (mail_key, contact_id) == mine:
            _open_task(conn, mail_key, contact_id, defaults, now)


def _open_task(
    conn: Connection, mail_key: str, contact_id: int, defaults: Defaults, now: datetime
) -> None:
    counting = _counting(conn, mail_key, contact_id)
    rows = store.licences_by_id(conn, sorted(counting))
    if not rows:
        return
    key, row = tasks.key_of(mail_key, contact_id), rows[0]
    person = store.letter(conn, mail_key, contact_id)
    who = tasks.Person(person.contact_name, person.contact_email) if person else None
    abouts = [_about(one, counting[one.id]) for one in rows]
    new = worklist.NewTask(
        key=key,
        kind=tasks.KIND,
        title=tasks.title(row.account_name, abouts),
        detail=tasks.detail(who, abouts, max(given.at for given in counting.values())),
        account_id=row.account_id,
        licence_id=row.id if len(rows) == 1 else None,
        assignee=row.account_renewal_manager or row.account_account_manager,
        due_on=_due_on(row, counting.values(), defaults, now),
    )
    worklist.open_tasks(conn, [new], now)
    waiting = [one.id for one in rows if counting[one.id].kind in STOPPING]
    if waiting:
        stops.put(conn, "licence", waiting, "answered", None, now, made_by="client", task_key=key)


def impersonal(conn: Connection, mail_key: str, contact_id: int) -> str | None:
    """What the task of a person's answers says when the person is left out."""
    counting = _counting(conn, mail_key, contact_id)
    rows = store.licences_by_id(conn, sorted(counting))
    if not rows:
        return None
    abouts = [_about(row, counting[row.id]) for row in rows]
    return tasks.detail(None, abouts, max(given.at for given in counting.values()))


def _counting(conn: Connection, mail_key: str, contact_id: int) -> dict[int, Given]:
    """The answers to this mail by this person that still count, by licence id."""
    terms = store.answered_in(conn, mail_key, contact_id)
    given = store.given(conn, sorted({licence_id for licence_id, _ in terms}))
    return {
        licence_id: given[licence_id, cycle]
        for licence_id, cycle in terms
        if (given[licence_id, cycle].mail_key, given[licence_id, cycle].contact_id)
        == (mail_key, contact_id)
    }


def _about(row: Row[Any], given: Given) -> tasks.About:
    price = f"{row.amount} {row.currency or ''}".strip() if row.amount is not None else ""
    return tasks.About(row.key, row.product, row.expires_on, price, (given.kind, given.detail))


def _due_on(row: Row[Any], given: Iterable[Given], defaults: Defaults, now: datetime) -> date:
    """The last day to act: that of the reminder where nothing else was asked for."""
    days = [date.fromisoformat(one.detail["until"]) for one in given if one.kind == "remind"]
    if len(days) == len(list(given)):
        return min(days)
    country = row.account_country or defaults.country or None
    calendar = Calendar(CalendarSpec(), zone(row.account_timezone or defaults.timezone), country)
    return calendar.add_span(calendar.today(now), ANSWER_WITHIN)

"""One account: its whole story on one page, and the stops that people put and lift there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import answers, ladder, people_store
from worker.catalogue import stops
from worker.db.engine import reading
from worker.desk import account_orders, account_story, accounts_store
from worker.desk import account_store as store
from worker.desk.frame import READ, Desk, RefusedError, Sent, Visit, missing
from worker.desk.paging import address, place, placed
from worker.desk.story import Place
from worker.desk.writing import part

SOON = timedelta(days=90)
"""What expires by then counts as being at stake."""
MOST_LICENCES, MOST_TASKS = 25, 12
LONGEST_REASON = 500
SOURCES = store.PLANNED

SILENT: Mapping[str, str] = {
    "bounced": "mail to it comes back",
    "complained": "called a mail of ours spam",
    "stopped": "stopped by staff",
    "opt-out": "wants no offers; notices still go",
    "paused": "asked for a pause; notices still go",
}
"""Why a contact is not written to, in the words of the page."""


def mount(router: APIRouter, desk: Desk) -> None:
    """The page of an account."""
    viewer, renewals = desk.visit(Role.VIEWER), desk.sent(Role.RENEWALS)

    @router.api_route("/accounts/{key:path}", methods=READ)
    def account(key: str, asked: Visit = viewer, before: str = "", after: str = "") -> Response:
        return show(desk, asked, key, before, after)

    @router.post("/accounts/{key:path}/stop")
    def stop(key: str, asked: Sent = renewals) -> Response:
        today = desk.writing.local(asked.now).date()
        scope, _, subject = asked.one("about").partition(":")
        reason, until = asked.one("reason"), asked.one("until")
        with reading(desk.app.engine) as conn:
            row = found(conn, key)
            faults = [*_faults(reason, until, today), *_foreign(conn, row, scope, subject)]
            values = told(conn, desk, row, asked) if faults else {}
        if faults:
            typed = {"about": asked.one("about"), "reason": reason, "until": until}
            page = values | {"faults": faults, "typed": typed}
            return desk.page(asked, "account.html", 422, row=row, **page)
        last = date.fromisoformat(until) if until else None
        answers.stop(desk.app.engine, scope, subject, reason, last, asked.now, asked.by)
        return desk.see(asked, f"/accounts/{part(key)}", "It is stopped.")

    @router.post("/accounts/{key:path}/lift")
    def lift(key: str, asked: Sent = renewals) -> Response:
        scope, _, subject = asked.one("about").partition(":")
        with reading(desk.app.engine) as conn:
            row = found(conn, key)
            wrong = _foreign(conn, row, scope, subject)
        if wrong:
            raise RefusedError(422, "This could not be done", wrong[0])
        ended = answers.lift(desk.app.engine, scope, subject, asked.now, asked.by)
        said = "The stop is lifted." if ended else "It was not stopped any more."
        return desk.see(asked, f"/accounts/{part(key)}", said)


def show(desk: Desk, asked: Visit, key: str, before: str = "", after: str = "") -> Response:
    """The page of the account of that key, or, for htmx, what happened before a place of it."""
    with reading(desk.app.engine) as conn:
        row = found(conn, key)
        if before and asked.is_part:
            return desk.part(asked, "account_past.html", row=row, **_past(conn, row, before))
        values = told(conn, desk, row, asked, before, after)
    return desk.page(asked, "account.html", row=row, **values)


def found(conn: Connection, key: str) -> Any:
    """The account of that key; raises what becomes a page."""
    row = store.account(conn, key)
    if row is None:
        raise missing("such account")
    return row


def told(
    conn: Connection, desk: Desk, row: Any, asked: Visit, before: str = "", after: str = ""
) -> dict[str, Any]:
    """All that the page of an account says."""
    today = desk.writing.local(asked.now).date()
    where = placed(after, date, int)
    held = store.licences_of(conn, row.id, where, MOST_LICENCES + 1)
    shown = held[:MOST_LICENCES]
    path = f"/accounts/{part(row.key)}"
    more = place(shown[-1].expires_on, shown[-1].id) if len(held) > MOST_LICENCES else ""
    work = store.open_tasks(conn, row.id, MOST_TASKS + 1)
    standing = store.standing(conn, row.id, today)
    return {
        "today": today,
        "worth": store.worth(conn, row.id, today, SOON),
        "ordered": account_orders.ordered(conn, row.id, today),
        "licences": shown,
        "more_licences": f"{address(path, {'after': more})}#licences" if more else "",
        "is_first": not after,
        "contacts": reached(conn, row.id, today),
        "tasks": work[:MOST_TASKS],
        "more_tasks": len(work) > MOST_TASKS,
        "standing": standing,
        "stopped": {(one.scope, one.subject_id) for one in standing},
        "people": accounts_store.names_of_staff(conn, (row.account_manager, row.renewal_manager)),
        "ahead_days": account_story.AHEAD.days,
        "before": before,
        "faults": (),
        "typed": {},
        **_past(conn, row, before),
    }


def _past(conn: Connection, row: Any, before: str) -> dict[str, Any]:
    entries, last = account_story.past(conn, row.id, _place(before))
    older = place(last.at.isoformat(), last.source, last.id) if last else ""
    path = f"/accounts/{part(row.key)}"
    return {"past": entries, "older": address(path, {"before": older}) if older else ""}


def _place(text: str) -> Place | None:
    told = placed(text, str, int, int)
    if told is None:
        return None
    try:
        at = datetime.fromisoformat(told[0])
    except ValueError:
        at = None
    if at is None or at.tzinfo is None or told[1] >= SOURCES:
        raise RefusedError(400, "Not understood", "The address names no place in the story.")
    return Place(at, told[1], told[2])


def reached(conn: Connection, account_id: int, today: date) -> list[dict[str, Any]]:
    """The account's contacts, each with why it is not written to, if so: about contracts, and at
    all else."""
    people = people_store.contacts_of(conn, [account_id])
    standing = stops.standing_about(conn, "contact", [one.id for one in people])
    return [
        {
            "row": one,
            "language": one.language,
            "silent": ladder.why_silent(one, "contractual", standing, today),
            "quiet": ladder.why_silent(one, "commercial", standing, today),
            "words": SILENT,
        }
        for one in people
    ]


def _faults(reason: str, until: str, today: date) -> list[str]:
    wrong = []
    if not reason:
        wrong.append("Reason: say why, so that a colleague understands it.")
    if len(reason) > LONGEST_REASON:
        wrong.append(f"Reason: at most {LONGEST_REASON} signs; these are {len(reason)}.")
    if until:
        try:
            past = date.fromisoformat(until) < today
        except ValueError:
            wrong.append(f"Until: expected a day such as {today}, got {until!r}.")
        else:
            wrong += ["Until: that day is past; the stop would end before it begins."] * past
    return wrong


def _foreign(conn: Connection, row: Any, scope: str, subject: str) -> Sequence[str]:
    """What is wrong with whom a stop is about: it must be the account's own."""
    if "\0" not in subject and (
        (scope == "account" and subject == row.key)
        or (scope == "contact" and store.has_address(conn, row.id, subject))
        or (scope == "licence" and store.has_licence(conn, row.id, subject))
    ):
        return ()
    return ("What: choose the account, or a contact or licence of it.",)

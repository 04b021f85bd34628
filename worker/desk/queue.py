"""Clients that fell silent: whom to call first, what is at stake, why, what came of the calls."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import accounts_store, queue_warnings
from worker.desk import queue_picture as picture
from worker.desk import queue_store as store
from worker.desk.frame import READ, Desk, Visit
from worker.desk.paging import address, place, placed, tidy
from worker.desk.queue_store import ORDERS, STAKE, Wanted
from worker.desk.worklist import hand_of, may_claim, today_of
from worker.kernel import sheets
from worker.reactivation import precision
from worker.reactivation.calibration import Evidence
from worker.reactivation.closing import named
from worker.reactivation.lanes import LANES
from worker.reactivation.sentences import sentences
from worker.worklist import people, rules
from worker.worklist.kinds import DORMANT, kind_of

PAGE = 25
MOST_LINES = 6
"""So many product lines of an entry are drawn; the rest is counted."""
LANE_WORDS: Mapping[str, str] = {
    "just-overdue": "just overdue",
    "gone-quiet": "gone quiet",
    "buying-less": "buys less",
    "yearly": "yearly order missed",
}
_PATH = "/queue"
_SENTENCES = "en"  # pages for staff are English
Word = Annotated[str, Query(max_length=200)]


def mount(router: APIRouter, desk: Desk) -> None:
    """The list, and the same as a file for a spreadsheet."""
    sales = desk.visit(Role.SALES)

    @router.api_route(_PATH, methods=READ)
    def queue(asked: Visit = sales, after: Word = "") -> Response:
        filters, today = _filters(asked), today_of(desk, asked)
        wanted = _wanted(filters, today)
        with reading(desk.app.engine) as conn:
            rows = store.entries(conn, wanted, placed(after, float, int), PAGE + 1)
            values = _told(conn, rows[:PAGE], today)
            values |= {"stakes": store.stakes(conn), "measured": precision.measured(conn)}
            values |= {"people": people.colleagues(conn)}
            values |= {"segments": accounts_store.segments(conn)}
        values |= _controls(asked, filters, after, rows, wanted)
        return desk.page(asked, "queue.html", **values, today=today, **_tools(desk, asked, today))

    @router.api_route(f"{_PATH}.csv", methods=READ)
    def file(asked: Visit = sales) -> Response:
        filters, today = _filters(asked), today_of(desk, asked)
        with reading(desk.app.engine) as conn:
            rows = store.entries(conn, _wanted(filters, today), None, None)
        name = f"silent-clients-{today}.csv"
        headers = desk.headers() | {"Content-Disposition": f'attachment; filename="{name}"'}
        text = sheets.written([_line(row) for row in rows])
        return Response(text, media_type="text/csv; charset=utf-8", headers=headers)


def _filters(asked: Visit) -> dict[str, str]:
    """What the address asks for; what it may not ask for is left out."""
    query = asked.request.query_params
    found = {name: tidy(query.get(name, "")) for name in ("owner", "lane", "segment", "line")}
    by, tab = query.get("by", ""), query.get("tab", "")
    return found | {
        "lane": found["lane"] if found["lane"] in LANES else "",
        "by": by if by in ORDERS and by != STAKE else "",
        "tab": "resting" if tab == "resting" else "",
    }


def _wanted(filters: Mapping[str, str], today: date) -> Wanted:
    names = ("owner", "lane", "segment", "line")
    chosen = {name: filters[name] for name in names}
    return Wanted(today, filters["by"] or STAKE, resting=bool(filters["tab"]), **chosen)


def _controls(
    asked: Visit, filters: Mapping[str, str], after: str, rows: list[Any], wanted: Wanted
) -> dict[str, Any]:
    """Where the page's links lead."""
    older = ""
    if len(rows) > PAGE:
        last = rows[PAGE - 1]
        measure = last.relative_stake if wanted.by == STAKE else last.urgency
        older = address(_PATH, dict(filters) | {"after": place(float(measure), last.id)})
    return {
        "filters": filters,
        "filtered": any(filters[name] for name in ("owner", "lane", "segment", "line")),
        "older": older,
        "newer": address(_PATH, filters) if after else "",
        "here": address(_PATH, dict(filters) | {"after": after}),
        "link": lambda **other: address(_PATH, dict(filters) | other),
        "file": address(f"{_PATH}.csv", filters),
    }


def _told(conn: Connection, rows: list[Any], today: date) -> dict[str, Any]:
    """What the page says of the entries, by task or by account."""
    ids = [row.account_id for row in rows]
    return {
        "rows": rows,
        "sold": store.sold(conn, rows, today),
        "contacts": store.people(conn, ids),
        "signs": queue_warnings.of(conn, ids, today),
        "sentences": {row.id: sentence(row) for row in rows},
        "lines": sorted({line for row in rows for line in _names(row)}),
    }


def _tools(desk: Desk, asked: Visit, today: date) -> dict[str, Any]:
    """What the templates call."""
    hand, book = hand_of(asked), desk.app.settings.book
    calendar = rules.calendar_of(book.timezone, book.country)
    return {
        "kind": kind_of(DORMANT),
        "lanes": LANE_WORDS,
        "picture": picture,
        "most_lines": MOST_LINES,
        "most_contacts": store.MOST_CONTACTS,
        "nobody": store.NOBODY,
        "next_week": calendar.nth_open_day(today, 5, 1),
        "may_claim": lambda task: may_claim(hand, task),
        "may_work": lambda task: rules.may_work(hand, task),
    }


def sentence(row: Any) -> str:
    """Why a client is in the queue, in plain words."""
    evidence = row.facts.get("evidence")
    known = Evidence(*evidence) if evidence else None
    say = sentences(_SENTENCES)
    return say.whole(row.reasons, float(row.at_stake), row.currency, known)


def why(conn: Connection, task: Any) -> str:
    """The same of the client that a task is about; empty for tasks about anything else."""
    about = named(task.key) if task.kind == DORMANT else None
    row = store.episode(conn, about) if about else None
    return sentence(row) if row else ""


def _names(row: Any) -> list[str]:
    return [one["product_line"] for one in row.facts.get("product_lines", ())]


def _line(row: Any) -> dict[str, object]:
    """An entry as a row of a spreadsheet."""
    facts = row.facts
    lines = [f"{one['product_line']} -{one['drop']:.0%}" for one in facts.get("product_lines", ())]
    return {
        "account": row.account_key,
        "name": row.account_name,
        "segment": row.segment,
        "owner": row.assignee or row.pool,
        "lane": row.lane,
        "score": None if row.score is None else round(row.score, 4),
        "at_stake": row.at_stake,
        "currency": row.currency,
        "last_order_on": facts.get("last_order_on"),
        "usual_gap_days": facts.get("usual_gap_days"),
        "drop": facts.get("drop"),
        "product_lines": "; ".join(lines),
        "why": sentence(row),
        "flagged_on": row.flagged_on,
        "schedule": row.schedule,
        "task": row.id,
    }

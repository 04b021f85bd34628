"""The worklist: what is mine, what waits in my pools, what everybody has."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Response

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk.frame import READ, Desk, Visit
from worker.worklist import lists, people, rules
from worker.worklist.kinds import KINDS, kind_of
from worker.worklist.lists import TABS, Asked
from worker.worklist.rules import Hand

CLOSED_LATELY = timedelta(days=14)
_FILTERS = ("kind", "account", "assignee")

Word = Annotated[str, Query(max_length=200)]


def mount(router: APIRouter, desk: Desk) -> None:
    """The lists."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/worklist", methods=READ)
    def worklist(
        tab: Word = "",
        kind: Word = "",
        account: Word = "",
        assignee: Word = "",
        after: Word = "",
        asked: Visit = viewer,
    ) -> Response:
        tab = tab if tab in TABS else ("mine" if asked.seat.staff else "all")
        filters = {"kind": kind, "account": account.strip(), "assignee": assignee}
        wanted = asked_of(desk, asked, filters)
        with reading(desk.app.engine) as conn:
            page = lists.page(conn, tab, wanted, after)
            counts = lists.counts(conn, wanted)
            known = people.colleagues(conn)
        hand = hand_of(asked)
        values: dict[str, Any] = {
            "tab": tab,
            "tabs": [(name, label, _counted(counts[name])) for name, label in TABS.items()],
            "tasks": page.rows,
            "more": address(tab, filters, page.after) if page.after else "",
            "filters": filters,
            "link": lambda name: address(name, filters),
            "here": address(tab, filters, after),
            "people": known,
            "kinds": KINDS,
            "kind_of": kind_of,
            "may_claim": lambda task: may_claim(hand, task),
            "today": wanted.today,
        }
        return desk.page(asked, "worklist.html", **values)


def hand_of(asked: Visit) -> Hand:
    """Who acts on tasks behind this request."""
    return Hand(asked.by, asked.seat.role, asked.seat.staff)


def may_claim(hand: Hand, task: Any) -> bool:
    """Whether a button to claim is of use: what a full hand may have is told when it is pressed."""
    return task.closed_at is None and rules.against_claim(hand, task, 0, 1) is None


def today_of(desk: Desk, asked: Visit) -> date:
    """The civil day of the book."""
    return desk.writing.local(asked.now).date()


def asked_of(desk: Desk, asked: Visit, filters: Mapping[str, str]) -> Asked:
    """Whose worklist this is, and what of it is wanted."""
    return Asked(
        asked.seat.staff,
        rules.pools_of(asked.seat.role),
        today_of(desk, asked),
        asked.now - CLOSED_LATELY,
        **filters,
    )


def address(tab: str, filters: Mapping[str, str], after: str = "") -> str:
    """The address of a list, or of the page of it that begins after a place."""
    given = {"tab": tab, **{name: filters[name] for name in _FILTERS}, "after": after}
    return "/worklist?" + urlencode({name: value for name, value in given.items() if value})


def _counted(count: int) -> str:
    return f"{lists.COUNTED - 1}+" if count >= lists.COUNTED else str(count)

"""Clients that fell silent: why a schedule took them for it, and what became of each."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from worker.api import store
from worker.api.asking import Paged, Printable
from worker.api.frame import Asked, Frame
from worker.api.paging import Order, Wanted
from worker.api.shapes import Episode, Page
from worker.catalogue.records import accounts
from worker.db.engine import reading
from worker.reactivation.lanes import LANES
from worker.reactivation.records import episodes

_ORDER = Order([episodes.c.flagged_on, episodes.c.id], falling=True)


class Episodes(Paged):
    """Which episodes: all of them unless you say ``open`` or ``ended``."""

    state: Literal["open", "ended"] | None = None
    lane: Literal[LANES] | None = None  # type: ignore[valid-type]  # the words of the lanes
    account: Printable | None = None
    schedule: Printable | None = None


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations on episodes."""
    reader = frame.asked()

    @router.get("/episodes", response_model=Page[Episode], tags=["episodes"])
    def list_episodes(query: Annotated[Episodes, Query()], asked: Asked = reader) -> Response:
        """Clients that fell silent, those found last on top; one that fell silent twice comes
        twice."""
        c, rows = episodes.c, store.query_of(Episode, *_ORDER.columns)
        if query.state is not None:
            goes_on = c.ended_on.is_(None)
            rows = rows.where(goes_on if query.state == "open" else ~goes_on)
        for column, value in (
            (c.lane, query.lane),
            (accounts.c.key, query.account),
            (c.schedule, query.schedule),
        ):
            if value is not None:
                rows = rows.where(column == value)
        wanted = Wanted(asked.request.url.path, query.filters(), query.cursor, query.limit)
        with reading(asked.engine) as conn:
            page = wanted.page(conn, rows, _ORDER, lambda row: store.shaped(Episode, row))
        return frame.say(asked, page)

"""What was decided about a licence, and is to come: as ``perennial explain --json`` tells it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query, Response
from pydantic import Field
from sqlalchemy.engine import Connection

from worker.api import store
from worker.api.asking import Key, Paged
from worker.api.frame import Asked, Frame
from worker.api.paging import Wanted, cursor_of, place_of
from worker.api.problems import missing
from worker.api.shapes import Account, Decision, Licence, Page
from worker.cadence import explain as explaining
from worker.cadence.ahead import Forecasting
from worker.cadence.library import Defaults
from worker.cadence.quiet import quiet_of
from worker.db.engine import reading

MOST_LICENCES = 20
"""Each is explained with its arithmetic: a page of them takes about a second."""


class OfAccount(Paged):
    """Which of an account's licences: a page holds all decisions of up to ``limit`` of them."""

    limit: Annotated[int, Field(ge=1, le=MOST_LICENCES, description="licences a page")] = 10


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations that explain."""
    reader = frame.asked()

    @router.get("/licences/{key:path}/decisions", response_model=Page[Decision], tags=["decisions"])
    def decisions_of_licence(key: Key, asked: Asked = reader) -> Response:
        """Every step of a licence with its reason, past and to come."""
        forecasting = _forecasting(frame, asked)
        with reading(asked.engine) as conn:
            if store.id_of(conn, Licence, key) is None:
                raise missing(f"licence {key!r}")
            return frame.say(asked, {"items": _told(conn, forecasting, key), "next": None})

    @router.get("/accounts/{key:path}/decisions", response_model=Page[Decision], tags=["decisions"])
    def decisions_of_account(
        key: Key, query: Annotated[OfAccount, Query()], asked: Asked = reader
    ) -> Response:
        """The same for an account's licences, some of them at a time."""
        forecasting = _forecasting(frame, asked)
        wanted = Wanted(asked.request.url.path, {}, query.cursor, query.limit)
        with reading(asked.engine) as conn:
            account_id = store.id_of(conn, Account, key)
            if account_id is None:
                raise missing(f"account {key!r}")
            after = place_of(query.cursor, [str])[0] if query.cursor else ""
            keys = store.keys_of_licences(conn, account_id, after, query.limit + 1)
            some = keys[: query.limit]
            items = [one for each in some for one in _told(conn, forecasting, each)]
        following = wanted.link(cursor_of([some[-1]])) if len(keys) > len(some) else None
        return frame.say(asked, {"items": items, "next": following})


def _told(conn: Connection, asked: Forecasting, key: str) -> list[dict[str, Any]]:
    return [record.json() for record in explaining.explain(conn, asked, key).records]


def _forecasting(frame: Frame, asked: Asked) -> Forecasting:
    settings = frame.app.settings
    book, quiet = settings.book, quiet_of(settings.surveys)
    defaults = Defaults(book.timezone, book.language, book.country)
    return Forecasting(defaults, asked.now, allowance=settings.budget.per_contact, quiet=quiet)

"""``/v1/people``: listed; ``entering.py`` enters them."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy import ColumnElement
from sqlalchemy.engine import Connection

from worker.api.delighted import shapes, store
from worker.api.delighted.frame import Call, Door, add, missing, say
from worker.api.delighted.said import Said
from worker.api.paging import Order, cursor_of
from worker.catalogue.records import contacts
from worker.db.engine import reading

USUAL, MOST, LAST_PAGE = 20, 100, 1_000_000
_BY_KEY = Order([contacts.c.key])
_FILTERS = ("since", "until", "email", "person_id", "person_email")


def mount(router: APIRouter, door: Door) -> None:
    """The operations on people."""
    called = door.called()

    def listed(call: Call = called) -> Response:
        return persons_page(call, door)

    def read(identifier: str, call: Call = called) -> Response:
        with reading(call.engine) as conn:
            return say(shapes.person(known(conn, identifier)))

    add(router, "GET", "/people", listed)
    add(router, "GET", "/people/{identifier:path}", read)


def known(conn: Connection, identifier: str) -> Any:
    """The person with this id, or with ``email:…``; raises ``RefusedError`` (404)."""
    who = store.called(identifier)
    row = None if who is None else store.person(conn, who)
    if row is None:
        raise missing("person of that id or address")
    return row


def page_of(said: Said) -> tuple[int, int]:
    """Which page, of which size."""
    page, size = said.whole("page", 1, LAST_PAGE), said.whole("per_page", 1, MOST)
    return page or 1, size or USUAL


def persons_page(
    call: Call, door: Door, *where: ColumnElement[bool], member: bool = False
) -> Response:
    """A page of people, by key; the next one stands in a Link header, as long as there is one."""
    said = call.said
    size, cursor = page_of(said)[1], said.text("page_info", longest=4000)
    query = store.people().where(store.REACHABLE, *where, *_filters(said))
    said.check()
    with reading(call.engine) as conn:
        rows = conn.execute(_BY_KEY.after(query, cursor, size)).all()
        some = rows[:size]
        coming = store.next_request(conn, [row.id for row in some]) if member else {}
    told = [
        shapes.member(row, coming.get(row.id)) if member else shapes.person(row) for row in some
    ]
    headers = {}
    if len(rows) > size:
        query_: dict[str, Any] = {name: said.raw(name) for name in _FILTERS if name in said}
        query_ |= {"per_page": size, "page_info": cursor_of([some[-1].key])}
        headers["Link"] = door.link(call.request.url.path, query_)
    return say(told, headers=headers)


def _filters(said: Said) -> list[ColumnElement[bool]]:
    since, until = said.moment("since"), said.moment("until")
    found = [] if since is None else [contacts.c.updated_at >= since]
    if until is not None:
        found.append(contacts.c.updated_at <= until)
    for name in ("email", "person_email"):
        if (email := said.text(name)) is not None:
            found.append(contacts.c.email == email.lower())
    if (key := said.text("person_id")) is not None:
        found.append(contacts.c.key == key)
    return found

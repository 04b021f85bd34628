"""One box for everything: accounts, contacts, licences, tasks, mails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fastapi import APIRouter, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.db.engine import reading
from worker.desk import search_store as store
from worker.desk.frame import READ, Desk, Visit
from worker.desk.paging import tidy
from worker.desk.writing import part

LEAST, LONGEST = 2, 200
"""Signs from which on we look, and of which we take notice."""
KINDS = ("accounts", "contacts", "licences", "tasks", "mails")
_HIGHEST = 2**63


def mount(router: APIRouter, desk: Desk) -> None:
    """The page that finds."""
    viewer = desk.visit(Role.VIEWER)

    @router.api_route("/search", methods=READ)
    def search(asked: Visit = viewer, q: str = "") -> Response:
        text = tidy(q, LONGEST)
        with reading(desk.app.engine) as conn:
            groups = find(conn, text, asked.now) if len(text) >= LEAST else {}
        if asked.is_part:
            return desk.part(asked, "found.html", q=text, least=LEAST, **_values(groups))
        exact = straight(groups, text)
        if len(exact) == 1:
            return desk.see(asked, exact[0])
        return desk.page(asked, "search.html", q=text, least=LEAST, **_values(groups))

    @router.api_route("/search/words", methods=READ)
    def words(asked: Visit = viewer, q: str = "") -> Response:
        text = tidy(q, LONGEST)
        with reading(desk.app.engine) as conn:
            found = find_words(conn, text, asked.now) if len(text) >= LEAST else _NO_WORDS
        values: dict[str, Any] = {"q": text, "most": store.MOST, "words": found}
        if asked.is_part:
            return desk.part(asked, "worded.html", **values)
        return desk.page(asked, "search_words.html", **values)


_NO_WORDS: Mapping[str, Sequence[Any]] = {"tasks": (), "mails": ()}


def find_words(conn: Connection, text: str, now: datetime) -> dict[str, list[Any]]:
    """Open tasks and mails with the words of a text: many are read, so it is asked apart."""
    return {
        "tasks": store.tasks_worded(conn, text),
        "mails": store.mails_worded(conn, text, now),
    }


def find(conn: Connection, text: str, now: datetime) -> dict[str, list[Any]]:
    """What is found of each kind, at most ten; what is called exactly so comes first. ``#`` and a
    number is that task, and nothing else."""
    number = number_of(text)
    if number is not None and text.startswith("#"):
        return {"tasks": store.task_numbered(conn, number)}
    people = store.contacts_like(conn, text)
    return {
        "accounts": store.accounts_like(conn, text),
        "contacts": people,
        "licences": store.licences_like(conn, text),
        "tasks": store.task_numbered(conn, number) if number is not None else [],
        "mails": store.mails_to(conn, text, [one.email for one in people], now),
    }


def number_of(text: str) -> int | None:
    """The task that ``12`` or ``#12`` names."""
    digits = text.removeprefix("#")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 19:
        return None
    return int(digits) if int(digits) < _HIGHEST else None


def straight(groups: Mapping[str, Sequence[Any]], text: str) -> list[str]:
    """Where everything leads that is called exactly so: a key, an address, ``#`` and a number."""
    named = text.lower()
    found = [
        f"/accounts/{part(one.key)}" for one in groups.get("accounts", ()) if _is(one.key, named)
    ]
    found += [
        f"/licences/{part(one.key)}" for one in groups.get("licences", ()) if _is(one.key, named)
    ]
    found += [
        f"/accounts/{part(one.key)}" for one in groups.get("contacts", ()) if _is(one.email, named)
    ]
    if text.startswith("#"):
        number = number_of(text)
        found += [f"/worklist/{one.id}" for one in groups.get("tasks", ()) if one.id == number]
    return list(dict.fromkeys(found))


def _is(key: str | None, named: str) -> bool:
    return key is not None and key.lower() == named


def _values(groups: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    told = {kind: groups.get(kind, ()) for kind in KINDS}
    return {"groups": told, "nothing": not any(told.values()), "most": store.MOST}

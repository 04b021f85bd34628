"""The outbox: mails with their state, one mail as it was sent, and a word on those in doubt."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, get_args
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from sqlalchemy.engine import Connection

from worker.access.rules import Role
from worker.cadence import copies
from worker.cadence.commands import defaults_of, letterhead_of
from worker.cadence.posted import House
from worker.db.engine import reading
from worker.desk import outbox_store as store
from worker.desk.frame import READ, Desk, RefusedError, Sent, Visit, missing, strict
from worker.desk.mails import url_of
from worker.desk.outbox_store import Filters, Mark
from worker.kernel.clock import require_aware
from worker.kernel.errors import FindingsError
from worker.outbox import rules, settling, words
from worker.outbox.settling import Word

TABS = (
    ("", "All"),
    (store.TO_LEAVE, "To leave"),
    (store.HELD, "Waiting for a person"),
    (rules.UNKNOWN, "Not known whether sent"),
    (rules.BLOCKED, "Blocked"),
    (rules.FAILED, "Refused"),
)
_COUNTED = (store.HELD, rules.UNKNOWN, rules.BLOCKED)
STATES = (
    *(rules.DUE, rules.SENDING, rules.ACCEPTED, rules.UNKNOWN, rules.GIVEN_UP, rules.FAILED),
    *(rules.BLOCKED, rules.CANCELLED, "superseded", "skipped", "suppressed"),
    *(store.TO_LEAVE, store.HELD),
)


def mount(router: APIRouter, desk: Desk) -> None:
    """The list of mails, the page of one, its HTML alone, and the form that settles a doubt."""
    viewer, renewals = desk.visit(Role.VIEWER), desk.sent(Role.RENEWALS)

    @router.api_route("/outbox", methods=READ)
    def outbox(request: Request, asked: Visit = viewer) -> Response:
        fields = request.query_params
        chosen, faults = filters_of(fields)
        with reading(desk.app.engine) as conn:
            values = _list(conn, chosen, None if faults else _after(chosen, fields), asked.now)
        return desk.page(asked, "outbox.html", 422 if faults else 200, faults=faults, **values)

    @router.api_route("/outbox/{id_}", methods=READ)
    def mail(id_: int, asked: Visit = viewer) -> Response:
        with reading(desk.app.engine) as conn:
            values = _mail(conn, desk, id_, asked)
        return desk.page(asked, "outbox_mail.html", **values)

    @router.api_route("/outbox/{id_}/html", methods=READ)
    def html(id_: int, asked: Visit = viewer) -> Response:
        with reading(desk.app.engine) as conn:
            shown, why = _shown(conn, desk, _found(conn, id_), asked.now)
        if shown is None:
            raise RefusedError(404, "Nothing to show", why)
        return strict(shown.html)

    @router.post("/outbox/{id_}/settle")
    def settle(id_: int, sent: Sent = renewals) -> Response:
        with reading(desk.app.engine) as conn:
            copy = _found(conn, id_)
        word: Any = sent.one("word")
        if word not in get_args(Word):
            expected = ", ".join(get_args(Word))
            raise RefusedError(422, "Not understood", f"word: expected one of {expected}.")
        settling.settle(desk.app.engine, copy.mail_key, copy.address, word, sent.now, by=sent.by)
        return desk.see(sent, f"/outbox/{id_}", _SETTLED[word])


_SETTLED: Mapping[str, str] = {
    "sent": "Noted: it was sent.",
    "not-sent": "Noted: it was not sent. It is due again, and looked at once more before it goes.",
    "give-up": "Noted: it is given up, and not tried again.",
}


# --- the list ---


def filters_of(fields: Mapping[str, str]) -> tuple[Filters, list[str]]:
    """The filters of an address, and what is wrong with them."""
    faults: list[str] = []
    state = fields.get("state", "")
    if state and state not in STATES:
        faults.append(f"state: there is no {state!r}; there are {', '.join(STATES)}.")
        state = ""
    days: list[date | None] = []
    for name in ("first", "last"):
        text = fields.get(name, "")
        try:
            days.append(date.fromisoformat(text) if text else None)
        except ValueError:
            days.append(None)
            faults.append(f"{name}: expected a day such as 2027-03-31, got {text!r}.")
    if days[0] and days[1] and days[1] < days[0]:
        faults.append(f"The last day, {days[1]}, lies before the first, {days[0]}; swap them.")
    given = [fields.get(name, "").strip() for name in ("schedule", "step", "address")]
    return Filters(state, given[0], given[1], given[2].lower(), *days), faults


def _after(chosen: Filters, fields: Mapping[str, str]) -> Mark | None:
    """Where the page begins, as ``pager`` wrote it; what cannot be read begins at the top."""
    place, _, id_ = fields.get("after", "").partition("~")
    if not id_.isascii() or not id_.isdigit() or len(id_) > 18:
        return None
    try:
        if chosen.state == store.TO_LEAVE:
            return Mark(require_aware(datetime.fromisoformat(place)), int(id_))
        return Mark(date.fromisoformat(place), int(id_))
    except ValueError:
        return None


def _list(conn: Connection, chosen: Filters, after: Mark | None, now: datetime) -> dict[str, Any]:
    found = store.listed(conn, chosen, after)
    rows, more = found[: store.MOST], len(found) > store.MOST
    keys = [row.mail_key for row in rows]
    doubtful = chosen.state == rules.UNKNOWN
    return {
        "rows": rows,
        "licences": store.spoken_of(conn, keys) if rows else {},
        "tellings": store.tellings(conn, keys) if doubtful and rows else {},
        "older": _more(chosen, rows[-1]) if more else "",
        "is_first": after is None,
        "chosen": chosen,
        "tabs": [(state, name, _url(Filters(state))) for state, name in TABS],
        "counts": {state: store.count(conn, state) for state in _COUNTED},
        "most": store.COUNTED,
        "schedules": store.schedules(conn),
        "states": STATES,
        "top": _url(chosen),
        "tones": words.TONES,
        "ages": {row.id: age(now - row.unknown_since) for row in rows if row.unknown_since},
    }


def age(span: Any) -> str:
    """How long something has lasted: ``3 days``, ``2 h 5 min``."""
    minutes = max(0, int(span.total_seconds() // 60))
    hours, days = minutes // 60, minutes // 1440
    if days >= 2:
        return f"{days} days"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _url(chosen: Filters, **more: str) -> str:
    query = urlencode(chosen.given | more)
    return f"/outbox?{query}" if query else "/outbox"


def _more(chosen: Filters, last: Any) -> str:
    mark = store.mark_of(chosen, last)
    return _url(chosen, after=f"{mark.place.isoformat()}~{mark.id}")


# --- one mail ---


def _found(conn: Connection, id_: int) -> Any:
    row = store.one(conn, id_) if 0 < id_ < 2**63 else None
    if row is None:
        raise missing("such mail")
    return row


def _mail(conn: Connection, desk: Desk, id_: int, asked: Visit) -> dict[str, Any]:
    copy = _found(conn, id_)
    shown, why = _shown(conn, desk, copy, asked.now)
    decisions = store.decisions(conn, copy.mail_key)
    return {
        "mail": copy,
        "others": [o for o in store.copies(conn, copy.mail_key) if o.id != copy.id],
        "decisions": decisions[: store.MOST_SPOKEN],
        "has_more": len(decisions) > store.MOST_SPOKEN,
        "planned": [(one.key or one.account, url_of(one.walk_id, one.step)) for one in decisions],
        "events": _events(conn, copy, raw=asked.may(Role.ADMIN)),
        "answers": store.answered(conn, copy.mail_key),
        "shown": shown,
        "why_not": why,
        "said_of_it": words.state_in_words(copy.state, copy.reason),
        "tones": words.TONES,
        "is_open": copy.state in (rules.UNKNOWN, rules.GIVEN_UP)
        or (copy.state == rules.DUE and copy.unknown_since is not None),
        "may_change": copy.state == rules.DUE and copy.unknown_since is None,
        "age": age(asked.now - copy.unknown_since) if copy.unknown_since else "",
    }


def _events(conn: Connection, copy: Any, *, raw: bool) -> Sequence[Mapping[str, Any]]:
    """What the provider told, in order; its own words for those alone who may read them."""
    return [
        {
            "kind": one.kind,
            "at": one.at,
            "detail": one.detail,
            "machine": one.machine,
            "raw": json.dumps(one.raw, indent=1, ensure_ascii=False) if raw else "",
        }
        for one in store.told(conn, copy.mail_key, copy.address)
    ]


def _shown(
    conn: Connection, desk: Desk, copy: Any, now: datetime
) -> tuple[copies.Shown | None, str]:
    """The mail as it was sent, or as it would leave; else why it cannot be shown."""
    house = House(desk.app.judges, desk.app.texts)
    given = house, letterhead_of(desk.app), defaults_of(desk.app)
    folder = desk.app.root / desk.app.settings.mail.file.folder
    try:
        if copy.state in (rules.DUE, rules.SENDING) and copy.accepted_at is None:
            return copies.as_it_would_go(conn, copy, *given, now), ""
        return copies.as_sent(conn, copy, *given, folder), ""
    except (FindingsError, ValueError) as error:
        return None, str(error)

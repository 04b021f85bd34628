"""Which mails arrived and were read by people, as far as the conditions of steps ask."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import NamedTuple

from sqlalchemy.engine import Connection

from worker.cadence import heard
from worker.channels.told import Kind
from worker.events import store
from worker.events.rules import Fate, judge_clicks, read_click
from worker.events.store import Heard

CLICKED, DELIVERED, REPLIED = "clicked", "delivered", "replied"
"""What is noted on walks."""

_ARRIVED = (Kind.DELIVERED, Kind.OPENED, Kind.CLICKED, Kind.UNSUBSCRIBED, Kind.REPLIED)
_DOUBTFUL = (Kind.BOUNCED, Kind.COMPLAINED)


class Arrival(NamedTuple):
    """An event about a mail, and what became of that copy of it so far."""

    mail_key: str
    kind: Kind
    fate: Fate | None


def note(conn: Connection, arrivals: Sequence[Arrival], left: Sequence[int], now: datetime) -> None:
    """Notes what arrived and what was clicked by people; ``left`` are walks whose mail is taken
    back. What turns out not to stand is taken back, too: a mail that came back after all, a click
    that was a scanner's."""
    mails = {one.mail_key for one in arrivals if one.kind in (*_ARRIVED, Kind.BOUNCED)}
    if not mails:
        return
    replied = {one.mail_key for one in arrivals if one.kind is Kind.REPLIED}
    heard.note_mails(conn, sorted(replied), REPLIED, now)
    doubtful = store.clicked(conn, mails)
    doubtful |= {one.mail_key for one in arrivals if one.fate and one.fate.kind in _DOUBTFUL}
    heard.note_mails(conn, sorted(mails - doubtful), DELIVERED, now)
    if doubtful:
        _read_anew(conn, doubtful, left, now)


def _read_anew(conn: Connection, mails: set[str], left: Iterable[int], now: datetime) -> None:
    """Works out from all events what holds for the walks of these mails."""
    walks = sorted({*store.walks_of(conn, mails), *left})
    pairs = store.mails_of(conn, walks)
    all_mails = mails | {key for _, key in pairs}
    found = _found(conn, store.heard(conn, all_mails, (*_ARRIVED, Kind.BOUNCED)))
    for what, keys in found.items():
        stands = {walk for walk, key in pairs if key in keys}
        heard.forget(conn, [walk for walk in walks if walk not in stands], what)
        heard.note_mails(conn, sorted(keys), what, now)


def _found(conn: Connection, events: Iterable[Heard]) -> dict[str, set[str]]:
    """The mails that were delivered and those that a person clicked; marks the machines' clicks."""
    copies: dict[tuple[str, str], list[Heard]] = defaultdict(list)
    for event in events:
        copies[event.mail_key, event.address].append(event)
    found: dict[str, set[str]] = {DELIVERED: set(), CLICKED: set()}
    for (mail_key, _), told in copies.items():
        clicked_at = _clicked(conn, told)
        if any(event.kind == Kind.BOUNCED for event in told):
            continue
        found[DELIVERED].add(mail_key)
        if clicked_at:
            found[CLICKED].add(mail_key)
    return found


def _clicked(conn: Connection, told: Sequence[Heard]) -> datetime | None:
    """When a person clicked in this copy first."""
    clicks = [event for event in told if event.kind == Kind.CLICKED]
    delivered = [event.at for event in told if event.kind == Kind.DELIVERED]
    if not clicks:
        return None
    judged = judge_clicks(
        [read_click(one.id, one.at, one.detail) for one in clicks], min(delivered, default=None)
    )
    for machine in (True, False):
        wrong = [one.id for one in clicks if one.machine is not machine]
        store.mark_machines(
            conn, [id_ for id_ in wrong if (id_ in judged.machines) is machine], machine=machine
        )
    return judged.first

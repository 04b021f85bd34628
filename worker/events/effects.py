"""What follows from events about our mails: for the ledger, the ladder, the walks and the staff."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy.engine import Connection

from worker.cadence import writing_store
from worker.catalogue import preferences, suppressions
from worker.channels.addresses import is_same
from worker.channels.told import Kind, Told
from worker.events import readers, store
from worker.events.readers import Arrival
from worker.events.rules import SILENCING, UNDELIVERED, Fate, fate_of, merged
from worker.events.store import Copy
from worker.outbox import doubts
from worker.outbox.rules import ACCEPTED, DUE, GIVEN_UP, SENDING, UNKNOWN
from worker.worklist import store as worklist
from worker.worklist.store import NewTask

_MAY_ARRIVE = (DUE, SENDING, ACCEPTED, UNKNOWN, GIVEN_UP)


class Known(NamedTuple):
    """A new event and the message it is about."""

    told: Told
    copy: Copy

    @property
    def is_theirs(self) -> bool:
        """Whether it is about the client's own mailbox: a redirected or forwarded mail may come
        back from somebody else's."""
        told = self.told.address
        return told is None or is_same(told, self.copy.address)


def follow(conn: Connection, known: Sequence[Known], now: datetime, *, proves: bool = True) -> None:
    """Does all that follows from these events, which are kept already. ``proves``: whether a
    provider told of them, so that it has the mails; else they have no fate with it."""
    fates = _fates(known)
    if proves:
        _prove(conn, known, now)
        _move_fates(conn, known, fates)
    # Whoever in the house answers, the client has answered.
    theirs = [one for one in known if one.is_theirs or one.told.kind is Kind.REPLIED]
    _silence(conn, theirs)
    left = _send_on(conn, theirs, now)
    _opt_out(conn, theirs, now)
    _tell_staff(conn, theirs, now)
    readers.note(
        conn,
        [Arrival(copy.mail_key, told.kind, fates[copy.id]) for told, copy in theirs],
        left,
        now,
    )


def _prove(conn: Connection, known: Sequence[Known], now: datetime) -> None:
    """Whatever a provider tells of a mail, it has it."""
    ids = {one.copy.id for one in known if one.copy.state != ACCEPTED}
    if ids:
        doubts.prove(conn, sorted(ids), now)


def _fates(known: Sequence[Known]) -> dict[int, Fate | None]:
    """The fates of messages as these events leave them, by the message's id."""
    after: dict[int, Fate | None] = {}
    for told, copy in known:
        before = after.get(copy.id, _fate_before(copy))
        after[copy.id] = merged(before, fate_of(told.kind, told.at))
    return after


def _fate_before(copy: Copy) -> Fate | None:
    return Fate(copy.fate, copy.fate_at) if copy.fate and copy.fate_at else None


def _move_fates(conn: Connection, known: Sequence[Known], after: Mapping[int, Fate | None]) -> None:
    before = {one.copy.id: _fate_before(one.copy) for one in known}
    moved = [(id_, *fate) for id_, fate in after.items() if fate and fate != before[id_]]
    store.set_fates(conn, moved)


def _silence(conn: Connection, known: Sequence[Known]) -> None:
    for one in sorted(known, key=lambda each: (each.copy.address, each.told.at, each.told.key)):
        if one.told.kind in SILENCING:
            said = (one.told.kind.value, one.told.detail, one.told.at)
            suppressions.suppress(conn, one.copy.address, *said)


# --- the ladder ---


def _send_on(conn: Connection, known: Sequence[Known], now: datetime) -> list[int]:
    """Has mails that came back from everybody decided anew, for the next rung; the walks.

    One that reached somebody, or still may, is not sent again.
    """
    mails = {one.copy.mail_key for one in known if one.told.kind is Kind.BOUNCED}
    if not mails:
        return []
    back = {(each.mail_key, each.address) for each in store.heard(conn, mails, [Kind.BOUNCED])}
    for copy in store.copies(conn, mails):
        if copy.state in _MAY_ARRIVE and (copy.mail_key, copy.address) not in back:
            mails.discard(copy.mail_key)
    steps = [row for row in store.travelling(conn, mails) if _goes_on(row)]
    left = sorted({row.walk_id for row in steps})
    if steps:
        store.note_returned(conn, steps, now)
        writing_store.decide_anew(conn, [(row.step_id, row.walk_id) for row in steps], now)
    return left


def _goes_on(row: Any) -> bool:
    """Whether the walk still wants its mails out: not once the licence was renewed or is gone."""
    return bool(row.state == "active" or row.reason == "completed")


# --- people ---


def _opt_out(conn: Connection, known: Sequence[Known], now: datetime) -> None:
    """Out of surveys by a survey, out of commercial mail by a commercial one, and out of both by
    a notice about a contract, which goes on."""
    choices: dict[str, set[str]] = defaultdict(set)
    for told, copy in known:
        if told.kind is Kind.UNSUBSCRIBED:
            for choice in _CHOICES[copy.kind]:
                choices[choice].add(copy.address)
    for choice, addresses in sorted(choices.items()):
        ids = [person.id for person in store.people(conn, addresses)]
        preferences.put(conn, ids, now, **{choice: True})


_CHOICES = {
    "survey": ("no_surveys",),
    "commercial": ("no_commercial",),
    "contractual": ("no_commercial", "no_surveys"),
}


def _tell_staff(conn: Connection, known: Sequence[Known], now: datetime) -> None:
    told = [one for one in known if _needs_a_person(one)]
    addresses = {one.copy.address for one in told}
    who = {person.id: person for person in store.people(conn, addresses)}
    new = []
    for one in told:
        ask = _complaint if one.told.kind is Kind.COMPLAINED else _undelivered
        new.append(ask(one.copy, who.get(one.copy.contact_id or 0)))
    worklist.open_tasks(conn, new, now)


def _needs_a_person(one: Known) -> bool:
    if one.told.kind is Kind.COMPLAINED:
        return True
    return one.told.kind in UNDELIVERED and one.copy.kind == "contractual"


def _complaint(copy: Copy, person: Any) -> NewTask:
    return NewTask(
        key=f"complaint:{copy.contact_id or copy.address}",
        kind="complaint",
        title="A mail was reported as spam",
        detail=f"{_called(copy, person)}: nobody writes to this address any more. Ask by other "
        "means what was wrong; notices about contracts go to the next contact",
        account_id=person.account_id if person else None,
        assignee=person.account_manager if person else None,
    )


def _undelivered(copy: Copy, person: Any) -> NewTask:
    return NewTask(
        key=f"undelivered:{copy.mail_key}:{copy.contact_id or copy.address}",
        kind="undelivered",
        title="A notice about a contract did not arrive",
        detail=f"{_called(copy, person)}, step {copy.step} of {copy.schedule}: the provider or the "
        "other side refused it this time, and the address is not to blame; "
        "`perennial outbox` shows it",
        account_id=person.account_id if person else None,
        assignee=person.account_manager if person else None,
    )


def _called(copy: Copy, person: Any) -> str:
    return f"{person.account_name}, {copy.address}" if person else copy.address

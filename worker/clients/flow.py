"""What a client's page shows, and what is done when it is sent: one transaction each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import Row
from sqlalchemy.engine import Connection

from worker.cadence import heard
from worker.cadence.library import Defaults
from worker.cadence.records import LICENCE
from worker.catalogue import preferences
from worker.catalogue.preferences import Preference
from worker.catalogue.store import mark_changed
from worker.clients import handing, rules, store
from worker.clients.rules import Choice, Fault, Given, Item
from worker.db import notices
from worker.db.notices import Notice
from worker.kernel.dates import zone
from worker.kernel.forms import Fields
from worker.links.rules import BadLinkError, Subject


@dataclass(frozen=True, slots=True)
class Letter:
    """The copy of a mail that a link belongs to, and the person who got it."""

    row: Any
    preference: Preference
    today: date
    """The civil day at the person's account."""

    @property
    def languages(self) -> tuple[str | None, ...]:
        """Best first: what the person chose, what the mail was written in, what the book says."""
        row = self.row
        chosen = self.preference.language
        return chosen, row.language, row.contact_language, row.account_language


@dataclass(frozen=True, slots=True)
class Page:
    """What the answer page shows. ``answered`` are those that this mail was answered about by this
    person, and nobody since then; ``manager`` is who acts on it."""

    letter: Letter
    account: str
    items: tuple[Item, ...]
    manager: str | None = None

    @property
    def open_items(self) -> tuple[Item, ...]:
        """The licences about which something can still be answered."""
        return tuple(item for item in self.items if item.over is None)

    @property
    def answered(self) -> tuple[Item, ...]:
        """The licences whose answer is this person's, given to this mail."""
        mine = self.letter.row.mail_key, self.letter.row.contact_id
        return tuple(
            item
            for item in self.items
            if item.given and (item.given.mail_key, item.given.contact_id) == mine
        )


def letter_of(conn: Connection, subject: Subject, defaults: Defaults, now: datetime) -> Letter:
    """The mail that a link speaks of; ``BadLinkError``: ``gone`` when there is no such mail or
    person, ``revoked`` when the person's links of that time were."""
    row = store.letter(conn, subject.mail_key, subject.contact_id)
    if row is None:
        raise BadLinkError("gone")
    preference = preference_of(conn, subject)
    today = now.astimezone(zone(row.timezone or defaults.timezone)).date()
    return Letter(row, preference, today)


def preference_of(conn: Connection, subject: Subject) -> Preference:
    """What the person of a link chose; ``BadLinkError``: ``revoked`` when its links of that time
    were."""
    preference = preferences.of(conn, subject.contact_id)
    if preference.links_from is not None and subject.made_at < preference.links_from:
        raise BadLinkError("revoked")
    return preference


def page_of(conn: Connection, letter: Letter) -> Page:
    """The licences of the mail as they are now; ``BadLinkError`` when it spoke of none."""
    terms = _terms_of(conn, letter.row.mail_key)
    rows = store.licences_by_id(conn, sorted(terms))
    if not rows:
        raise BadLinkError("gone")
    given = store.given(conn, sorted(terms))
    items = tuple(_item(row, terms[row.id], given) for row in rows)
    return Page(letter, rows[0].account_name, items, rows[0].manager)


def _terms_of(conn: Connection, mail_key: str) -> dict[int, int]:
    """The terms that a mail spoke of, by licence id."""
    walked = heard.walks_of_mail(conn, mail_key)
    return {row.subject_id: row.cycle for row in walked if row.subject == LICENCE}


def _item(row: Row[Any], cycle: int, given: Mapping[tuple[int, int], Given]) -> Item:
    over = "renewed" if row.term > cycle else None
    if over is None and row.status != "active":
        over = str(row.status)
    notice_on = None
    if row.auto_renew and row.notice_days is not None:
        notice_on = row.expires_on - timedelta(days=row.notice_days)
    return Item(
        row.id,
        cycle,
        row.key,
        row.product,
        row.quantity,
        row.expires_on,
        notice_on,
        over,
        given.get((row.id, cycle)),
    )


def answer(
    conn: Connection, letter: Letter, fields: Fields, defaults: Defaults, now: datetime
) -> tuple[Page, list[Fault]]:
    """Records what the form says and does what it asks for; or says what is wrong with the form.

    What was answered before about the same terms, by this mail or another, is undone. The same
    answer once more changes nothing.
    """
    terms = _terms_of(conn, letter.row.mail_key)
    if not terms:
        raise BadLinkError("gone")
    store.hold_accounts(conn, sorted(terms))
    page = page_of(conn, letter)
    choice, faults = rules.read_answer(fields, page.items, letter.today)
    if choice is None or faults:
        return page, faults
    fresh = [item for item in choice.items if not _same(item.given, choice, item, letter)]
    if not fresh:
        return page, []
    _record(conn, letter, choice, fresh, now)
    for item in fresh:
        _undo(conn, item, choice.kind)
        _move(conn, item, choice.kind, choice.details[item.licence_id])
    _hear(conn, choice.kind, fresh, now)
    handing.over(conn, _mine(letter), fresh, defaults, now)
    mark_changed(conn, [item.licence_id for item in fresh])
    return page_of(conn, letter), []


def _same(given: Given | None, choice: Choice, item: Item, letter: Letter) -> bool:
    if given is None:
        return False
    asked = choice.kind, dict(choice.details[item.licence_id])
    by = given.mail_key, given.contact_id
    return by == _mine(letter) and (given.kind, dict(given.detail)) == asked


def _mine(letter: Letter) -> tuple[str, int]:
    return letter.row.mail_key, letter.row.contact_id


def _record(
    conn: Connection, letter: Letter, choice: Choice, fresh: Sequence[Item], now: datetime
) -> None:
    row = letter.row
    new = {
        item.licence_id: Given(
            choice.kind, choice.details[item.licence_id], now, row.mail_key, row.contact_id
        )
        for item in fresh
    }
    store.add_answers(conn, [(item.licence_id, item.cycle) for item in fresh], new)
    notices.note(conn, [_told(letter, choice, item, now) for item in fresh], now)


def _told(letter: Letter, choice: Choice, item: Item, now: datetime) -> Notice:
    """What other systems may hear of an answer: not who gave it, nor in which words."""
    detail = choice.details[item.licence_id]
    said = {name: detail[name] for name in ("quantity", "until", "reason") if name in detail}
    body = {"licence": item.key, "term": item.cycle, "answer": choice.kind, **said}
    key = f"answer.given:{letter.row.mail_key}:{letter.row.contact_id}:{item.key}:{now.isoformat()}"
    return Notice(key, "answer.given", body)


def _undo(conn: Connection, item: Item, kind: str) -> None:
    """Takes back what the answer before had moved; its task is written anew by ``handing.over``."""
    before = item.given.kind if item.given else None
    if before == kind:
        return
    if before == "remind":
        heard.rest(conn, item.licence_id, item.cycle, None)
    elif before == "decline":
        heard.decline(conn, item.licence_id, None)
    elif before == "quote":
        walks = heard.walks_of_term(conn, item.licence_id, item.cycle)
        heard.forget(conn, walks, "quote-asked")


def _move(conn: Connection, item: Item, kind: str, detail: Mapping[str, Any]) -> None:
    """What an answer does to the walks on the term."""
    if kind == "remind":
        heard.rest(conn, item.licence_id, item.cycle, date.fromisoformat(detail["until"]))
    elif kind == "decline":
        heard.decline(conn, item.licence_id, item.cycle)


def _hear(conn: Connection, kind: str, fresh: Sequence[Item], now: datetime) -> None:
    """Tells the walks, so that steps can ask for it."""
    walks = [
        walk for item in fresh for walk in heard.walks_of_term(conn, item.licence_id, item.cycle)
    ]
    for what in ("answered", *(["quote-asked"] if kind == "quote" else [])):
        heard.note(conn, walks, what, now)


def wish(
    conn: Connection,
    letter: Letter,
    fields: Fields,
    languages: Sequence[str],
    now: datetime,
) -> tuple[Letter, list[Fault]]:
    """Records what a person wants to get, at every account that has the address; or says what is
    wrong with the form."""
    wishes, faults = rules.read_wishes(fields, languages, letter.today)
    if wishes is None:
        return letter, faults
    chosen: dict[str, Any] = {
        "language": wishes.language,
        "no_commercial": not wishes.offers,
        "no_surveys": not wishes.questions,
        "paused_until": wishes.paused_until,
    }
    contact_id = letter.row.contact_id
    if letter.preference._replace(**chosen) != letter.preference:
        preferences.put(conn, preferences.sharing(conn, contact_id), now, **chosen)
    return Letter(letter.row, preferences.of(conn, contact_id), letter.today), []


def refuse(conn: Connection, letter: Letter, now: datetime) -> None:
    """Takes the person off all mails of this mail's class; once more changes nothing."""
    preferences.refuse(conn, letter.row.contact_id, letter.row.kind, now)

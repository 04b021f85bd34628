"""The page of a survey: what a link opens, and what its forms record, one transaction each.

Whose answer may be seen again by whoever holds its link? That of a person who was asked by us. An
anonymous one is nobody's; and where the question was passed on, two people may hold the link, so
the page asks all at once and shows neither what the other said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence.library import Defaults
from worker.catalogue.preferences import Preference
from worker.clients import survey_rules, survey_store
from worker.clients.flow import preference_of
from worker.clients.rules import Fault
from worker.clients.survey_rules import MOST_PASSED_ON, Words
from worker.kernel.dates import civil_date, zone
from worker.kernel.forms import Fields
from worker.kernel.keys import new_mail_key
from worker.links.rules import BadLinkError, Subject
from worker.surveys import flow as surveys
from worker.surveys import rules
from worker.surveys import store as surveys_store
from worker.surveys.flow import Became, Given
from worker.surveys.themes import Reader
from worker.templating.questions import Questions


@dataclass(frozen=True, slots=True)
class Asked:
    """Somebody who was asked: the invitation ``row`` with person and account, the copies of the
    ``mails`` that brought the link, the latest first (none where it was passed on), and the answer
    that stands as far as it may be shown."""

    row: Any
    mails: Sequence[Any]
    preference: Preference
    standing: Any | None
    now: datetime
    today: date
    """The civil day in the zone of the book."""
    closes_on: date | None
    """The day on which the survey closes, in the same zone."""

    @property
    def languages(self) -> tuple[str | None, ...]:
        """Best first: what the person chose, what the mail was written in, what the book says."""
        written = self.mails[0].language if self.mails else self.row.language
        known = self.row.contact_language, self.row.account_language
        return self.preference.language, written, *known

    @property
    def at_once(self) -> bool:
        """Whether all is asked on one page, and nothing of it shown again."""
        return self.row.promise == rules.ANONYMOUS or self.was_passed_on

    @property
    def was_passed_on(self) -> bool:
        """Whether the link came from a colleague."""
        return self.row.passed_on_by is not None

    @property
    def is_closed(self) -> bool:
        """Whether the survey is over."""
        return self.row.closes_at is not None and self.row.closes_at <= self.now

    @property
    def is_final(self) -> bool:
        """Whether an answer was given that nobody can find to change it."""
        return self.row.promise == rules.ANONYMOUS and bool(self.row.answered)

    @property
    def delivered_at(self) -> datetime | None:
        """When the last of the mails was there, as far as it is known."""
        known = [at for mail in self.mails for at in (mail.accepted_at, mail.told_at)]
        return max((at for at in known if at is not None), default=None)

    @property
    def judged(self) -> str:
        """Whether what comes now comes from a person."""
        return survey_rules.judge(self.now, self.delivered_at)


def asked_of(
    conn: Connection, subject: Subject, defaults: Defaults, now: datetime, *, hold: bool = False
) -> Asked:
    """Whom a link asks; ``BadLinkError`` as ``flow.letter_of`` raises it. ``hold`` keeps others
    from answering the same invitation meanwhile."""
    row = survey_store.asked(conn, subject.mail_key, subject.contact_id)
    if row is not None and hold:
        surveys_store.hold_invitation(conn, row.id)
        row = survey_store.asked(conn, subject.mail_key, subject.contact_id)
    if row is None:
        raise BadLinkError("gone")
    preference = preference_of(conn, subject)
    mails = survey_store.mails(conn, subject.mail_key, subject.contact_id)
    shown = row.promise != rules.ANONYMOUS and row.passed_on_by is None
    standing = surveys_store.response_to(conn, row.id) if shown else None
    book = zone(defaults.timezone)
    closes_on = civil_date(row.closes_at, book) if row.closes_at else None
    return Asked(row, mails, preference, standing, now, civil_date(now, book), closes_on)


def score(
    conn: Connection, asked: Asked, fields: Fields, texts: Questions, reader: Reader
) -> tuple[int | None, Became | None, list[Fault]]:
    """Records the score that a form names, on a page that asks all at once with its words; or says
    what is wrong with the form. What was written before stays when only the score changes.

    ``texts`` are the questions as they were shown. ``asked`` must be held.
    """
    given = survey_rules.read_score(fields.get("score", ()))
    if given is None:
        return None, None, [Fault("score", "choose-score")]
    if asked.row.promise == rules.ANONYMOUS and asked.judged != rules.HUMAN:
        # It would be thrown away, and whoever gave it would think that it counts.
        return given, None, [Fault("score", "too-soon")]
    words = _words(fields, texts) if asked.at_once else _standing(asked)
    return given, _record(conn, asked, given, words, texts.language, reader), []


def more(
    conn: Connection, asked: Asked, fields: Fields, texts: Questions, reader: Reader
) -> Became:
    """Records the words that follow a score, in place of those before. ``asked`` must be held and
    have an answer that stands."""
    assert asked.standing is not None
    given: int = asked.standing.score
    return _record(conn, asked, given, _words(fields, texts), texts.language, reader)


def _words(fields: Fields, texts: Questions) -> Words:
    return survey_rules.read_words(fields, texts.further)


def _standing(asked: Asked) -> Words:
    if asked.standing is None:
        return Words()
    return Words(asked.standing.comment or "", asked.standing.follow_up or {})


def _record(
    conn: Connection, asked: Asked, given: int, words: Words, language: str, reader: Reader
) -> Became:
    """The same answer once more changes nothing."""
    before = asked.standing
    same = before is not None and (before.score, _standing(asked)) == (given, words)
    if before is not None and same and asked.judged in (before.judged, rules.POSSIBLE):
        return "closed" if asked.is_closed else "changed"
    said = Given(
        given,
        words.comment or None,
        dict(words.further) or None,
        judged=asked.judged,
        language=language,
    )
    return surveys.record(conn, asked.row.id, said, asked.now, asked.today, reader)


def pass_on(conn: Connection, asked: Asked, fields: Fields) -> list[Fault]:
    """Asks a colleague in the same words, under the same promise, or says why not. Nobody is
    written to: the link is shown to the person, who passes it on. ``asked`` must be held."""
    who = survey_rules.read_colleague(fields)
    if not who:
        return [Fault("colleague", "say-who")]
    person = survey_store.colleague(conn, asked.row.account_id, who)
    if person is not None and person.id == asked.row.contact_id:
        return [Fault("colleague", "yourself")]
    before = survey_store.passed_on(conn, asked.row.id)
    if person is not None and person.id in {one.contact_id for one in before}:
        return []
    if len(before) >= MOST_PASSED_ON:
        return [Fault("colleague", "too-many", {"most": MOST_PASSED_ON})]
    if person is None:
        key = f"colleague:{new_mail_key(asked.now)}"
        person = survey_store.add_colleague(conn, key, asked.row.account_id, who, asked.now)
    surveys_store.invite(conn, _invitation(asked, person))
    return []


_SAME = ("schedule", "survey", "walk_id", "account_id", "licence_id", "promise", "segment")


def _invitation(asked: Asked, person: Any) -> dict[str, Any]:
    row = {name: getattr(asked.row, name) for name in (*_SAME, "product", "closes_at")}
    return row | {
        "contact_id": person.id,
        "mail_key": new_mail_key(asked.now),
        "role": person.role,
        "language": person.language or asked.row.language,
        "asked_on": asked.today,
        "asked_at": asked.now,
        "passed_on_by": asked.row.id,
    }

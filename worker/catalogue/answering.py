"""What a file says of answers to surveys. Their tables stand in a room above the book: the import
checks the rows with all others, and hands what is good to whoever takes it (``flow.Options``)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any, Protocol

from sqlalchemy.engine import Connection

from worker.catalogue.erasures import Erased
from worker.catalogue.laying import Part
from worker.catalogue.mapping import CLEARED
from worker.catalogue.reading import Parsed
from worker.catalogue.report import Counts
from worker.catalogue.said import AnswerSaid, Known, Said


class Answers(Protocol):
    """Takes the answers of a file, in the transaction of the import, once the file's accounts and
    contacts are in the book; what became of them. ``dry_run``: only counts."""

    def __call__(
        self, conn: Connection, said: Sequence[AnswerSaid], *, dry_run: bool
    ) -> Counts: ...


class Reject(Protocol):
    """Rejects the row of a line."""

    def __call__(
        self, line: int, place: int, field: str, code: str, expected: str, got: str, hint: str = ""
    ) -> None: ...


def contact_keys(text: str) -> tuple[str, ...]:
    """The keys that a contact may be named by: as it is written, and an address in lower case."""
    return (text, text.lower()) if "@" in text and text != text.lower() else (text,)


def collect(
    parsed: Parsed,
    places: Sequence[int],
    known: Known,
    said: Said,
    today: date,
    reject: Reject,
) -> Iterator[AnswerSaid]:
    """The answers of a file, row by row; those that do not fit the book are rejected.

    ``places`` are those of the answers' parts in a row. Of people whose data was erased the score
    stays, without who gave it and in which words.
    """
    for row in parsed.rows:
        for place in places:
            part: Part | None = row[place]
            if part is None:
                continue
            told = AnswerSaid._make([row[0], *[None if cell is CLEARED else cell for cell in part]])
            if told.contact is not None:
                found = _contact(told.contact, known, said)
                if found is None and _is_erased(told.contact, known.erased):
                    told = told._replace(key=None, contact=None, comment=None)
                else:
                    told = told._replace(contact=found or told.contact)
            problem = _problem(told, known, said, today)
            if problem is None:
                yield told
            else:
                reject(row[0], place, *problem)


def _contact(text: str, known: Known, said: Said) -> str | None:
    keys = contact_keys(text)
    return next((key for key in keys if key in said.contacts or key in known.contacts), None)


def _is_erased(text: str, erased: Erased) -> bool:
    return any(erased.holds(key, key) for key in contact_keys(text))


def _problem(told: AnswerSaid, known: Known, said: Said, today: date) -> tuple[Any, ...] | None:
    """Why an answer cannot be taken: field, code, expected, got, hint."""
    account, contact = told.account, told.contact
    if contact is not None and _contact(contact, known, said) is None:
        expected = "a contact of the book or of this file"
        hint = "load the contacts first, or in the same row; without one, leave the cell blank"
        return "contact", "unknown-contact", expected, repr(contact), hint
    if account is not None and account not in said.accounts and account not in known.accounts:
        hint = "load the accounts first, or in the same row"
        return (
            "account",
            "unknown-account",
            "an account of the book or of this file",
            repr(account),
            hint,
        )
    if account is None and contact is None:
        return "account", "no-account", "the account or the contact that answered", "nothing", ""
    if told.answered_on > today + timedelta(days=1):  # somewhere it is tomorrow already
        got, hint = str(told.answered_on), "nobody has answered tomorrow's question"
        return "answered_on", "ahead", f"a day up to {today}", got, hint
    return None

"""What one file says, and what the book holds of the same keys: the shapes of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple

from worker.catalogue.erasures import NOBODY, Erased
from worker.catalogue.laying import DATES, Part
from worker.catalogue.rules import Declared, Settled, Term
from worker.kernel.errors import Problem

Reasons = dict[int, list[Problem]]
"""Why rows are rejected, by line."""


class KnownLicence(NamedTuple):
    """A licence in the book; ``own`` are its values in the order of ``own_fields``."""

    id: int
    account_id: int
    term: int
    starts_on: date | None
    expires_on: date
    closed_on: date | None
    own: tuple[Any, ...]


class Entry(NamedTuple):
    """What one row says of one licence."""

    line: int
    part: Part
    declared: Declared | None


class LicenceSaid(NamedTuple):
    """What the file says of one licence. ``settled`` is ``None`` when its term is plain: the
    first of a new licence, or the one that is known."""

    key: str
    known: KnownLicence | None
    part: Part
    settled: Settled | None


class AnswerSaid(NamedTuple):
    """What one row says of one answer: its line, then the shape of its part. Account and contact
    are keys of the book or of the file."""

    line: int
    key: str | None
    account: str | None
    contact: str | None
    score: int
    comment: str | None
    answered_on: date
    schedule: str


@dataclass(slots=True)
class Said:
    """What the file says, all in all. Parts are in the order of the shape of their entity."""

    accounts: dict[str, Part] = field(default_factory=dict)
    contacts: dict[str, Part] = field(default_factory=dict)
    staff: dict[str, Part] = field(default_factory=dict)
    licences: list[LicenceSaid] = field(default_factory=list)
    orders: dict[str, Part] = field(default_factory=dict)
    repeated: int = 0
    """Rows that say of an order what another row has said word for word."""
    answers: list[AnswerSaid] = field(default_factory=list)


@dataclass(slots=True)
class Known:
    """What the book holds of the keys in the file.

    Rows of accounts, contacts and staff are (id, [account id of a contact,] values of the fields in
    the order of the shape, without key and account).
    """

    accounts: Mapping[str, tuple[Any, ...]]
    contacts: Mapping[str, tuple[Any, ...]]
    staff: Mapping[str, tuple[Any, ...]]
    licences: Mapping[str, KnownLicence]
    terms: dict[int, list[Term]] = field(default_factory=dict)
    orders: dict[str, bool] = field(default_factory=dict)
    """Whether there are these orders; of those that were asked for."""
    erased: Erased = NOBODY


def own_fields(shape: Sequence[str]) -> list[str]:
    """The fields of a licence that are neither its key, its account nor its dates."""
    return [name for name in shape if name not in ("key", "account", *DATES)]


def overlay(old: Part, new: Part) -> Part:
    """``new`` over ``old``: what is blank in ``new`` stays as it was."""
    if old == new:
        return old
    return tuple([n if n is not None else o for o, n in zip(old, new, strict=True)])

"""What a mail's templates can see. Plain frozen values: a template reads them and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Literal

MailClass = Literal["contractual", "commercial", "survey"]

MOST_LISTED = 50
"""Licences that one mail lists; it says how many more there are."""


@dataclass(frozen=True, slots=True)
class AccountView:
    """The client company."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ContactView:
    """The person who gets the mail."""

    name: str | None
    email: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class SenderView:
    """The human in whose name the mail goes out, and where answers arrive."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class LicenceView:
    """One licence of the mail's table.

    ``days_left`` is ``expires_on`` minus the day of sending in whole civil days: 0 on the day
    itself, negative afterwards. ``notice_on`` is the last day to give notice, known for licences
    that renew by themselves only; ``days_to_notice`` is counted as ``days_left`` is. ``term`` is
    the number of the term that is spoken of, ``previous_term`` that of the one before it.
    """

    key: str
    product: str | None
    vendor: str | None
    quantity: int | None
    amount: Decimal | None
    next_amount: Decimal | None
    currency: str | None
    starts_on: date | None
    expires_on: date
    days_left: int
    renew_url: str | None = None
    auto_renew: bool = False
    notice_on: date | None = None
    days_to_notice: int | None = None
    term: int = 1
    previous_term: int | None = None

    @classmethod
    def from_row(cls, row: Mapping[str, Any], today: date) -> LicenceView:
        """The view of a row with the columns of the table ``licences``."""
        expires_on: date = row["expires_on"]
        auto_renew = bool(row["auto_renew"])
        notice_on = _notice_on(expires_on, row.get("notice_days")) if auto_renew else None
        term = row.get("term") or 1
        return cls(
            row["key"],
            row["product"],
            row["vendor"],
            row["quantity"],
            row["amount"],
            row["next_amount"],
            row["currency"],
            row["starts_on"],
            expires_on,
            (expires_on - today).days,
            row["renew_url"],
            auto_renew,
            notice_on,
            (notice_on - today).days if notice_on else None,
            term,
            term - 1 if term > 1 else None,
        )


@dataclass(frozen=True, slots=True)
class TotalView:
    """What all licences of a mail in one currency come to; ``None`` where one lacks its price."""

    currency: str
    amount: Decimal | None
    next_amount: Decimal | None


@dataclass(frozen=True, slots=True)
class Asked:
    """The question that a mail asks: under which key it is known, which may be that of an earlier
    mail; what was promised; whether this mail reminds of it. ``url``: the page that takes the
    answer."""

    mail_key: str
    promise: str = "named"
    reminder: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True)
class SurveyView:
    """A survey as templates see it, in the language of the mail; all is missing in other mails."""

    question: str | None = None
    lowest: str | None = None
    highest: str | None = None
    promise: str | None = None
    reminder: bool = False
    url: str | None = None


@dataclass(frozen=True, slots=True)
class ScoreView:
    """One number of the scale, and the page with it chosen already."""

    score: int
    url: str


@dataclass(frozen=True, slots=True)
class FeedbackView:
    """What a client said and what came of it. ``words`` are those of our people, a paragraph each;
    the rest is the client's own answer: a score from 0 to 10, a comment, the day. ``unseen``: it
    was promised that our people do not see whose it is."""

    words: tuple[str, ...]
    score: int | None = None
    comment: str | None = None
    answered_on: date | None = None
    unseen: bool = False

    @classmethod
    def of(cls, text: str, **said: Any) -> FeedbackView:
        """What somebody typed, line by line; empty lines stand between paragraphs."""
        return cls(tuple(line.strip() for line in text.splitlines() if line.strip()), **said)


@dataclass(frozen=True, slots=True)
class MailContext:
    """All that one mail is written from. ``today`` is the civil day on which it leaves.

    ``licences`` are all that the mail speaks of, whatever their number; they come to stand in the
    order of the day that matters: that of the notice deadline where each of them has one, else
    that of the expiry date; then by product and key. Templates list the first ``MOST_LISTED``.
    ``unsubscribe`` leads out of mails that are not contractual: a page, or a mailto address with
    ``mailto:``. ``answer_url`` is the page on which the contact answers without a login,
    ``preferences_url`` the one on which it says what it wants to get; ``None`` where no link key
    is set. ``survey``: the question that the mail asks, if it does; ``feedback``: what a letter to
    somebody who was asked is about.
    Raises ``ValueError`` without a licence in a mail that has to speak of one: a contractual mail
    that speaks of nothing must not exist.
    """

    today: date
    account: AccountView
    contact: ContactView
    licences: tuple[LicenceView, ...]
    sender: SenderView
    step: str
    mail_class: MailClass = "contractual"
    unsubscribe: str | None = None
    answer_url: str | None = None
    preferences_url: str | None = None
    survey: Asked | None = None
    feedback: FeedbackView | None = None

    def __post_init__(self) -> None:
        if not self.licences and self.mail_class == "contractual":
            raise ValueError("expected at least one licence in a mail, got none")
        if len(self.licences) > 1:
            in_order = tuple(sorted(self.licences, key=_order(self.licences)))
            object.__setattr__(self, "licences", in_order)

    @property
    def licence(self) -> LicenceView:
        """The first licence: the one to speak of where there is room for one."""
        return self.licences[0]

    @property
    def listed(self) -> tuple[LicenceView, ...]:
        """The licences that the mail lists."""
        return self.licences[:MOST_LISTED]

    @property
    def renew_url(self) -> str | None:
        """The one address at which all licences of the mail are renewed, if there is such."""
        links = {licence.renew_url for licence in self.licences}
        return links.pop() if len(links) == 1 else None

    def totals(self) -> tuple[TotalView, ...]:
        """Sums by currency, none when a licence lacks its currency or nothing is to be added."""
        by_currency: dict[str, list[LicenceView]] = {}
        for licence in self.licences:
            if not licence.currency:
                return ()
            by_currency.setdefault(licence.currency, []).append(licence)
        found = (
            TotalView(
                currency,
                _sum([licence.amount for licence in licences]),
                _sum([licence.next_amount for licence in licences]),
            )
            for currency, licences in sorted(by_currency.items())
        )
        known = tuple(one for one in found if one.amount is not None or one.next_amount is not None)
        return known if len(self.licences) > 1 and len(known) == len(by_currency) else ()


def _notice_on(expires_on: date, notice_days: int | None) -> date | None:
    """The last day to give notice; ``None`` without a notice period, or one beyond the calendar."""
    if notice_days is None:
        return None
    try:
        return expires_on - timedelta(days=notice_days)
    except OverflowError:
        return None


def _order(licences: tuple[LicenceView, ...]) -> Callable[[LicenceView], tuple[Any, ...]]:
    if all(licence.notice_on for licence in licences):
        return lambda one: (one.notice_on, one.expires_on, one.product or "", one.key)
    return lambda one: (one.expires_on, one.product or "", one.key)


def _sum(amounts: list[Decimal | None]) -> Decimal | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known, Decimal(0)) if len(known) == len(amounts) else None

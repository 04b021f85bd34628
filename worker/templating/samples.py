"""Contexts to try templates with: one licence, many, more than a mail lists; with all values, and
with values missing.

What may be missing is what may be empty in the book.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from worker.templating.context import (
    MOST_LISTED,
    AccountView,
    Asked,
    ContactView,
    FeedbackView,
    LicenceView,
    MailContext,
    SenderView,
)

OPTIONAL = (
    "contact.name",
    "contact.role",
    *("licence.product", "licence.vendor", "licence.quantity", "licence.amount"),
    *("licence.next_amount", "licence.currency", "licence.starts_on", "licence.renew_url"),
    *("licence.notice_on", "licence.previous_term"),
)
"""The fields that a template must not take for granted."""

LETTERS = ("feedback/told", "feedback/digest")
"""Mails that speak of no licence, but of what a client said."""
OPTIONAL_IN_LETTERS = (
    *("contact.name", "contact.role"),
    *("feedback.score", "feedback.comment", "feedback.answered_on"),
)

NOTICE_DAYS = 25
DAYS_LEFT = (60, 5, 2, 1, 0, -1, -3)
_TODAY = date(2027, 1, 30)


def full(days_left: int = 30, licences: int = 1, *, auto_renew: bool = False) -> MailContext:
    """A mail about so many licences, the first of which has ``days_left``; nothing is missing.

    Those that renew by themselves have a notice period of ``NOTICE_DAYS``.
    """
    return MailContext(
        _TODAY,
        AccountView("Northwind Traders", "A-1041"),
        ContactView("Anna Nowak", "anna.nowak@example.com", "decision-maker"),
        tuple(_licence(place, days_left, auto_renew=auto_renew) for place in range(licences)),
        SenderView("Maria Lind", "maria.lind@example.com"),
        "heads-up",
    )


def commercial(context: MailContext) -> MailContext:
    """The same as commercial mail, which says how to unsubscribe."""
    way_out = "mailto:renewals@example.com?subject=unsubscribe%20anna.nowak%40example.com"
    return replace(context, mail_class="commercial", unsubscribe=way_out)


def linked(context: MailContext) -> MailContext:
    """The same where a link key is set: it leads to the client's pages."""
    pages = "https://renewals.example.com"
    way_out = f"{pages}/u/abc.def" if context.unsubscribe else None
    return replace(
        context,
        unsubscribe=way_out,
        answer_url=f"{pages}/a/abc.def",
        preferences_url=f"{pages}/p/abc.def",
    )


def asking(context: MailContext, promise: str = "named", *, reminder: bool = False) -> MailContext:
    """The same as a mail that asks a question."""
    asked = Asked("sample", promise, reminder, "https://renewals.example.com/s/abc.def")
    context = linked(replace(commercial(context), mail_class="survey"))
    return replace(context, answer_url=None, survey=asked)


def mixed(days_left: int = 30, licences: int = 4) -> MailContext:
    """As ``full``, where every other licence renews by itself."""
    plain, auto = full(days_left, licences), full(days_left, licences, auto_renew=True)
    pairs = zip(plain.licences, auto.licences, strict=True)
    return replace(plain, licences=tuple(pair[n % 2] for n, pair in enumerate(pairs)))


def without(field: str, context: MailContext) -> MailContext:
    """``context`` with one of the ``OPTIONAL`` fields missing everywhere."""
    view, _, name = field.partition(".")
    missing: Any = {name: None}
    if name == "notice_on":
        missing["days_to_notice"] = None
    if view == "contact":
        return replace(context, contact=replace(context.contact, **missing))
    if view == "feedback":
        assert context.feedback is not None
        return replace(context, feedback=replace(context.feedback, **missing))
    licences = tuple(replace(licence, **missing) for licence in context.licences)
    return replace(context, licences=licences)


def bare() -> MailContext:
    """A mail for which the book holds no more than it must."""
    context = full(licences=2)
    for field in OPTIONAL:
        context = without(field, context)
    return context


def contexts() -> Iterator[MailContext]:
    """Full and bare contexts for every case of ``days_left``, one licence and several, and for
    every case of the days until the last day to give notice."""
    for days_left in DAYS_LEFT:
        yield full(days_left)
        yield full(days_left, licences=3)
        yield full(days_left + NOTICE_DAYS, auto_renew=True)
        yield linked(full(days_left))
    for days_left in (60, 26, 25, 5, 0, -3):
        yield full(days_left, 2, auto_renew=True)
        yield mixed(days_left)
    for more in (1, 3):
        yield mixed(2, MOST_LISTED + more)
    yield commercial(full())
    yield commercial(full(-3, licences=3))
    yield bare()
    yield linked(bare())
    yield linked(without("licence.renew_url", full(auto_renew=True)))
    yield linked(mixed(2, MOST_LISTED + 1))
    yield linked(commercial(full(licences=3)))


def surveys() -> Iterator[MailContext]:
    """The same for mails that ask a question: each promise, the first mail and the reminder."""
    for promise in ("named", "confidential", "anonymous"):
        for reminder in (False, True):
            yield asking(full(300), promise, reminder=reminder)
            yield asking(full(300, licences=3), promise, reminder=reminder)
    yield asking(full(300, licences=MOST_LISTED + 3))
    yield asking(full(300, auto_renew=True))
    yield replace(asking(full(300)), licences=())
    yield asking(bare())


def feedback(today: date = _TODAY) -> FeedbackView:
    """What a client said nine days ago, and what our people did about it."""
    return FeedbackView.of(
        "We have put a second person on your cases.\n\nYou reach both under one number.",
        score=3,
        comment="Nobody calls back.\nTwice now.",
        answered_on=today - timedelta(days=9),
    )


def letter() -> MailContext:
    """A letter to somebody who answered, and got an answer; nothing is missing."""
    way_out = "mailto:renewals@example.com?subject=unsubscribe%20anna.nowak%40example.com"
    said = feedback()
    return replace(full(), licences=(), mail_class="survey", unsubscribe=way_out, feedback=said)


def letters() -> Iterator[MailContext]:
    """Letters with all that they can have, and with no more than they must."""
    yield letter()
    yield linked(letter())
    context = letter()
    for field in OPTIONAL_IN_LETTERS:
        context = without(field, context)
    yield context
    yield linked(context)
    assert context.feedback is not None
    yield replace(context, feedback=replace(context.feedback, unseen=True))


def _licence(place: int, days_left: int, *, auto_renew: bool) -> LicenceView:
    days = days_left + 2 * (place % 4)
    days_to_notice = days - NOTICE_DAYS
    expires_on = _TODAY + timedelta(days=days)
    return LicenceView(
        key=f"L-20{place}418",
        product=("Antivirus Business", "Cloud Backup 500 GB", "Mail Archive")[place % 3],
        vendor="Contoso Security",
        quantity=(25, 1, 1200)[place % 3],
        amount=Decimal("1240.00") * (place + 1),
        next_amount=Decimal("1302.50") * (place + 1),
        currency="EUR",
        starts_on=expires_on.replace(year=expires_on.year - 1, day=1),
        expires_on=expires_on,
        days_left=days,
        renew_url=f"https://renew.example.com/l/{place}?c=a&t=9",
        auto_renew=auto_renew,
        notice_on=_TODAY + timedelta(days=days_to_notice) if auto_renew else None,
        days_to_notice=days_to_notice if auto_renew else None,
        term=2,
        previous_term=1,
    )

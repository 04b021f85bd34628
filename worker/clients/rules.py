"""What a client can answer about licences, and what a filled-in form says. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any

from worker.kernel.forms import Fields, first

KINDS = ("renew", "quantity", "quote", "remind", "decline", "colleague")
STOPPING = frozenset({"renew", "quantity", "quote"})
"""Answers after which the client waits for us: mails about the licence rest until we are done."""
REASONS = ("price", "not-needed", "other-product", "budget", "rather-not-say")

LONGEST_NOTE = 2000
LARGEST_QUANTITY = 10_000_000
AFTER_EXPIRY = timedelta(days=30)
"""How far ahead a reminder about an expired licence can be."""
LONGEST_PAUSE = timedelta(days=366)
_DAY = timedelta(days=1)
_COUNT = re.compile(r"[0-9]{1,8}")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What a terminal or a mail would act on, reorder or hide; line breaks and tabs may stay.
_UNSAFE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\u200b\u2060\ufeff\ufff9-\ufffb]"
)


@dataclass(frozen=True, slots=True)
class Given:
    """An answer that was given: by whom, to which mail."""

    kind: str
    detail: Mapping[str, Any]
    at: datetime
    mail_key: str
    contact_id: int


@dataclass(frozen=True, slots=True)
class Item:
    """One licence of a mail as it is now. ``cycle`` is the term that the mail spoke of.

    ``over`` says why nothing can be answered any more (``renewed``, ``cancelled``, ``ended``).
    """

    licence_id: int
    cycle: int
    key: str
    product: str | None
    quantity: int | None
    expires_on: date
    notice_on: date | None = None
    over: str | None = None
    given: Given | None = None

    def last_reminder(self, today: date) -> date:
        """The latest day for a reminder: that of the notice deadline, else of the expiry, while it
        is ahead."""
        for day in (self.notice_on, self.expires_on):
            if day is not None and day > today:
                return day
        return today + AFTER_EXPIRY


@dataclass(frozen=True, slots=True)
class Choice:
    """What a client answered, of which licences; ``details`` by licence id."""

    kind: str
    items: Sequence[Item]
    details: Mapping[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something in a form that cannot be used: the field's name, and the word that tells it."""

    name: str
    word: str
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a filled-in preference page says. ``language`` empty: the one of our records."""

    offers: bool
    questions: bool
    language: str | None
    paused_until: date | None


def clean(text: str) -> str:
    """Free text as it is kept: no more than ``LONGEST_NOTE`` signs, none that acts or hides."""
    return _UNSAFE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()[:LONGEST_NOTE]


def read_answer(
    fields: Fields, items: Sequence[Item], today: date
) -> tuple[Choice | None, list[Fault]]:
    """What the form says about ``items``, or everything that is wrong with it.

    Licences about which nothing can be answered any more are left out.
    """
    faults: list[Fault] = []
    named = set(fields.get("licence", ()))
    chosen = [item for item in items if item.key in named and item.over is None]
    kind = first(fields, "answer")
    if not chosen:
        faults.append(Fault("licence", "choose-licence"))
    if kind not in KINDS:
        return None, [*faults, Fault("answer", "choose-answer")]
    note = clean(first(fields, "note"))
    noted = {"note": note} if note else {}
    details = {item.licence_id: _detail(kind, fields, item, faults) | noted for item in chosen}
    if kind == "remind" and chosen:
        until = _reminder(fields, chosen, today, faults)
        for detail in details.values():
            detail["until"] = until.isoformat() if until else None
    return (None if faults else Choice(kind, chosen, details)), _once(faults)


def _detail(kind: str, fields: Fields, item: Item, faults: list[Fault]) -> dict[str, Any]:
    if kind == "quantity":
        return _quantity(fields, item, faults)
    if kind == "decline":
        reason = first(fields, "reason")
        if reason not in REASONS:
            faults.append(Fault("reason", "choose-reason"))
        return {"reason": reason}
    if kind == "colleague":
        who = clean(first(fields, "colleague"))
        if not who:
            faults.append(Fault("colleague", "say-who"))
        return {"who": who}
    return {}


def _quantity(fields: Fields, item: Item, faults: list[Fault]) -> dict[str, Any]:
    name = f"quantity:{item.key}"
    said = re.sub(r"[\s\u00a0\u202f]", "", first(fields, name))
    if not _COUNT.fullmatch(said) or not 1 <= int(said) <= LARGEST_QUANTITY:
        faults.append(Fault(name, "say-quantity", {"most": LARGEST_QUANTITY}))
        return {}
    return {"quantity": int(said), "was": item.quantity}


def _reminder(
    fields: Fields, chosen: Sequence[Item], today: date, faults: list[Fault]
) -> date | None:
    earliest, latest = reminders(chosen, today)
    day = read_day(first(fields, "until"))
    if day is None or not earliest <= day <= latest:
        bounds = {"first": earliest, "last": latest}
        faults.append(Fault("until", "choose-day", bounds))
        return None
    return day


def reminders(items: Sequence[Item], today: date) -> tuple[date, date]:
    """The first and the last day on which all of these can be reminded of."""
    latest = min((item.last_reminder(today) for item in items), default=today + AFTER_EXPIRY)
    return today + _DAY, latest


def read_day(text: str) -> date | None:
    """``2027-03-31`` → a date; ``None`` for anything else."""
    if not _ISO.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def read_wishes(
    fields: Fields, languages: Sequence[str], today: date
) -> tuple[Wishes | None, list[Fault]]:
    """What the preference page says, or everything that is wrong with it."""
    if first(fields, "action") == "leave":
        return Wishes(False, False, _language(fields, languages), None), []
    until, said = None, first(fields, "pause")
    if said:
        until, last = read_day(said), today + LONGEST_PAUSE
        if until is None or not today < until <= last:
            return None, [Fault("pause", "choose-day", {"first": today + _DAY, "last": last})]
    wishes = Wishes(
        bool(first(fields, "offers")),
        bool(first(fields, "questions")),
        _language(fields, languages),
        until,
    )
    return wishes, []


def _language(fields: Fields, languages: Sequence[str]) -> str | None:
    said = first(fields, "language")
    return said if said in languages else None


def preferred(header: str, languages: Sequence[str]) -> str | None:
    """The best of ``languages`` for an Accept-Language header; ``None`` when none fits."""
    found: list[tuple[float, int, str]] = []
    for place, part in enumerate(header[:500].split(",")):
        tag, _, weight = part.strip().partition(";")
        language = tag.strip().lower().split("-")[0]
        if language in languages:
            found.append((-_weight(weight), place, language))
    return min(found)[2] if found and min(found)[0] < 0 else None


def _weight(text: str) -> float:
    said = re.fullmatch(r"\s*q=([01](?:\.[0-9]{0,3})?)\s*", text)
    return float(said[1]) if said else 1.0


def _once(faults: Sequence[Fault]) -> list[Fault]:
    """One fault for each field."""
    return list({fault.name: fault for fault in reversed(faults)}.values())[::-1]

"""What a client's answer asks of our people: the words of a task. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from worker.clients.rules import KINDS, STOPPING

PREFIX = "answer:"
KIND = "answer"
_NAMED = 3  # licences that a title names
ASKS = {
    "renew": "renew as it is",
    "quantity": "change the quantity",
    "quote": "send a quote",
    "remind": "remind later",
    "decline": "will not renew",
    "colleague": "for a colleague",
}
REASONS = {
    "price": "the price",
    "not-needed": "not needed any more",
    "other-product": "another product",
    "budget": "no budget",
    "rather-not-say": "the client would rather not say",
}
Said = tuple[str, Mapping[str, Any]]
"""Kind and detail of an answer."""


@dataclass(frozen=True, slots=True)
class Person:
    """Who answered. Nothing of it is in a title, so that a person's data can be taken out again."""

    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class About:
    """One licence that was answered about."""

    key: str
    product: str | None
    expires_on: date
    price: str
    said: Said


def key_of(mail_key: str, contact_id: int) -> str:
    """The key of the one task that holds what a person answered to a mail."""
    return f"{PREFIX}{mail_key}:{contact_id}"


def title(account: str, abouts: Sequence[About]) -> str:
    """``Blue Harbour Foods: renew as it is (L-1, L-2)``."""
    parts = []
    for kind in KINDS:
        keys = [about.key for about in abouts if about.said[0] == kind]
        if keys:
            more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
            parts.append(f"{ASKS[kind]} ({', '.join(keys[:_NAMED])}{more})")
    return f"{account}: {'; '.join(parts)}"


def detail(person: Person | None, abouts: Sequence[About], at: datetime) -> str:
    """Everything that is needed to act on it, a line each; without a ``person``, nothing that is
    personal."""
    lines = [_line(about) for about in abouts]
    lines += _notes(abouts) if person else []
    if person:
        who = " ".join(filter(None, (person.name, f"<{person.email}>" if person.email else "")))
        lines.append(f"Answered by {who}, {at:%Y-%m-%d %H:%M} UTC.")
    if any(about.said[0] in STOPPING for about in abouts):
        lines.append("Mails about what is asked for rest until this task is closed.")
    return "\n".join(lines)


def _line(about: About) -> str:
    kind, said = about.said
    product = f" {about.product}" if about.product else ""
    asked = ASKS[kind]
    if kind == "quantity":
        before = f"from {said['was']} " if said.get("was") is not None else ""
        asked += f" {before}to {said['quantity']}"
    elif kind == "remind":
        asked += f", on {said['until']}; mails rest until then"
    elif kind == "decline":
        asked += f", because: {REASONS.get(said.get('reason', ''), 'no reason given')}"
    price = f", {about.price}" if about.price else ""
    return f"{about.key}{product}, expires on {about.expires_on}{price}: {asked}"


def _notes(abouts: Sequence[About]) -> list[str]:
    """What was written in the client's own words, once each."""
    found: dict[str, None] = {}
    for about in abouts:
        said = about.said[1]
        if said.get("who"):
            found[f"The colleague: {said['who']}"] = None
        if said.get("note"):
            found[f"Note: {said['note']}"] = None
    return list(found)

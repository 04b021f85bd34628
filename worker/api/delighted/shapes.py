"""Rows as Delighted writes them: ids are texts, moments Unix seconds. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from worker.api.delighted.said import seconds
from worker.api.delighted.store import beginning
from worker.kernel.keys import digest
from worker.surveys import rules

_TOLD = ("account", "role", "segment", "product", "language", "schedule")
"""What we know of an answer ourselves; it stands among the properties where nobody else said it."""


def person(row: Any) -> dict[str, Any]:
    """A contact as a person. There is no day on which a contact came; it is that of the last
    change, so that whoever asks for what is new hears of it."""
    return {
        "id": row.key,
        "name": row.name,
        "email": row.email,
        "phone_number": None,
        "created_at": seconds(row.updated_at),
        "last_sent_at": seconds(row.sent_at),
        "last_responded_at": seconds(row.answered_at),
        "next_survey_scheduled_at": seconds(row.coming_at),
    }


def member(row: Any, request: Any | None) -> dict[str, Any]:
    """A person of whom a schedule has asked, and what comes next for it."""
    coming = None
    if request is not None:
        coming = {
            "id": str(request.id),
            "created_at": seconds(request.made_at),
            "survey_scheduled_at": seconds(request.next_at),
            "properties": request.properties,
        }
    moment = seconds(row.updated_at)
    told = {"created_at": moment, "updated_at": moment}
    return told | {"person": person(row), "next_survey_request": coming}


def silent(row: Any, when: str) -> dict[str, Any]:
    """Somebody who is not asked; ``when`` is the name of the moment."""
    return {"person_id": row.key, "email": row.email, "name": row.name, when: seconds(row.at)}


def answer(
    row: Any, people: Mapping[int, Any], expand: Collection[str], base_url: str, zone: ZoneInfo
) -> dict[str, Any]:
    """An answer. Who gave it is told of a named one alone; an answer of which the day alone may be
    known has that day's first moment."""
    named = row.promise == rules.NAMED
    made = row.answered_at or beginning(row.answered_on, zone)
    changed = (row.changed_at if named else None) or made
    who: Any = row.person if named else None
    if "person" in expand and row.contact_id in people and named:
        who = person(people[row.contact_id])
    notes = row.notes or []
    return {
        "id": str(row.id),
        "person": who,
        "survey_type": "nps",
        "score": row.score,
        "comment": row.comment,
        "permalink": f"{base_url.rstrip('/')}/surveys/answers/{row.id}",
        "created_at": seconds(made),
        "updated_at": seconds(changed),
        "person_properties": _properties(row),
        "notes": notes if "notes" in expand else [one["id"] for one in notes],
        "tags": row.tags or [],
        "additional_answers": [_further(row.id, *one) for one in (row.follow_up or {}).items()],
    }


def _properties(row: Any) -> dict[str, str]:
    ours = {name: getattr(row, name) for name in _TOLD}
    known = {name: value for name, value in ours.items() if value}
    return known | (row.occasion or {}) | (row.properties or {})


def _further(number: int, question: str, given: str) -> dict[str, Any]:
    asked = {"id": digest(question), "type": "free_response", "text": question}
    return {
        "id": digest(f"{number}\n{question}"),
        "value": {"free_response": given},
        "question": asked,
    }


def note(text: str, by: str | None, now: datetime, place: int) -> dict[str, Any]:
    """A note on an answer, as it is kept."""
    return {
        "id": str(place),
        "text": text,
        "user_email": by,
        "created_at": seconds(now),
    }

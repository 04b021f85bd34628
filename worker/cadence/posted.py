"""A letter that is no step of a walk, for people to read: as its judge would let it go now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence.addressed import Judge, Post
from worker.cadence.letterhead import Letter, Letterhead, write
from worker.cadence.library import Defaults
from worker.channels.contract import Mail
from worker.kernel.dates import USUAL_ALLOWANCE
from worker.kernel.errors import FindingsError
from worker.outbox.rules import Go
from worker.outbox.store import Message
from worker.templating import mime
from worker.templating.render import Renderer, RenderError


@dataclass(frozen=True, slots=True)
class House:
    """Who judges letters, by their origin, and the templates that they are written from."""

    judges: Mapping[str, Judge]
    texts: Callable[[], Renderer]


def as_it_reads(
    conn: Connection,
    copy: Any,
    house: House,
    letterhead: Letterhead,
    defaults: Defaults,
    now: datetime,
) -> Mail:
    """A row of the ledger that is a letter, written with the contact and the templates of today; in
    the language in which it left, if it did.

    Raises ``FindingsError`` when it would not go, or cannot be written.
    """
    message = Message(**{name: getattr(copy, name) for name in Message._fields})
    post = Post(house.judges, defaults, letterhead.view, USUAL_ALLOWANCE)
    found = post.read(conn, [message], now)
    if not found:
        raise FindingsError("Its contact is not in the book any more.")
    verdict = post.judged(conn, message.origin, found, now)[message.id]
    if not isinstance(verdict, Go):
        raise FindingsError(f"It would not go now: {verdict.reason}.")
    context = verdict.context()
    languages = tuple(filter(None, (copy.language, *verdict.languages)))
    to = mime.addressed(context.contact.name, message.address)
    letter = Letter(
        message.mail_key, to, verdict.template, languages, contact_id=found[0].contact.id
    )
    try:
        return write(house.texts(), letterhead, letter, context, now)
    except RenderError as error:
        raise FindingsError(f"{verdict.template} cannot be written.", (error.problem,)) from error

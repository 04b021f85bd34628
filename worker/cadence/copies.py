"""A mail as it was sent, for people to read: from its file where there is one, else written anew.

Links in mails open a client's own page without a sign-in. What is shown to our people has them
taken out: nobody answers for a client by a slip of the hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime
from pathlib import Path
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence import ladder, load, mails, people_store, posted, store
from worker.cadence.aiming import Aim
from worker.cadence.kinds.contract import Action
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults, library_of
from worker.cadence.posted import House
from worker.cadence.rules import Decision
from worker.channels.contract import Envelope, Mail
from worker.channels.folder import FolderChannel
from worker.kernel.errors import FindingsError
from worker.outbox.records import STEP
from worker.outbox.rules import ACCEPTED, DUE
from worker.schedules.calendar import SLOT
from worker.templating.own import Own

_LINK = re.compile(r"(/[a-z])/[A-Za-z0-9_.~-]{24,}")
_NAMES = ("From", "To", "Reply-To", "Subject", "Date", "Message-ID", "List-Unsubscribe")

_OF_THE_LEAVING = ("Date", "Message-ID")

KEPT = "This is the file that was written when it was sent."
ANEW = (
    "The text is not kept by this way out. It is written anew here from the templates that it was "
    "sent with, about the licences and the contact as they are in the book today."
)
TRIED = (
    "This is what it said when it was tried last, written anew here from its templates, about the "
    "licences and the contact as they are in the book today."
)
NOW = "It has not left. This is how it would leave now."
LATER = "It has not left. This is how it would leave on its day, {:%a %-d %b %Y}."


@dataclass(frozen=True, slots=True)
class Shown:
    """A mail's headers and texts, the names of what goes along, and where all that comes from."""

    headers: Sequence[tuple[str, str]]
    text: str
    html: str
    attachments: Sequence[str]
    origin: str


def as_sent(
    conn: Connection,
    copy: Any,
    house: House,
    letterhead: Letterhead,
    defaults: Defaults,
    folder: Path,
) -> Shown:
    """One copy of a mail that left, or of which the last attempt is known: whoever must say whether
    it left has to know what it says.

    ``folder`` is that of the ``file`` channel. Raises ``FindingsError`` when it cannot be shown.
    """
    if copy.channel == FolderChannel.name and copy.state == ACCEPTED:
        kept = _kept(copy, folder)
        if kept is not None:
            return _read(kept, KEPT)
    at = copy.accepted_at or copy.started_at
    if at is None:
        raise FindingsError("It never left, so there is no text of it.")
    origin = ANEW if copy.accepted_at else TRIED
    if copy.origin != STEP:
        return _shown(posted.as_it_reads(conn, copy, house, letterhead, defaults, at), origin)
    return _shown(_anew(conn, copy, letterhead, defaults, at), origin)


def as_it_would_go(
    conn: Connection,
    copy: Any,
    house: House,
    letterhead: Letterhead,
    defaults: Defaults,
    now: datetime,
) -> Shown:
    """A copy that waits, with the licences, the contact and the templates of today, as of the
    moment at which it leaves."""
    at = max(now, copy.next_at or now) if copy.state == DUE else now
    when = NOW if at == now else LATER.format(at.date())
    if copy.origin != STEP:
        return _shown(posted.as_it_reads(conn, copy, house, letterhead, defaults, at), when)
    return _shown(mails.as_it_would_go(conn, copy.mail_key, letterhead, defaults, at), when)


def _kept(copy: Any, folder: Path) -> bytes | None:
    envelope = Envelope(copy.mail_key, copy.address, copy.day, copy.schedule, copy.step)
    try:
        return FolderChannel(folder).path(envelope).read_bytes()
    except OSError:
        return None  # moved away, or on another machine


def _anew(
    conn: Connection, copy: Any, letterhead: Letterhead, defaults: Defaults, at: datetime
) -> Mail:
    rows = store.walks_of_mails(conn, [copy.mail_key])
    people = people_store.contacts_by_id(conn, [copy.contact_id] if copy.contact_id else [])
    if not rows or not people:
        raise FindingsError("Its licences or its contact are not in the book any more.")
    inforce = library_of(conn).version(conn, copy.version_id)
    writing = mails.Writing(letterhead, defaults, at)
    told = mails.Told(copy.mail_key, copy.address, copy.template, copy.language)
    return mails.written(conn, told, rows, people[0], inforce, writing)


def _shown(mail: Mail, origin: str) -> Shown:
    """A mail from its parts: to write it as bytes and read these again would take far longer."""
    parts = mail.parts
    given: dict[str, Any] = {
        "From": parts.sender,
        "To": parts.to,
        "Reply-To": parts.reply_to,
        "Subject": parts.subject,
        "Date": format_datetime(parts.date),
        **parts.headers,
    }
    headers = [(name, masked(str(given[name]))) for name in _NAMES if given.get(name)]
    names = [file.name for file in parts.attachments]
    return Shown(headers, masked(parts.text), masked(parts.html), names, origin)


def _read(raw: bytes, origin: str) -> Shown:
    mail = message_from_bytes(raw, policy=default)
    assert isinstance(mail, EmailMessage)
    headers = [(name, masked(str(mail[name]))) for name in _NAMES if mail[name]]
    names = [part.get_filename() or "" for part in mail.iter_attachments()]
    return Shown(headers, _part(mail, "plain"), _part(mail, "html"), names, origin)


def _part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    return masked(str(body.get_content())) if body is not None else ""


def masked(text: str) -> str:
    """A mail's text without the client's own links, which open pages that need no sign-in."""
    return _LINK.sub(r"\1/…", text)


# --- one that was not decided yet ---


@dataclass(frozen=True, slots=True)
class Outlook:
    """A planned mail: the addresses that it goes to today, why to nobody, and how it reads."""

    addresses: Sequence[str]
    silenced: str | None
    shown: Shown | None
    why_not: str = ""


def outlook(
    conn: Connection,
    aim: Aim,
    letterhead: Letterhead,
    defaults: Defaults,
    now: datetime,
    own: Own | None = None,
) -> Outlook:
    """To whom a planned mail would go as of today, and in which words on its own day: ``own``
    instead of those that stand. Before it is decided it is shown with its own licence; others may
    travel along."""
    waits = [copy for copy in aim.copies if copy.state == DUE]
    rows = store.walks_of_mails(conn, [aim.decided.mail_key]) if aim.decided and waits else []
    rung = _rung(conn, aim, now)
    people = rung.contacts
    if not people:
        return Outlook((), rung.silenced or "no-reachable-contact", None)
    given = rows or [store.planned(conn, aim.row.walk_id, aim.step)]
    addresses = [copy.address for copy in waits] or [person.email for person in people]
    told = mails.Told("preview", addresses[0], aim.item.step.template or "", None, own)
    at, today = aim.leaves_at(now), aim.line.calendar.today
    writing = mails.Writing(letterhead, defaults, at)
    try:
        mail = mails.written(conn, told, given, people[0], aim.inforce, writing)
    except FindingsError as error:
        return Outlook(addresses, None, None, str(error))
    shown = _shown(mail, NOW if today(at) == today(now) else LATER.format(today(at)))
    headers = [(name, value) for name, value in shown.headers if name not in _OF_THE_LEAVING]
    return Outlook(addresses, None, replace(shown, headers=headers))


def _rung(conn: Connection, aim: Aim, now: datetime) -> ladder.Rung:
    at = max(now, aim.item.opens_at + aim.slot * SLOT)
    decision = Decision(aim.item.step, "planned", None, aim.item.due_on, at)
    walk = load.walk_of(
        aim.row, aim.inforce, aim.line, aim.row.walk_first_act_at, anchor=aim.anchor
    )
    people = ladder.People.around(conn, [aim.row])
    return people.rung(Action(aim.row, decision, walk, aim.inforce.version_id))

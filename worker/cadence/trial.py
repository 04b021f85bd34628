"""One mail tried out: from the templates as they lie in their files, about licences of the book or
samples. Nothing of it is remembered, and no client gets it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from email.headerregistry import Address
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row, select
from sqlalchemy.engine import Connection

from worker.cadence import people_store
from worker.cadence.letterhead import Letter, Letterhead, write
from worker.cadence.letters import managers, writer
from worker.cadence.library import Defaults
from worker.cadence.records import LICENCE
from worker.cadence.triggers import TRIGGERS
from worker.catalogue.records import accounts, contacts, licences
from worker.channels.contract import Channel, Envelope, Mail, Outcome
from worker.db import bulk
from worker.kernel.errors import (
    DependencyDownError,
    FindingsError,
    Problem,
    UsageError,
    did_you_mean,
)
from worker.kernel.keys import new_mail_key
from worker.schedules.loader import load_folder
from worker.schedules.model import SURVEYS, Schedule
from worker.templating import mime, samples, texts
from worker.templating.check import check_texts
from worker.templating.context import (
    AccountView,
    Asked,
    ContactView,
    LicenceView,
    MailClass,
    MailContext,
    SenderView,
)
from worker.templating.render import Renderer, RenderError

NOBODY = "client@example.com"
"""Stands in for the address of an account that has no contact."""
MARK = "[TEST] "


@dataclass(frozen=True, slots=True)
class Script:
    """A mail's template as it lies in the files, with all that is wrong with it."""

    template: str
    renderer: Renderer
    problems: tuple[Problem, ...]
    mail_class: MailClass
    promise: str | None = None
    """What those who answer its question are promised; ``None`` when it asks none."""
    about_licences: bool = True
    """Whether it speaks of licences; mails of walks without one and letters do not."""

    def sent_as(self, mail_class: MailClass | None) -> Script:
        """The same as a mail of that class; ``UsageError`` for one that cannot be."""
        if mail_class == "contractual" and not self.about_licences:
            raise UsageError(
                f"{self.template} speaks of no licence, and a contractual mail speaks of one. "
                "Leave --class out, or say commercial or survey."
            )
        return replace(self, mail_class=mail_class) if mail_class else self

    def language(self, wanted: str | None) -> str | None:
        """``wanted`` if the mail is written in it; ``UsageError`` if not."""
        if wanted is not None and wanted not in self.renderer.languages(self.template):
            there = ", ".join(self.renderer.languages(self.template))
            raise UsageError(f"{self.template} is not written in {wanted!r}; there are: {there}")
        return wanted


@dataclass(frozen=True, slots=True)
class Subject:
    """What a trial speaks of: a context, and its account's and contact's languages, best first."""

    context: MailContext
    languages: tuple[str, ...] = ()
    stand_in: bool = False
    """Whether the account has no contact and ``NOBODY`` stands in for one."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A mail that went to a tester: which, and where the channel put it."""

    mail: Mail
    envelope: Envelope
    detail: str


def read_script(root: Path, template: str) -> Script:
    """The mail ``template`` of ``root/templates``.

    Its class is that of the first schedule in the files that sends it, else contractual. Raises
    ``UsageError`` when there is no such mail, and ``TemplatesError`` when files cannot be read.
    """
    found = texts.read_folder(root / "templates")
    known = texts.mails(found)
    if template not in known:
        there = ", ".join(sorted(known)) or "none"
        hint = did_you_mean(template, known, otherwise=f"there are: {there}")
        raise UsageError(f"There is no mail templates/{template}; {hint}")
    own = texts.needed(found, template)
    schedules = load_folder(root / "schedules", root / "templates").schedules
    sending = [one for one in schedules.values() if template in one.templates]
    asks, told = template.startswith(SURVEYS), template in samples.LETTERS
    about = {TRIGGERS[one.trigger].subject for one in sending}
    return Script(
        template,
        Renderer(own),
        tuple(check_texts(own)),
        sending[0].mail_class if sending else "survey" if asks or told else "contractual",
        _promise(sending, template) if asks else None,
        LICENCE in about or not (about or told),
    )


def _promise(sending: Iterable[Schedule], template: str) -> str:
    """The promise of the first step in the files that asks this question."""
    asking = [step for one in sending for step in one.steps if step.template == template]
    return str(asking[0].keys.promise) if asking else "named"


def subject_of(
    conn: Connection,
    keys: Sequence[str],
    letterhead: Letterhead,
    defaults: Defaults,
    now: datetime,
    step: str,
) -> Subject:
    """The licences with these ``keys``, all of one account, as a mail of today would show them.

    Raises ``FindingsError`` for a key that the book does not have, and ``UsageError`` when the
    licences belong to several accounts.
    """
    rows = _licences(conn, keys)
    account = rows[0]
    if len({row.account_id for row in rows}) > 1:
        told = ", ".join(f"{row.key} to {row.account_key}" for row in rows)
        raise UsageError(f"One mail is about one account, but these belong to several: {told}")
    contact = _contact(conn, account.account_id)
    languages = (contact.language if contact else None, account.language, defaults.language)
    today = now.astimezone(ZoneInfo(account.timezone or defaults.timezone)).date()
    context = MailContext(
        today,
        AccountView(account.account_name, account.account_key),
        _person(contact),
        tuple(_view(row, today) for row in rows),
        _writer(conn, account, letterhead),
        step,
    )
    return Subject(context, tuple(filter(None, languages)), contact is None)


def written(
    script: Script, subject: Subject, letterhead: Letterhead, language: str | None, now: datetime
) -> Mail:
    """The mail as the contact would get it.

    Raises ``FindingsError`` with every problem of the template when it cannot be written.
    """
    contact = subject.context.contact
    to = mime.addressed(contact.name, contact.email)
    return _write(script, subject, letterhead, to, language, now)


def send(
    script: Script,
    subject: Subject,
    letterhead: Letterhead,
    channel: Channel,
    address: str,
    language: str | None,
    now: datetime,
) -> Sent:
    """Sends one such mail, marked as a trial, to ``address`` and to nobody else.

    Raises ``FindingsError`` when it cannot be written or was refused, ``UsageError`` for an
    address that is none, and ``DependencyDownError`` when the channel could not take it.
    """
    try:
        to = mime.addressed(None, address)
    except ValueError as error:
        raise UsageError(f"{address!r} is not one mail address") from error
    mail_key = new_mail_key(now)
    mail = _write(script, subject, letterhead, to, language, now, mail_key, MARK)
    step = script.template.rpartition("/")[2]
    envelope = Envelope(mail_key, to.addr_spec, subject.context.today, "send-test", f"test-{step}")
    result = channel.send(envelope, mail, now)
    if result.outcome in (Outcome.NOT_SENT, Outcome.SHUT):
        raise DependencyDownError(f"The channel {channel.name} did not take it: {result.detail}")
    if result.outcome is Outcome.REFUSED:
        raise FindingsError(f"The channel {channel.name} refused it: {result.detail}")
    if result.outcome is Outcome.UNKNOWN:
        raise FindingsError(f"It may have gone out or not: {result.detail}. Look into the inbox.")
    return Sent(mail, envelope, result.provider_id or result.detail)


def _write(
    script: Script,
    subject: Subject,
    letterhead: Letterhead,
    to: Address,
    language: str | None,
    now: datetime,
    mail_key: str = "preview",
    mark: str = "",
) -> Mail:
    wanted = script.language(language)
    languages = [wanted] if wanted else list(subject.languages)
    letter = Letter(mail_key, to, script.template, languages, mark)
    context = _fitted(script, subject.context, mail_key)
    try:
        return write(script.renderer, replace(letterhead, redirect_to=None), letter, context, now)
    except RenderError as error:
        problems = script.problems or (error.problem,)
        raise FindingsError(f"{script.template} cannot be written.", problems) from error


def _fitted(script: Script, context: MailContext, mail_key: str) -> MailContext:
    """``context`` with what a mail of this kind speaks of besides, and without what it does not."""
    told = script.template in samples.LETTERS
    return replace(
        context,
        licences=context.licences if script.about_licences else (),
        mail_class=script.mail_class,
        survey=Asked(mail_key, script.promise) if script.promise else None,
        feedback=samples.feedback(context.today) if told else None,
    )


def _licences(conn: Connection, keys: Sequence[str]) -> Sequence[Row[Any]]:
    """The rows of these licences with those of their accounts, in the order of ``keys``."""
    names = ("key", "name", "renewal_manager", "account_manager", "timezone", "language")
    account = [accounts.c[name].label(f"account_{name}") for name in names[:4]]
    query = (
        select(licences, *account, *(accounts.c[name] for name in names[4:]))
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(bulk.among(licences.c.key, sorted(set(keys))))
    )
    found = {row.key: row for row in conn.execute(query)}
    missing = [repr(key) for key in keys if key not in found]
    if missing:
        hint = "the key is the one that your source gives it"
        raise FindingsError(f"No licence {', '.join(missing)} is in the book; {hint}")
    return [found[key] for key in dict.fromkeys(keys)]


def _writer(conn: Connection, account: Any, letterhead: Letterhead) -> SenderView:
    """The human in whose name the mail really goes out."""
    staff = {person.key: person for person in people_store.staff_of(conn, managers([[account]]))}
    return writer(account, staff, letterhead.view)


def _contact(conn: Connection, account_id: int) -> Any:
    """The first contact of an account that has an address, or ``None``."""
    query = (
        select(contacts.c.name, contacts.c.email, contacts.c.role, contacts.c.language)
        .where(contacts.c.account_id == account_id, contacts.c.email.is_not(None))
        .order_by(contacts.c.id)
        .limit(1)
    )
    rows: list[Any] = list(conn.execute(query))
    return rows[0] if rows else None


def _person(contact: Any) -> ContactView:
    if contact is None:
        return ContactView(None, NOBODY)
    return ContactView(contact.name, contact.email, contact.role)


def _view(row: Row[Any], today: date) -> LicenceView:
    return LicenceView.from_row(row._asdict(), today)

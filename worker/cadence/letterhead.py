"""A mail as it leaves: in whose name, with which links, and all its headers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from email.headerregistry import Address
from email.utils import parseaddr
from functools import lru_cache
from urllib.parse import quote

from worker.channels.contract import Mail
from worker.links.rules import Links, Purpose
from worker.templating import hold, mime, own
from worker.templating.context import Asked, MailContext, SenderView
from worker.templating.own import NOTHING_OWN, Own
from worker.templating.render import Renderer

NO_PAGE = "https://pages.example.com/s/trial"
"""Where the question of a mail leads that is only tried, while no link key is set."""


@lru_cache(maxsize=64)  # of the few senders, asked for by each mail
def _parted(field: str) -> tuple[str, str]:
    """Name and address of an address field."""
    return parseaddr(field)


@dataclass(frozen=True, slots=True)
class Letterhead:
    """In whose name mails go out: full address fields.

    ``redirect_to``: the address that gets every mail instead of the client, if there is one.
    ``links``: what makes the links to clients' pages; without it mails carry none. ``trial``: no
    client gets these mails, so that a question may lead to a page that is none.
    """

    sender: str
    reply_to: str | None = None
    redirect_to: str | None = None
    links: Links | None = None
    trial: bool = False

    @property
    def view(self) -> SenderView:
        """Name and address apart; a sender without a name is called by the address."""
        name, email = _parted(self.sender)
        return SenderView(name or email, email)

    @property
    def domain(self) -> str:
        """The right side of our Message-IDs."""
        return _parted(self.sender)[1].rpartition("@")[2]

    def sender_of(self, person: SenderView) -> str:
        """The field From of a mail by ``person``: the human's name, the house's address."""
        return mime.address(person.name, _parted(self.sender)[1])

    def reply_to_of(self, person: SenderView) -> str | None:
        """Where answers go: to the human, whose address is known unless it is the house's."""
        if person.email and person.email != _parted(self.sender)[1]:
            return mime.address(person.name, person.email)
        return self.reply_to

    def unsubscribe_for(self, address: str) -> str:
        """The mailto address that takes ``address`` off the mails which are not contractual."""
        inbox = mime.parse_address(self.reply_to or self.sender).addr_spec
        return f"mailto:{inbox}?subject={quote(f'unsubscribe {address}')}"

    def page(self, purpose: Purpose, letter: Letter, now: datetime) -> str | None:
        """The link in this letter to a page of that purpose, if mails carry links."""
        if self.links is None:
            return None
        return self.links.url(purpose, letter.mail_key, letter.contact_id, now)


@dataclass(frozen=True, slots=True)
class Letter:
    """Which mail goes to whom; ``mark`` stands before the subject of a trial,
    whose links lead nowhere because no ledger knows it; ``own`` is what a person wrote for it."""

    mail_key: str
    to: Address
    template: str
    languages: Sequence[str]
    mark: str = ""
    contact_id: int = 0
    own: Own = NOTHING_OWN


def write(
    renderer: Renderer, letterhead: Letterhead, letter: Letter, context: MailContext, now: datetime
) -> Mail:
    """The whole mail: its text, its calendar entries, its headers.

    From and Reply-To are those of ``context.sender``. Where the letterhead makes links, the mail
    leads to the client's pages. One that is not contractual says how to unsubscribe, in a header
    and to its template; by one click (RFC 8058) where pages are served by https. Raises
    ``RenderError`` or ``ValueError`` when it must not leave as it is.
    """
    address = letter.to.addr_spec
    way_out, one_click = _ways_out(letterhead, letter, context, address, now)
    context = replace(
        context,
        unsubscribe=one_click or way_out,
        answer_url=_answer_page(letterhead, letter, context, now),
        preferences_url=letterhead.page(Purpose.PREFERENCES, letter, now),
        survey=_question(letterhead, letter, context.survey, now),
    )
    rendered = renderer.render(letter.template, letter.languages, context)
    rendered = own.added(rendered, letter.own)
    rendered = replace(rendered, subject=letter.mark + rendered.subject)
    sender, domain = letterhead.sender_of(context.sender), letterhead.domain
    elsewhere = letterhead.redirect_to
    recipient = mime.parse_address(elsewhere) if elsewhere else letter.to
    parts = mime.draft(
        letter.mail_key,
        sender=sender,
        recipient=recipient,
        reply_to=letterhead.reply_to_of(context.sender),
        rendered=rendered,
        domain=domain,
        date=now,
        attachments=hold.attachments(rendered.holds, sender=sender, domain=domain, now=now),
        unsubscribe=way_out,
        one_click=one_click if (one_click or "").startswith("https:") else None,
        intended_for=address if elsewhere else None,
    )
    return Mail(rendered.subject, rendered.language, parts, recipient.addr_spec)


def _ways_out(
    letterhead: Letterhead, letter: Letter, context: MailContext, address: str, now: datetime
) -> tuple[str | None, str | None]:
    """How to get no more mails like this one: a mailto address, and a page if mails carry links."""
    if context.mail_class == "contractual":
        return None, None
    way_out = context.unsubscribe or letterhead.unsubscribe_for(address)
    return way_out, letterhead.page(Purpose.UNSUBSCRIBE, letter, now)


def _answer_page(
    letterhead: Letterhead, letter: Letter, context: MailContext, now: datetime
) -> str | None:
    """A question of its own asks for its own answer: surveys do not lead to this page, and a mail
    without licences has nothing to answer there."""
    if context.mail_class == "survey" or not context.licences:
        return None
    return letterhead.page(Purpose.ANSWER, letter, now)


def _question(
    letterhead: Letterhead, letter: Letter, asked: Asked | None, now: datetime
) -> Asked | None:
    """A reminder leads to the same page as the mail that asked."""
    if asked is None or asked.url:
        return asked
    about = replace(letter, mail_key=asked.mail_key)
    url = letterhead.page(Purpose.SURVEY, about, now)
    return replace(asked, url=url or (NO_PAGE if letterhead.trial else None))

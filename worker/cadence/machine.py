"""The engine and the ledger, put together. Production and rehearsal run the same machine: only
the clock, the channel and the database differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from time import sleep
from urllib.parse import quote

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.cadence import flow
from worker.cadence.addressed import NOBODY as NO_JUDGES
from worker.cadence.addressed import Judge
from worker.cadence.flow import Planning
from worker.cadence.kinds import webhook
from worker.cadence.library import Defaults, Library
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.recheck import Rechecker
from worker.channels.contract import Channel, Mail
from worker.db.engine import reading
from worker.kernel.clock import Clock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.links.rules import Links, Purpose
from worker.outbox import flow as outbox
from worker.outbox import settling
from worker.outbox.rules import Go, Trouble
from worker.outbox.sending import Compose, Refused, Sending
from worker.outbox.store import Message
from worker.templating import hold, mime, own
from worker.templating.context import Asked, MailContext, SenderView
from worker.templating.current import Current
from worker.templating.own import NOTHING_OWN, Own
from worker.templating.render import Renderer
from worker.webhooks import flow as webhooks
from worker.webhooks.flow import Calling, Outside
from worker.webhooks.rehearsal import NOBODY
from worker.worklist import store as worklist

NO_PAGE = "https://pages.example.com/s/trial"
"""Where the question of a mail leads that is only tried, while no link key is set."""


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
        name, email = parseaddr(self.sender)
        return SenderView(name or email, email)

    @property
    def domain(self) -> str:
        """The right side of our Message-IDs."""
        return parseaddr(self.sender)[1].rpartition("@")[2]

    def sender_of(self, person: SenderView) -> str:
        """The field From of a mail by ``person``: the human's name, the house's address."""
        return mime.address(person.name, parseaddr(self.sender)[1])

    def reply_to_of(self, person: SenderView) -> str | None:
        """Where answers go: to the human, whose address is known unless it is the house's."""
        if person.email and person.email != parseaddr(self.sender)[1]:
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
class Machine:
    """Plans, sends and calls, a batch at a time."""

    planning: Planning
    sending: Sending
    calling: Calling

    def plan_batch(self, limit: int = flow.BATCH) -> int:
        """Handles changed licences and due walks; how many."""
        return flow.plan_batch(self.planning, limit)

    def follow_batch(self, limit: int = flow.BATCH) -> int:
        """Follows what changed, and judges nothing; how much it was."""
        return flow.follow_batch(self.planning, limit)

    def advance_batch(self, limit: int = flow.BATCH) -> int:
        """Handles due walks, and follows nothing; how many."""
        return flow.advance_batch(self.planning, limit)

    def send_batch(self, limit: int = 200) -> int:
        """Claims and sends due mails; how many were claimed."""
        return outbox.send_batch(self.sending, limit)

    def call_batch(self, limit: int = 50) -> int:
        """Claims and makes due calls to other systems; how many were claimed."""
        return webhooks.call_batch(self.calling, limit)

    def sweep(self) -> int:
        """Ends dead leases and settles unknowns; how many moved."""
        return settling.sweep(self.sending)


@dataclass(frozen=True, slots=True)
class Guards:
    """What holds the machine back until a person has looked. Without any, as in a rehearsal,
    nothing does: approvals are taken as given."""

    planning: Callable[[Connection, datetime], bool] = lambda conn, now: False
    sending: Callable[[Connection, datetime], bool] = lambda conn, now: False
    stale: Callable[[Connection, datetime], Collection[str]] = lambda conn, now: ()
    noted: Callable[[Connection, Mapping[date, int], datetime], None] = lambda conn, days, now: None
    asks: bool = False


UNGUARDED = Guards()

USUAL_HOLD = timedelta(minutes=30)


def build(
    engine: Engine,
    clock: Clock,
    channel: Channel,
    *,
    defaults: Defaults,
    letterhead: Letterhead,
    lease: timedelta,
    hold: timedelta = USUAL_HOLD,
    gap: timedelta = timedelta(0),
    allowance: Allowance = USUAL_ALLOWANCE,
    quiet: Quiet = USUAL_QUIET,
    guards: Guards = UNGUARDED,
    outside: Outside = NOBODY,
    refused: Refused = lambda conn, message, result, now: None,
    judges: Mapping[str, Judge] = NO_JUDGES,
    texts: Callable[[], Renderer] | None = None,
    unread: bool = False,
    stop: Callable[[], bool] = lambda: False,
    wait: Callable[[float], object] = sleep,
    pause: Callable[[str], None] = lambda label: None,
) -> Machine:
    """Wires a machine on one database, one clock and one channel.

    Without an ``outside`` every call to another system counts as made, and nobody is called.
    ``hold`` is how long a mail of unknown fate waits for evidence, ``gap`` how far apart mails
    leave at least; ``refused`` hears of a mail that was refused for good. ``judges`` look at
    letters that are no step of a walk, by their origin, and ``texts`` gives their templates.
    ``unread``: what is sent reaches nobody and is read by nobody, so it is only recorded.
    """
    library = Library()
    pinned = _pinned(engine, library)
    current = texts or Current(Path("templates"))
    last_look = Rechecker(
        library,
        defaults,
        letterhead.view,
        allowance,
        guards.stale,
        guards.asks,
        judges,
        quiet,
        unread,
    )
    sending = Sending(
        engine=engine,
        clock=clock,
        channel=channel,
        recheck=last_look,
        compose=_composing(pinned, current, letterhead, in_parts=channel.in_parts),
        tell=_tell,
        calm=_calm,
        lease=lease,
        hold=hold,
        gap=gap,
        refused=refused,
        held=guards.sending,
        unread=unread,
        stop=stop,
        wait=wait,
        pause=pause,
    )
    return Machine(
        Planning(engine, clock, library, defaults, allowance, guards.planning, guards.noted, quiet),
        sending,
        webhook.calling(engine, clock, outside, stop=stop, pause=pause),
    )


def _pinned(engine: Engine, library: Library) -> Callable[[int], Renderer]:
    """The templates of a version, from the library or once from the database."""

    def pinned(version_id: int) -> Renderer:
        renderer = library.known(version_id)
        if renderer is None:
            with reading(engine) as conn:
                renderer = library.renderer(conn, version_id)
        return renderer

    return pinned


def _composing(
    pinned: Callable[[int], Renderer],
    current: Callable[[], Renderer],
    letterhead: Letterhead,
    *,
    in_parts: bool,
) -> Compose:
    """Writes a message with the templates that are pinned to its version; a letter has none, and
    takes those of the moment."""

    def compose(message: Message, go: Go, now: datetime) -> Mail:
        renderer = pinned(go.version_id) if go.version_id is not None else current()
        context = go.context()
        to = mime.address(context.contact.name, message.address)
        who = message.contact_id or 0
        letter = Letter(message.mail_key, to, go.template, go.languages, contact_id=who, own=go.own)
        mail = write(renderer, letterhead, letter, context, now)
        return mail if in_parts else mail.written()

    return compose


@dataclass(frozen=True, slots=True)
class Letter:
    """Which mail goes to whom, an address field; ``mark`` stands before the subject of a trial,
    whose links lead nowhere because no ledger knows it; ``own`` is what a person wrote for it."""

    mail_key: str
    to: str
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
    address = mime.parse_address(letter.to).addr_spec
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
    recipient = letterhead.redirect_to or letter.to
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
        intended_for=address if letterhead.redirect_to else None,
    )
    reached = mime.parse_address(recipient).addr_spec
    return Mail(rendered.subject, rendered.language, parts, reached)


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


def _tell(conn: Connection, trouble: Trouble, now: datetime) -> None:
    task = worklist.NewTask(trouble.key, "blocked-mail", trouble.title, trouble.detail)
    worklist.open_tasks(conn, [task], now)


def _calm(conn: Connection, key: str, now: datetime) -> None:
    worklist.close(conn, key, "it goes on", now)

"""The engine and the ledger, put together. Production and rehearsal run the same machine: only
the clock, the channel and the database differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parseaddr

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.cadence import flow
from worker.cadence.flow import Planning
from worker.cadence.kinds import webhook
from worker.cadence.library import Defaults, Library
from worker.cadence.recheck import Rechecker
from worker.channels.contract import Channel, Mail
from worker.db.engine import reading
from worker.kernel.clock import Clock
from worker.outbox import flow as outbox
from worker.outbox.flow import Sending
from worker.outbox.rules import Go, Trouble
from worker.outbox.store import Message
from worker.templating import mime
from worker.templating.context import SenderView
from worker.webhooks import flow as webhooks
from worker.webhooks.flow import Calling, Outside
from worker.webhooks.rehearsal import NOBODY
from worker.worklist import store as worklist


@dataclass(frozen=True, slots=True)
class Letterhead:
    """In whose name mails go out: full address fields."""

    sender: str
    reply_to: str | None = None

    @property
    def view(self) -> SenderView:
        """Name and address apart; a sender without a name is called by the address."""
        name, email = parseaddr(self.sender)
        return SenderView(name or email, email)

    @property
    def domain(self) -> str:
        """The right side of our Message-IDs."""
        return parseaddr(self.sender)[1].rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Machine:
    """Plans, sends and calls, a batch at a time."""

    planning: Planning
    sending: Sending
    calling: Calling

    def plan_batch(self, limit: int = flow.BATCH) -> int:
        """Handles changed licences and due walks; how many."""
        return flow.plan_batch(self.planning, limit)

    def send_batch(self, limit: int = 200) -> int:
        """Claims and sends due mails; how many were claimed."""
        return outbox.send_batch(self.sending, limit)

    def call_batch(self, limit: int = 50) -> int:
        """Claims and makes due calls to other systems; how many were claimed."""
        return webhooks.call_batch(self.calling, limit)

    def sweep(self) -> int:
        """Ends dead leases and settles unknowns; how many moved."""
        return outbox.sweep(self.sending)


def build(
    engine: Engine,
    clock: Clock,
    channel: Channel,
    *,
    defaults: Defaults,
    letterhead: Letterhead,
    lease: timedelta,
    outside: Outside = NOBODY,
    stop: Callable[[], bool] = lambda: False,
    pause: Callable[[str], None] = lambda label: None,
) -> Machine:
    """Wires a machine on one database, one clock and one channel.

    Without an ``outside`` every call to another system counts as made, and nobody is called.
    """
    library = Library()

    def compose(message: Message, go: Go, now: datetime) -> Mail:
        with reading(engine) as conn:
            renderer = library.renderer(conn, go.version_id)
        context = go.context()
        rendered = renderer.render(go.template, go.languages, context)
        raw = mime.compose(
            message.mail_key,
            sender=letterhead.sender,
            recipient=mime.address(context.contact.name, message.address),
            reply_to=letterhead.reply_to,
            rendered=rendered,
            domain=letterhead.domain,
            date=now,
        )
        return Mail(rendered.subject, rendered.language, raw)

    return Machine(
        Planning(engine, clock, library, defaults),
        Sending(
            engine=engine,
            clock=clock,
            channel=channel,
            recheck=Rechecker(library, defaults, letterhead.view),
            compose=compose,
            tell=_tell,
            lease=lease,
            stop=stop,
            pause=pause,
        ),
        webhook.calling(engine, clock, outside, stop=stop, pause=pause),
    )


def _tell(conn: Connection, trouble: Trouble, now: datetime) -> None:
    task = worklist.NewTask(trouble.key, "blocked-mail", trouble.title, trouble.detail)
    worklist.open_tasks(conn, [task], now)

"""The engine and the ledger, put together. Production and rehearsal run the same machine: only
the clock, the channel and the database differ."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from time import sleep

from sqlalchemy import Engine
from sqlalchemy.engine import Connection

from worker.cadence import flow, people_store
from worker.cadence.addressed import NOBODY as NO_JUDGES
from worker.cadence.addressed import Judge
from worker.cadence.flow import Planning
from worker.cadence.kinds import webhook
from worker.cadence.letterhead import Letter, Letterhead, write
from worker.cadence.library import Defaults, Library
from worker.cadence.quiet import USUAL_QUIET, Quiet
from worker.cadence.recheck import Rechecker
from worker.channels.contract import Channel, Mail
from worker.db.engine import reading
from worker.kernel.clock import Clock
from worker.kernel.dates import USUAL_ALLOWANCE, Allowance
from worker.outbox import flow as outbox
from worker.outbox import settling
from worker.outbox.rules import Go, Trouble
from worker.outbox.sending import Compose, Refused, Sending
from worker.outbox.store import Message
from worker.templating import mime
from worker.templating.current import Current
from worker.templating.render import Renderer
from worker.webhooks import flow as webhooks
from worker.webhooks.flow import Calling, Outside
from worker.webhooks.rehearsal import NOBODY
from worker.worklist import store as worklist
from worker.worklist.kinds import BLOCKED_MAIL


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
    library: Library | None = None,
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
    ``library``: one that knows the versions of this database already.
    """
    library = library or Library()
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
        to = mime.addressed(context.contact.name, message.address)
        who = message.contact_id or 0
        letter = Letter(message.mail_key, to, go.template, go.languages, contact_id=who, own=go.own)
        mail = write(renderer, letterhead, letter, context, now)
        return mail if in_parts else mail.written()

    return compose


def _tell(conn: Connection, trouble: Trouble, now: datetime) -> None:
    account_id = people_store.account_of(conn, trouble.contact_id)
    task = worklist.NewTask(trouble.key, BLOCKED_MAIL, trouble.title, trouble.detail, account_id)
    worklist.open_tasks(conn, [task], now)


def _calm(conn: Connection, key: str, now: datetime) -> None:
    worklist.close(conn, key, "it goes on", now)

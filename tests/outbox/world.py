"""A small book on a real database with a clock of its own, and the machine that mails from it."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, select

from tests.staff import OFFICE
from worker.access.rules import Role
from worker.bootstrap.ties import hear_closed
from worker.cadence import flow, machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import UNGUARDED, Guards, Machine
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.flow import import_source
from worker.catalogue.records import licences
from worker.channels.contract import Channel, Envelope, Mail, Outcome, Result
from worker.channels.folder import FolderChannel
from worker.config.settings import SourceSettings
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.outbox.records import messages
from worker.schedules.flow import read_drafts
from worker.worklist import flow as working
from worker.worklist import store as worklist
from worker.worklist.flow import More
from worker.worklist.records import tasks
from worker.worklist.rules import Hand

TEMPLATES = Path(__file__).parents[2] / "templates"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)  # a Friday
LEASE = timedelta(seconds=60)

SCHEDULE = """
name = "Licence renewal"
trigger = "licence-expiry"
class = "contractual"

[[audience]]
"licence.auto_renew" = false

[calendar]
timezone = "UTC"
hours = "09:00-17:00"
days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
holidays = "none"

[limits]
valid_for = "3 days"

[[steps]]
id = "heads-up"
when = "30 days before"
email = "renewal/heads-up"
to = ["decision-maker", "any"]

[[steps]]
id = "grace"
when = "3 days after"
email = "renewal/grace"
"""

ACCOUNT = {"entity": "account", "key": "{account}", "name": "{name}"}
LICENCE = {
    "entity": "licence",
    "key": "{licence}",
    "account": "{account}",
    "product": "{product}",
    "starts_on": "{start}",
    "expires_on": "{end}",
    "status": "{status}",
    "auto_renew": "{auto}",
}
MORE = {"notice": "notice_days", "closed": "closed_on"}
CONTACT = {
    "entity": "contact",
    "key": "{contact}",
    "account": "{account}",
    "email": "{email}",
    "role": "decision-maker",
}

_HEARING = More(hears=partial(hear_closed, timezone="UTC"))

NOTHING: Callable[[str], None] = lambda label: None  # noqa: E731 -- a default for pauses


class Scripted(FolderChannel):
    """A channel that answers what it is told to, one result after the other."""

    def __init__(self, inner: FolderChannel, *results: Result) -> None:
        super().__init__(inner.folder)
        self.results = list(results)

    def send(self, envelope: Envelope, mail: Mail | None, now: object) -> Result:
        return self.results.pop(0)

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return None


@dataclass
class World:
    """One book, one clock, one folder of mails."""

    engine: Engine
    root: Path
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(NOON))

    def __post_init__(self) -> None:
        shutil.copytree(TEMPLATES, self.root / "templates")
        (self.root / "schedules").mkdir()

    @property
    def folder(self) -> FolderChannel:
        return FolderChannel(self.root / "mails")

    # --- what the outside does ---

    def licence(self, key: str = "L-1", **said: str) -> None:
        """Imports a licence of an account of its own, on its own; by default due for a heads-up."""
        row = {
            "licence": key,
            "account": f"A-{key}",
            "name": f"Client {key}",
            "product": f"Product {key}",
            "start": "2025-12-20",
            "end": "2026-12-20",
            "status": "active",
            "auto": "no",
        } | said
        more = {field: f"{{{name}}}" for name, field in MORE.items() if name in said}
        self._load("licences", row, ACCOUNT, LICENCE | more)

    def contact(self, key: str = "C-1", *, licence: str = "L-1", email: str = "") -> None:
        """Imports a contact of the licence's account."""
        row = {"contact": key, "account": f"A-{licence}", "email": email or f"{key}@example.com"}
        self._load("people", row, CONTACT)

    def book(self, count: int) -> None:
        """``count`` licences of as many accounts, one contact each, all due for a heads-up."""
        lines = ["licence,account,name,product,start,end,status,auto,contact,email"]
        for number in range(count):
            key = f"L-{number}"
            lines.append(
                f"{key},A-{key},Client {number},Product {number},2025-12-20,2026-12-20,active,no,"
                f"C-{number},client{number}@example.com"
            )
        self._load_text("book", "\n".join(lines), ACCOUNT, LICENCE, CONTACT)

    def load_all(self, lines: Sequence[str]) -> None:
        """Imports many accounts, licences and contacts: CSV lines under the names of columns."""
        self._load_text("book", "\n".join(lines), ACCOUNT, LICENCE, CONTACT)

    def _load(self, name: str, row: dict[str, str], *loads: dict[str, str]) -> None:
        text = ",".join(row) + "\n" + ",".join(row.values()) + "\n"
        self._load_text(name, text, *loads)

    def _load_text(self, name: str, text: str, *loads: dict[str, str]) -> None:
        (self.root / f"{name}.csv").write_text(text, encoding="utf-8")
        source = SourceSettings(kind="csv", path=f"{name}.csv", load=[dict(one) for one in loads])
        report = import_source(self.engine, name, source, self.clock, self.root)
        assert report.problems == []

    def apply(self, text: str = SCHEDULE) -> None:
        """Puts a schedule in force, with the templates as they lie in the folder."""
        (self.root / "schedules/renewal.toml").write_text(text, encoding="utf-8")
        drafts, problems = read_drafts(self.root)
        assert problems == []
        flow.apply(self.engine, self.clock, drafts, OFFICE)

    def template(self, mail: str, text: str, *, part: str = "subject.txt") -> None:
        """Rewrites one part of a mail's English template."""
        (self.root / "templates" / mail / "en" / part).write_text(text, encoding="utf-8")

    # --- what we do ---

    def machine(
        self,
        *,
        channel: Channel | None = None,
        pause: Callable[[str], None] = NOTHING,
        guards: Guards = UNGUARDED,
    ) -> Machine:
        """A process of its own: nothing is remembered from another one."""
        return machine.build(
            self.engine,
            self.clock,
            channel or self.folder,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=LEASE,
            guards=guards,
            pause=pause,
        )

    def decide(self) -> None:
        """Plans until nothing is due."""
        machine = self.machine()
        while machine.plan_batch():
            pass

    def run(self, machine: Machine | None = None) -> None:
        """Sweeps, plans and sends until nothing is due now."""
        machine = machine or self.machine()
        machine.sweep()
        while machine.plan_batch() or machine.send_batch():
            pass

    def later(self, **span: float) -> None:
        """Time passes."""
        self.clock.advance(timedelta(**span))

    def close_tasks(self, kind: str, outcome: str) -> int:
        """A person closes every open task of a kind; how many there were."""
        with reading(self.engine) as conn:
            found = worklist.open_ones(conn, [kind])
        for task in found:
            given = task.id, task.version, outcome, "done", self.clock.now(), _HEARING
            working.close(self.engine, Hand(OFFICE, Role.ADMIN, None), *given)
        return len(found)

    # --- what came of it ---

    def mails(self) -> list[EmailMessage]:
        """The mails in the folder, in the order of their names."""
        paths = sorted(self.folder.folder.glob("*/*.eml"))
        found = [message_from_bytes(path.read_bytes(), policy=default) for path in paths]
        assert all(isinstance(mail, EmailMessage) for mail in found)
        return found  # type: ignore[return-value]  # the policy makes them so

    def addresses(self) -> list[str]:
        """To whom mails went, in order; an address that is there twice got two."""
        return sorted(mail["To"].addresses[0].addr_spec for mail in self.mails())

    def ledger(self) -> Sequence[Any]:
        """The rows of the ledger."""
        with reading(self.engine) as conn:
            return conn.execute(select(messages).order_by(messages.c.id)).all()

    def states(self) -> list[tuple[str, str | None]]:
        """State and reason of every message, in order."""
        return [(row.state, row.reason) for row in self.ledger()]

    def decisions(self, key: str = "L-1") -> dict[str, tuple[str, str | None]]:
        """Step -> decision and reason, as recorded for a licence."""
        query = (
            select(steps.c.step, steps.c.decision, steps.c.reason)
            .join(walks, walks.c.id == steps.c.walk_id)
            .join(licences, of_licence)
            .where(licences.c.key == key)
        )
        with reading(self.engine) as conn:
            return {row.step: (row.decision, row.reason) for row in conn.execute(query)}

    def tasks(self) -> list[tuple[str, str]]:
        """Kind and title of every open task."""
        query = select(tasks.c.kind, tasks.c.title).where(tasks.c.closed_at.is_(None))
        with reading(self.engine) as conn:
            return [(row.kind, row.title) for row in conn.execute(query.order_by(tasks.c.id))]

    def files_match_the_ledger(self) -> None:
        """Fails on a lie (accepted, no file) and on a phantom (a file that nobody recorded)."""
        channel = self.folder
        accepted = {
            channel.path(Envelope(row.mail_key, row.address, row.day, row.schedule, row.step))
            for row in self.ledger()
            if row.state == "accepted"
        }
        assert set(channel.folder.glob("*/*.eml")) == accepted

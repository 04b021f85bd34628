"""A provider in memory, workers that die or stand still, and what the book forbids: what the
machine that tries everything on the ledger (``test_ledger_machine.py``) is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from email import message_from_bytes
from email.policy import default
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.engine import Connection

from tests.events.world import EventWorld
from worker.cadence import machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import contacts, licences, preferences, stops, suppressions
from worker.channels.contract import Envelope, Mail, Outcome, Result
from worker.events import refusals

LEASE, HOLD = timedelta(seconds=60), timedelta(minutes=30)

ANSWERS: Mapping[str, tuple[bool, Outcome]] = {
    "ok": (True, Outcome.ACCEPTED),
    "cut off, and on its way": (True, Outcome.UNKNOWN),
    "cut off, and not sent": (False, Outcome.UNKNOWN),
    "refused": (False, Outcome.REFUSED),
    "bad address": (False, Outcome.REFUSED),
    "401": (False, Outcome.SHUT),
    "429": (False, Outcome.NOT_SENT),
    "no connection": (False, Outcome.NOT_SENT),
}
"""What an attempt may meet: whether the provider took the mail, and what we are told."""


class DiedError(BaseException):
    """The end of a process; nothing catches it."""


@dataclass(frozen=True)
class About:
    """What a mail speaks of: a licence, its term, a step."""

    licence: str
    cycle: int
    step: str


@dataclass(frozen=True)
class Left:
    """A mail that the provider accepted, and what was known when its sender had claimed it."""

    mail_key: str
    address: str
    subject: str
    at: datetime
    about: tuple[About, ...]
    forbidden: tuple[str, ...]
    text: int


@dataclass
class Claimed:
    """What the database said right after a claim; read from its tables, never from the planner."""

    licences: Mapping[str, Any]
    stopped: Collection[int]
    silent: Collection[str]
    opted_out: Collection[str]
    rests: Mapping[tuple[str, int], date | None]
    text: int
    today: date

    def forbids(self, address: str, about: Sequence[About], kind: str) -> list[str]:
        """Why this mail should not leave."""
        found = ["silent"] if address in self.silent else []
        if kind == "commercial" and address in self.opted_out:
            found.append("opted out")
        for one in about:
            now = self.licences[one.licence]
            said = {
                "renewed": now.term > one.cycle,
                "declined": now.declined_term == one.cycle,
                "cancelled": now.status != "active",
                "answered": now.id in self.stopped,
                "rests": self.today < (self.rests[one.licence, one.cycle] or date.min),
            }
            found += [name for name, is_so in said.items() if is_so]
        return found


def read_book(conn: Connection, text: int, today: date) -> Claimed:
    """The book as it stands."""
    gone = select(contacts.c.email).join(preferences).where(preferences.c.no_commercial)
    resting = select(licences.c.key, walks.c.cycle, walks.c.rests_until)
    resting = resting.join(walks, of_licence)
    standing = select(stops.c.subject_id).where(stops.c.lifted_at.is_(None))
    return Claimed(
        {row.key: row for row in conn.execute(select(licences))},
        set(conn.execute(standing).scalars()),
        set(conn.execute(select(suppressions.c.address)).scalars()),
        set(conn.execute(gone).scalars()),
        {(key, cycle): until for key, cycle, until in conn.execute(resting)},
        text,
        today,
    )


class Post:
    """The way out of one worker; ``answers`` come in turn, then all is well."""

    name, burst, proves, in_parts = "sendgrid", 1, True, False

    def __init__(self, world: Town, answers: Sequence[str]) -> None:
        self.world, self.answers = world, list(answers)
        self.claimed: Claimed | None = None

    def wants_text(self, envelope: Envelope) -> bool:
        return True

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        answer = self.answers.pop(0) if self.answers else "ok"
        took, outcome = ANSWERS[answer]
        assert mail is not None
        if took:
            self.world.take(self, envelope, mail)
        rest = now + timedelta(minutes=2) if answer == "429" else None
        return Result(
            outcome,
            provider_id=f"p-{len(self.world.left)}" if outcome is Outcome.ACCEPTED else None,
            detail=answer,
            pause_until=rest,
            retry_at=rest,
            bad_address=answer == "bad address",
        )

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return None

    def check(self) -> str | None:
        return None

    def close(self) -> None:
        pass


@dataclass
class Town(EventWorld):
    """The world of the machine: what the provider accepted, and the text that is in force."""

    left: list[Left] = field(default_factory=list)
    text: int = 0
    mail_class: str = "contractual"

    def __post_init__(self) -> None:
        (self.root / "schedules").mkdir()
        self.place = self.root / "templates/renewal/heads-up/en"
        self.place.mkdir(parents=True)
        for part in ("subject.txt", "body.txt", "body.html"):
            (self.place / part).write_text("{{ licence.key }}", encoding="utf-8")

    def reword(self) -> int:
        """Rewrites the template; it is in force once it is applied."""
        self.text += 1
        words = f"Text {self.text} {{{{ licence.key }}}}"
        (self.place / "subject.txt").write_text(words, encoding="utf-8")
        return self.text

    def take(self, post: Post, envelope: Envelope, mail: Mail) -> None:
        """The provider accepts a mail."""
        assert post.claimed is not None
        query = (
            select(licences.c.key, walks.c.cycle, steps.c.step)
            .join(walks, of_licence)
            .join(steps, steps.c.walk_id == walks.c.id)
            .where(steps.c.mail_key == envelope.mail_key)
        )
        with self.engine.connect() as conn:
            about = tuple(About(*row) for row in conn.execute(query))
        subject = str(message_from_bytes(mail.raw, policy=default)["Subject"])
        forbidden = post.claimed.forbids(envelope.address, about, self.mail_class)
        left = (envelope.mail_key, envelope.address, subject, self.clock.now(), about)
        self.left.append(Left(*left, tuple(forbidden), post.claimed.text))

    # --- workers ---

    def worker(
        self,
        answers: Sequence[str] = (),
        label: str = "",
        number: int = 1,
        then: Callable[[], None] | None = None,
    ) -> Machine:
        """A process; the ``number``-th time that it comes to ``label`` it does ``then`` or dies."""
        post, seen = Post(self, answers), Counter[str]()

        def pause(name: str) -> None:
            if name == "claimed":
                with self.engine.connect() as conn:
                    post.claimed = read_book(conn, self.in_force, self.clock.now().date())
            seen[name] += 1
            if name == label and seen[name] == number:
                if then is None:
                    raise DiedError
                then()

        return machine.build(
            self.engine,
            self.clock,
            post,
            defaults=Defaults(),
            letterhead=Letterhead("Renewals <renewals@example.com>"),
            lease=LEASE,
            hold=HOLD,
            refused=lambda conn, *said: refusals.hear(conn, "sendgrid", *said),
            pause=pause,
        )

    in_force: int = 0

    def dying_at_a_commit(self, number: int, works: Machine) -> None:
        """Works until the ``number``-th transaction should end, and dies there."""
        seen = Counter[str]()

        def reached(_conn: Connection) -> None:
            seen["commit"] += 1
            if seen["commit"] == number:
                raise DiedError

        event.listen(self.engine, "commit", reached)
        try:
            self.run(works)
        finally:
            event.remove(self.engine, "commit", reached)

    def account_for(self) -> None:
        """Fails where the ledger and the provider contradict each other, or a promise is broken."""
        rows = {(row.mail_key, row.address): row for row in self.ledger()}
        copies = Counter((one.mail_key, one.address) for one in self.left)
        for place, count in copies.items():
            assert place in rows, f"phantom: {place}"
            assert count <= 1 + rows[place].resends, f"doubled: {place} {rows[place]}"
        claimed = {place for place, row in rows.items() if row.state == "accepted"}
        assert claimed <= set(copies), f"lies: {claimed - set(copies)}"
        for one in self.left:
            assert one.forbidden == (), one
            assert one.subject.startswith(f"Text {one.text} "), one

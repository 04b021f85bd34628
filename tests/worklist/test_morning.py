"""The morning mail: to whom, when, once, and what it says when it is read back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, event, insert, select, update

from tests.processes import write_config
from tests.worklist.conftest import Office, hand, on
from worker.access.records import users
from worker.access.rules import Role
from worker.bootstrap import App
from worker.catalogue.records import staff
from worker.channels.contract import Envelope, Mail, Outcome, Result
from worker.config.settings import MailSettings, Settings, WebSettings, WorklistSettings
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.outbox import holds
from worker.worklist import briefing, flow, morning
from worker.worklist.morning import Post
from worker.worklist.records import briefings

EIGHT = datetime(2026, 11, 24, 8, tzinfo=UTC)  # a Tuesday
YESTERDAY = EIGHT - timedelta(days=1)


@dataclass
class Scripted:
    """A channel that keeps what it took, and answers what it is told to."""

    answers: list[Outcome] = field(default_factory=list)
    proof: Outcome | None = None
    taken: list[tuple[Envelope, Mail]] = field(default_factory=list)
    name: str = "scripted"
    burst: int = 1
    in_parts: bool = False
    proves: bool = True

    def wants_text(self, envelope: Envelope) -> bool:
        return True

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        assert mail is not None
        self.taken.append((envelope, mail))
        return Result(self.answers.pop(0) if self.answers else Outcome.ACCEPTED)

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return self.proof

    def check(self) -> str | None:
        return None

    def close(self) -> None:
        pass

    @property
    def mails(self) -> Sequence[EmailMessage]:
        found = [message_from_bytes(mail.raw, policy=default) for _, mail in self.taken]
        assert all(isinstance(one, EmailMessage) for one in found)
        return found  # type: ignore[return-value]  # just looked


@dataclass
class Morning:
    """An office in the morning, with its post."""

    office: Office
    clock: VirtualClock = field(default_factory=lambda: VirtualClock(EIGHT))
    channel: Scripted = field(default_factory=Scripted)
    mail: MailSettings = field(default_factory=MailSettings)
    at: str = "07:30"

    def brief(self) -> int:
        settings = Settings(
            mail=self.mail,
            worklist=WorklistSettings(morning=self.at),
            web=WebSettings(base_url="https://desk.example.com"),
        )
        return morning.brief(Post(self.office.engine, self.clock, self.channel, settings))

    def wait(self, **span: int) -> None:
        self.clock.advance(timedelta(**span))

    def states(self) -> dict[str, str]:
        with reading(self.office.engine) as conn:
            rows = conn.execute(select(briefings).order_by(briefings.c.id)).all()
        return {row.staff: row.state for row in rows}

    @property
    def receivers(self) -> list[str]:
        return [mail.recipient for _, mail in self.channel.taken]


@pytest.fixture
def desk(office: Office) -> Morning:
    return Morning(office)


def text_of(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    assert part is not None
    content: str = part.get_content()
    return content


def test_the_mail_says_what_is_due_and_where_and_reads_the_same_in_both_forms(
    desk: Morning,
) -> None:
    office = desk.office
    late = office.open(
        "a",
        title="Late <call>",
        assignee="SARA",
        due_on=on(20),
        opened_at=EIGHT - timedelta(days=9),
        account_id=office.account,
    )
    today = office.open("b", title="Due now", assignee="SARA", due_on=on(24), opened_at=YESTERDAY)
    promise = office.open("c", "promise", title="Quote", assignee="SARA", due_on=on(24))
    new = office.open("d", title="Fresh", assignee="SARA", opened_at=EIGHT)
    office.open(
        "e",
        title="Old and far",
        assignee="SARA",
        due_on=on(29),
        opened_at=EIGHT - timedelta(days=9),
    )
    assert desk.brief() == 1
    (mail,) = desk.channel.mails
    assert mail["To"] == "Sara <sara@example.com>"
    assert mail["Subject"] == "Tue 24 Nov: 1 promised, 1 overdue, 1 due today, 1 new"
    plain, html = text_of(mail, "plain"), text_of(mail, "html")
    for number in (late, today, promise, new):
        assert f"  https://desk.example.com/worklist/{number}" in plain.splitlines()
        assert f'href="https://desk.example.com/worklist/{number}"' in html
    assert "Late <call>, Client One, by Fri 20 Nov 2026" in plain
    assert "Late &lt;call&gt;</a>, Client One, by Fri 20 Nov 2026" in html
    assert "Old and far" not in plain + html
    assert desk.states() == {"ANN": "nothing-new", "SARA": "sent", "TOM": "nothing-new"}


def test_once_a_day_and_only_what_is_new_the_next(desk: Morning) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT - timedelta(hours=2))
    assert desk.brief() == 1
    desk.wait(minutes=30)
    desk.office.open("b", assignee="SARA", opened_at=desk.clock.now())
    assert desk.brief() == 0
    desk.wait(hours=23, minutes=30)
    assert desk.brief() == 1
    first, second = desk.channel.mails
    assert "Task a" in text_of(first, "plain")
    assert "Task b" in text_of(second, "plain")
    assert "Task a" not in text_of(second, "plain")


def test_what_somebody_was_given_is_new_to_them(desk: Morning) -> None:
    number = desk.office.open("a", assignee="SARA", opened_at=EIGHT - timedelta(days=9))
    boss = hand("ANN", Role.RENEWALS)
    flow.assign(desk.office.engine, boss, number, 1, "TOM", EIGHT - timedelta(hours=1))
    assert desk.brief() == 1
    assert desk.receivers == ["tom@example.com"]


def test_who_may_claim_hears_what_waits_for_their_role(desk: Morning) -> None:
    user = {"login": "tom", "name": "Tom", "role": "sales", "staff": "TOM", "made_at": EIGHT}
    with desk.office.engine.begin() as conn:
        conn.execute(insert(users).values(user))
    desk.office.open("a", opened_at=EIGHT)
    desk.office.open("b", opened_at=EIGHT - timedelta(days=9))
    desk.office.open("c", "alarm", opened_at=EIGHT)
    assert desk.brief() == 1
    (mail,) = desk.channel.mails
    assert mail["Subject"] == "Tue 24 Nov: 1 new for your role"
    assert "2 tasks wait for somebody of your role, 1 of them new" in text_of(mail, "plain")
    desk.wait(days=1)
    assert desk.brief() == 0, "what waited yesterday is no news"


@pytest.mark.parametrize(
    ("moment", "due"),
    [
        ("2026-11-24T07:29", False),
        ("2026-11-24T07:30", True),
        ("2026-11-24T11:59", True),
        ("2026-11-24T12:00", False),
        ("2026-11-28T08:00", False),  # a Saturday
    ],
)
def test_mails_leave_on_weekday_mornings_by_the_clock_of_the_book(moment: str, due: bool) -> None:
    zone = ZoneInfo("Europe/Warsaw")
    now = datetime.fromisoformat(moment).replace(tzinfo=zone).astimezone(UTC)
    assert (briefing.morning_of(now, "07:30", zone) is not None) is due
    assert briefing.morning_of(now, "", zone) is None


def test_a_mail_that_surely_did_not_leave_is_tried_again_until_noon(desk: Morning) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    desk.channel.answers = [Outcome.NOT_SENT, Outcome.SHUT]
    assert desk.brief() == 0
    assert desk.states()["SARA"] == "due"
    assert desk.brief() == 0
    assert len(desk.channel.taken) == 1, "not at once"
    desk.wait(minutes=5)
    desk.brief()
    desk.wait(hours=4)
    assert desk.brief() == 0, "it is noon"
    assert len(desk.channel.taken) == 2
    keys = {envelope.mail_key for envelope, _ in desk.channel.taken}
    assert len(keys) == 1, "one mail, however often it is tried"
    desk.wait(hours=20)
    assert desk.brief() == 1, "the next morning tells of it"
    assert "Task a" in text_of(desk.channel.mails[-1], "plain")


@pytest.mark.parametrize("outcome", [Outcome.UNKNOWN, Outcome.REFUSED])
def test_what_may_have_left_and_what_never_will_is_not_sent_twice(
    desk: Morning, outcome: Outcome
) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    desk.channel.answers = [outcome]
    assert desk.brief() == 0
    desk.wait(hours=1)
    assert desk.brief() == 0
    assert len(desk.channel.taken) == 1
    assert desk.states()["SARA"] == {"unknown": "unknown", "refused": "failed"}[outcome]


@pytest.mark.parametrize(
    ("proof", "state", "sent"),
    [(None, "unknown", 0), (Outcome.ACCEPTED, "sent", 0), (Outcome.NOT_SENT, "sent", 1)],
)
def test_of_a_process_that_died_while_sending_the_channel_knows_or_nobody(
    desk: Morning, proof: Outcome | None, state: str, sent: int
) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    desk.channel.answers = [Outcome.NOT_SENT]
    desk.brief()
    with desk.office.engine.begin() as conn:
        mine = briefings.c.staff == "SARA"
        conn.execute(update(briefings).where(mine).values(state="sending"))
    desk.channel.proof = proof
    desk.wait(minutes=9)
    assert desk.brief() == 0, "it may still be at it"
    desk.wait(minutes=2)
    first = desk.brief()
    desk.wait(minutes=6)
    assert first + desk.brief() == sent
    assert desk.states()["SARA"] == state


def test_off_sends_nothing_and_redirect_sends_to_the_one_address(desk: Morning) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    desk.mail = MailSettings(mode="off")
    assert desk.brief() == 0
    assert desk.states() == {}
    desk.mail = MailSettings(mode="redirect", redirect_to="test@example.com")
    assert desk.brief() == 1
    (mail,) = desk.channel.mails
    assert (desk.receivers, mail["To"]) == (["test@example.com"], "test@example.com")
    assert mail["X-Perennial-Intended-For"] == "sara@example.com"


def test_a_brake_does_not_hold_it_back(desk: Morning) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    with desk.office.engine.begin() as conn:
        holds.pull(conn, holds.IMPORT, "licences", "Much moved.", EIGHT)
    assert desk.brief() == 1


def test_an_address_that_is_none_stops_nobody_else(desk: Morning) -> None:
    for key in ("ANN", "TOM"):
        desk.office.open(key, assignee=key, opened_at=EIGHT)
    with desk.office.engine.begin() as conn:
        conn.execute(update(staff).where(staff.c.key == "ANN").values(email="ann at home"))
        conn.execute(delete(staff).where(staff.c.key == "SARA"))
    assert desk.brief() == 1
    assert desk.states() == {"ANN": "failed", "TOM": "sent"}


def test_when_all_is_done_a_beat_asks_when_that_was_and_nothing_else(desk: Morning) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    assert desk.brief() == 1
    desk.wait(minutes=1)
    engine, taken, asked = desk.office.engine, [], []
    event.listen(engine, "checkout", lambda *given: taken.append(given))
    event.listen(engine, "before_cursor_execute", lambda *given: asked.append(given[2]))
    desk.brief()
    assert len(taken) == 1, "that question is a prepared one, which is asked past this listener"
    assert [one for one in asked if "briefings" in one or "tasks" in one] == []


def test_the_beat_sends_it_by_the_channel_of_the_instance(
    desk: Morning, database_url: str, root: Path
) -> None:
    desk.office.open("a", assignee="SARA", opened_at=EIGHT)
    write_config(root, database=database_url)
    app = App.open(root, {}, clock=desk.clock)
    try:
        app.sweep()
        app.sweep()
    finally:
        app.close()
    (file,) = (root / "var" / "outbox").glob("*/morning_sara@example.com_*.eml")
    assert b"Good morning, Sara." in file.read_bytes()

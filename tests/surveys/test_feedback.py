"""The closed loop: who is not content has somebody's task, and hears what was done."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.engine import Connection

from tests.outbox.world import LEASE
from tests.surveys.conftest import NOW, TODAY, Town
from worker.access.audit import Actor
from worker.access.rules import Role
from worker.cadence import machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults, InForce
from worker.cadence.records import ANSWER, walks
from worker.catalogue.records import contacts
from worker.channels.folder import FolderChannel
from worker.db.engine import reading
from worker.kernel.clock import VirtualClock
from worker.kernel.dates import Period
from worker.kernel.errors import FindingsError
from worker.outbox.records import messages
from worker.schedules.loader import load_text
from worker.surveys import feedback, rules, telling
from worker.surveys.records import tellings
from worker.templating.current import Current, shipped
from worker.worklist import flow as worklist
from worker.worklist import store as tasks_store
from worker.worklist.flow import More
from worker.worklist.records import task_history
from worker.worklist.rules import Hand

HAND = Hand(Actor("olga", "page"), Role.RENEWALS, None)
DONE = "We have put a second person on your cases."


def open_tasks(town: Town) -> list[Any]:
    with reading(town.engine) as conn:
        return tasks_store.open_ones(conn)


def close(town: Town, task: Any, words: str = DONE, outcome: str = "done") -> None:
    more = More(today=TODAY, hears=feedback.hear)
    worklist.close(town.engine, HAND, task.id, task.version, outcome, words, NOW, more)


def answered(town: Town, score: int, promise: str = rules.NAMED, **more: Any) -> list[Any]:
    """Anna of A-1 was asked and answered; the open tasks then."""
    town.answer(town.asked("C-1", "A-1", promise), score, **more)
    return open_tasks(town)


def posted(town: Town, folder: Path) -> list[Any]:
    """Sends what is due; the mails in the folder."""
    clock = VirtualClock(NOW + timedelta(hours=1))
    works = machine.build(
        town.engine,
        clock,
        FolderChannel(folder),
        defaults=Defaults(),
        letterhead=Letterhead("Renewals <renewals@example.com>"),
        lease=LEASE,
        judges=telling.JUDGES,
        texts=Current(shipped()),
    )
    while works.send_batch():
        pass
    return [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*/*.eml"))]


def ledger(town: Town) -> list[Any]:
    return town.rows(messages)


@pytest.mark.parametrize("score", [0, 6])
@pytest.mark.parametrize("promise", [rules.NAMED, rules.CONFIDENTIAL])
def test_who_is_not_content_has_a_task_of_the_accounts_manager_with_a_deadline(
    town: Town, score: int, promise: str
) -> None:
    town.account("A-1", account_manager="sam")
    (task,) = answered(town, score, promise)
    assert (task.kind, task.assignee, task.due_on) == ("feedback", "sam", date(2026, 11, 30))
    assert task.account_id == town.accounts["A-1"]
    assert "C-1" not in f"{task.title}{task.detail}"


@pytest.mark.parametrize("score", [7, 9, 10])
def test_who_is_content_opens_no_task(town: Town, score: int) -> None:
    assert answered(town, score) == []


def test_an_anonymous_answer_opens_no_task(town: Town) -> None:
    assert answered(town, 0, rules.ANONYMOUS) == []


@pytest.mark.parametrize("judged", [rules.POSSIBLE, rules.MACHINE])
def test_what_is_not_surely_a_persons_opens_no_task(town: Town, judged: str) -> None:
    assert answered(town, 0, judged=judged) == []


def test_an_answer_changed_to_a_bad_one_opens_a_task_and_one_changed_again_notes_it(
    town: Town,
) -> None:
    asked = town.asked("C-1", "A-1")
    town.answer(asked, 9)
    assert open_tasks(town) == []
    town.answer(asked, 2)
    town.answer(asked, 8)
    assert len(open_tasks(town)) == 1
    notes = [(line.what, line.note) for line in town.rows(task_history)]
    assert notes == [("answer changed", "8 of 10 now")]


def test_the_walk_of_an_answer_that_is_changed_is_looked_at_again(town: Town) -> None:
    """A schedule that does not take on who is content takes on who is so no more."""
    asked = town.asked("C-1", "A-1")
    town.answer(asked, 9)
    (answer,) = town.rows()
    resting = {"schedule": "feedback", "subject": ANSWER, "subject_id": answer.id, "cycle": 1}
    resting |= {"account_id": answer.account_id, "anchor_on": TODAY, "first_act_at": NOW}
    with town.engine.begin() as conn:
        for state, subject in (("parked", answer.id), ("parked", 7), ("ended", answer.id)):
            more = {"state": state, "subject_id": subject, "schedule": f"{state} {subject}"}
            conn.execute(insert(walks).values(resting | more))
    town.answer(asked, 2)
    assert [walk.next_at for walk in town.rows(walks)] == [NOW, None, None]


def test_the_task_closes_only_with_words_on_what_was_done(town: Town) -> None:
    (task,) = answered(town, 3)
    with pytest.raises(FindingsError, match="note: expected what was done"):
        close(town, task, words="  ")
    assert len(open_tasks(town)) == 1
    close(town, task)
    assert open_tasks(town) == []
    (kept,) = town.rows(tellings)
    assert (kept.words, kept.made_by, kept.letters) == (DONE, "olga", 1)


def test_the_words_are_mailed_to_whoever_answered_beside_their_own(
    town: Town, tmp_path: Path
) -> None:
    (task,) = answered(town, 3, comment="Nobody calls back.")
    close(town, task)
    (mail,) = posted(town, tmp_path)
    assert "c-1@example.com" in mail
    assert mail.index("Nobody calls back.") < mail.index(DONE)
    (row,) = ledger(town)
    assert (row.state, row.origin, row.step, row.kind) == ("accepted", "told", "told", "survey")


def test_a_confidential_answer_is_told_by_a_letter_that_no_list_shows(
    town: Town, tmp_path: Path
) -> None:
    (task,) = answered(town, 3, rules.CONFIDENTIAL)
    close(town, task)
    (mail,) = posted(town, tmp_path)
    assert "stays confidential" in mail
    assert [row.origin for row in ledger(town)] == ["told-quietly"]


def test_without_an_address_the_words_are_kept_and_nobody_is_written_to(town: Town) -> None:
    (task,) = answered(town, 3)
    with town.engine.begin() as conn:
        conn.execute(update(contacts).values(email=None))
    close(town, task)
    assert [row.letters for row in town.rows(tellings)] == [0]
    assert ledger(town) == []


def test_a_letter_written_at_night_leaves_in_the_clients_office_hours(town: Town) -> None:
    town.account("A-1", timezone="America/Chicago")  # three in the morning there
    (task,) = answered(town, 3)
    close(town, task)
    (row,) = ledger(town)
    assert row.next_at.isoformat() == "2026-11-26T15:00:00+00:00"


def test_closing_another_task_tells_nobody(town: Town) -> None:
    account = town.account("A-1")
    with town.engine.begin() as conn:
        new = tasks_store.NewTask("todo:1", "todo", "Call", account_id=account)
        tasks_store.open_tasks(conn, [new], NOW)
    close(town, open_tasks(town)[0], words="")
    assert town.rows(tellings) == []


@pytest.mark.parametrize(
    ("key", "number"),
    [("feedback:17", 17), ("step:feedback:call:answer-17:1", 17), ("step:renewal:call:17:1", None)],
)
def test_the_answer_stands_in_the_key_of_its_task(key: str, number: int | None) -> None:
    assert feedback.answer_of(key) == number


# --- all who were asked ---

PERIOD = Period(date(2026, 11, 1), date(2026, 11, 30))


def digest(town: Town, period: Period = PERIOD) -> int:
    with town.engine.begin() as conn:
        return telling.tell_all(conn, "surveys", period, DONE, "olga", NOW)


def test_a_summary_goes_to_all_who_were_asked_whether_they_answered_or_not(
    town: Town, tmp_path: Path
) -> None:
    for number in range(3):
        asked = town.asked(f"C-{number}", f"A-{number}", rules.ANONYMOUS)
        if number:
            town.answer(asked, 3)
    assert digest(town) == 3
    mails = posted(town, tmp_path)
    assert len(mails) == 3
    assert all(DONE in mail for mail in mails)


def test_one_address_gets_one_summary_and_others_than_those_asked_then_get_none(
    town: Town,
) -> None:
    town.asked("C-1", "A-1")
    town.asked("C-1", "A-1", asked_on=date(2026, 11, 3))
    town.asked("C-2", "A-2", asked_on=date(2026, 10, 31))
    town.asked("C-3", "A-3", schedule="relationship")
    assert digest(town) == 1
    assert [row.address for row in ledger(town)] == ["c-1@example.com"]


# --- what rests meanwhile ---


def resting(conn: Connection, town: Town) -> frozenset[int]:
    return tasks_store.with_open_feedback(conn, set(town.accounts.values()))


def test_an_account_rests_while_the_task_is_open_and_no_longer(town: Town) -> None:
    town.account("A-2")
    (task,) = answered(town, 3)
    with reading(town.engine) as conn:
        assert resting(conn, town) == {town.accounts["A-1"]}
    close(town, task)
    with reading(town.engine) as conn:
        assert resting(conn, town) == frozenset()


def test_where_a_schedule_opens_the_task_none_is_opened_beside_it(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = Path(__file__).parents[2] / "schedules"
    for stem, opened in (("referral", 1), ("feedback", 1)):
        running = load_text((path / f"{stem}.toml").read_bytes(), f"{stem}.toml", templates=None)
        library = SimpleNamespace(active=lambda conn, one=running: {"x": InForce(1, one, {})})
        monkeypatch.setattr(feedback, "library_of", lambda conn, known=library: known)
        assert len(answered(town, 3)) == opened

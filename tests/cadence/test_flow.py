"""The engine on a real book: what changes in the book does to the walks, and what it never does."""

from __future__ import annotations

import threading
from datetime import UTC, date, datetime

import pytest
from sqlalchemy import func, select

from tests.cadence.conftest import EVERY_DAY, Book, schedule_text
from worker.cadence.records import steps, walks
from worker.db.engine import reading
from worker.outbox.records import messages
from worker.worklist import store as worklist

CADENCE = ("30 days before", "14 days before", "3 days after")
OWN_ZONE = f'timezone = "account"\nhours = "09:00-17:00"\n{EVERY_DAY}\nholidays = "none"'
NOT_AUTO = '[[audience]]\n"licence.auto_renew" = false\n'


@pytest.fixture
def client(book: Book) -> Book:
    """One client whose licence ends on 20 December 2026; today, 20 November, is 30 days before."""
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.run()
    assert book.sent() == ["2026-11-20 30-days-before"]
    return book


# --- one term -------------------------------------------------------------------------------------


def test_a_term_is_walked_from_its_first_step_to_its_last(client: Book) -> None:
    assert client.walks() == [(1, "active", None)]
    client.live_until("2027-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-06 14-days-before",
        "2026-12-23 3-days-after",
    ]
    assert client.walks() == [(1, "ended", "completed")]


def test_planning_again_and_importing_again_changes_nothing(client: Book) -> None:
    before = client.story()
    client.licence()
    client.contact()
    client.run()
    assert client.story() == before
    assert len(client.ledger()) == 1


def test_two_schedules_walk_one_licence_side_by_side(client: Book) -> None:
    path = client.root / "schedules/second.toml"
    path.write_text(schedule_text("21 days before"), encoding="utf-8")
    client.apply(schedule_text(*CADENCE))
    client.live_until("2026-12-01")
    assert client.sent() == ["2026-11-20 30-days-before", "2026-11-29 21-days-before"]
    assert client.walks() == [(1, "active", None), (1, "ended", "completed")]


def test_a_task_is_opened_for_the_person_in_charge(book: Book) -> None:
    book.accounts([{"account": "A-L-1", "name": "Client", "renewal_manager": "Rita"}])
    book.licence()
    book.apply(schedule_text('task 30 days before | due_in = "2 business days"'))
    book.run()
    assert book.tasks() == [("step", "Call")]
    assert book.decisions() == {"30-days-before": ("sent", None)}
    (record,) = book.explained().records
    assert (record.kind, record.to) == ("task", ("Rita",))


@pytest.mark.parametrize(("closed", "sent"), [(False, []), (True, ["2026-11-25 25-days-before"])])
def test_while_a_task_of_the_walk_is_open_a_step_may_keep_quiet(
    book: Book, closed: bool, sent: list[str]
) -> None:
    book.licence()
    book.contact()
    quiet = '25 days before | unless = ["task-open"]'
    book.apply(schedule_text("call = task 30 days before", quiet))
    book.run()
    if closed:
        with book.engine.begin() as conn:
            (task,) = worklist.open_ones(conn)
            worklist.close(conn, task.key, "spoken to", book.now)
    book.live_until("2026-12-01")
    assert book.sent() == sent
    assert book.decisions()["25-days-before"] == (
        ("waiting", None) if closed else ("skipped", "condition")
    )


def test_a_client_whom_nobody_can_reach_is_told_to_staff_once(book: Book) -> None:
    book.licence()
    book.apply(schedule_text(*CADENCE))
    book.live_until("2026-12-10")
    assert book.decisions() == {
        "30-days-before": ("blocked", "no-reachable-contact"),
        "14-days-before": ("blocked", "no-reachable-contact"),
    }
    assert book.tasks() == [("no-contact", "No reachable contact")]


# --- corrections ----------------------------------------------------------------------------------


def test_a_correction_to_later_redates_what_is_pending_and_sends_nothing_twice(
    client: Book,
) -> None:
    client.licence(end="2027-01-10")
    client.run()
    assert client.pending() == [
        "Sun 2026-12-27 14-days-before planned",
        "Wed 2027-01-13 3-days-after planned",
    ]
    client.live_until("2027-03-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-27 14-days-before",
        "2027-01-13 3-days-after",
    ]


def test_a_correction_to_earlier_brings_what_is_pending_forward(client: Book) -> None:
    client.later(days=5)
    client.licence(end="2026-12-05")  # 14 days before was four days ago
    client.live_until("2027-03-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-08 3-days-after",
    ]
    assert client.decisions()["14-days-before"] == ("skipped", "too-late")


def test_a_correction_by_a_day_sends_the_step_that_it_makes_late(client: Book) -> None:
    client.later(days=14)  # 4 December
    client.licence(end="2026-12-16")  # 14 days before was on the 2nd
    client.run()
    assert client.sent() == ["2026-11-20 30-days-before", "2026-12-04 14-days-before"]


# --- renewals, cancellations, returns -------------------------------------------------------------


def test_a_renewal_cancels_what_is_pending_and_year_two_works_like_year_one(client: Book) -> None:
    client.later(days=3)
    client.licence(start="2026-12-20", end="2027-12-20")
    client.live_until("2028-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2027-11-20 30-days-before",
        "2027-12-06 14-days-before",
        "2027-12-23 3-days-after",
    ]
    assert client.walks() == [(1, "ended", "renewed"), (2, "ended", "completed")]
    cancelled = [line for line in client.story() if "cancelled" in line]
    assert cancelled == [
        "Sun 2026-12-06 14-days-before cancelled renewed",
        "Wed 2026-12-23 3-days-after cancelled renewed",
    ]


def test_a_renewal_learned_of_late_cancels_the_after_steps(client: Book) -> None:
    client.live_until("2026-12-22")
    client.licence(start="2026-12-20", end="2027-12-20")
    client.live_until("2027-02-01")
    assert client.sent() == ["2026-11-20 30-days-before", "2026-12-06 14-days-before"]


def test_a_cancelled_licence_falls_silent_and_one_that_is_back_goes_on(client: Book) -> None:
    client.later(days=1)
    client.licence(status="cancelled")
    client.run()
    assert client.walks() == [(1, "ended", "cancelled")]
    assert client.decisions()["14-days-before"] == ("cancelled", "cancelled")
    client.later(days=1)
    client.licence(status="active")
    client.run()
    assert client.walks() == [(1, "active", None)]
    client.live_until("2027-02-01")
    assert client.sent() == [
        "2026-11-20 30-days-before",
        "2026-12-06 14-days-before",
        "2026-12-23 3-days-after",
    ]


def test_a_licence_that_is_back_after_a_step_was_missed_gets_the_one_that_fits(
    client: Book,
) -> None:
    client.licence(status="cancelled")
    client.live_until("2026-12-10")
    client.licence(status="active")
    client.live_until("2026-12-12")
    assert client.sent() == ["2026-11-20 30-days-before", "2026-12-10 14-days-before"]


def test_a_renewal_under_a_cancelled_status_is_not_walked_until_it_is_active(client: Book) -> None:
    client.licence(status="cancelled")
    client.run()
    client.licence(status="cancelled", start="2026-12-20", end="2027-12-20")
    client.run()
    assert client.walks() == [(1, "ended", "cancelled")]
    client.licence(status="active", start="2026-12-20", end="2027-12-20")
    client.run()
    assert client.walks() == [(1, "ended", "cancelled"), (2, "active", None)]


# --- the audience ---------------------------------------------------------------------------------


def test_outside_the_audience_a_walk_is_parked_and_inside_again_it_goes_on(book: Book) -> None:
    book.licence(auto="yes")
    book.contact()
    book.apply(schedule_text(*CADENCE, audience=NOT_AUTO))
    book.live_until("2026-11-25")
    assert book.walks() == [(1, "parked", "not-in-audience")]
    assert book.sent() == []
    book.licence(auto="no")
    book.run()
    assert book.walks() == [(1, "active", None)]
    book.live_until("2026-12-01")  # the step of 20 November counts from today on
    assert book.sent() == ["2026-11-25 30-days-before"]
    book.licence(auto="yes")
    book.live_until("2026-12-10")
    assert book.walks() == [(1, "parked", "not-in-audience")]
    assert book.sent() == ["2026-11-25 30-days-before"]


def test_a_change_of_the_account_is_a_change_of_its_licences(book: Book) -> None:
    smb = '[[audience]]\n"account.segment" = "smb"\n'
    book.licence()
    book.contact()
    book.apply(schedule_text(*CADENCE, audience=smb))
    book.run()
    assert book.walks() == [(1, "parked", "not-in-audience")]
    book.accounts([{"account": "A-L-1", "segment": "smb"}])
    book.run()
    assert book.sent() == ["2026-11-20 30-days-before"]


def test_an_account_that_moves_to_another_zone_is_written_to_in_its_new_hours(book: Book) -> None:
    book.licence(end="2026-12-25")
    book.contact()
    book.apply(schedule_text("30 days before", calendar=OWN_ZONE))
    book.run()
    assert book.now.date() == date(2026, 11, 20)
    book.accounts([{"account": "A-L-1", "timezone": "Pacific/Auckland"}])  # 13 hours ahead
    book.live_until("2026-12-01")
    (mail,) = book.ledger()
    assert mail.day == date(2026, 11, 25)
    nine = datetime(2026, 11, 24, 20, tzinfo=UTC)
    assert 0 <= (mail.accepted_at - nine).total_seconds() < 3600


# --- the past -------------------------------------------------------------------------------------


def test_a_book_loaded_for_the_first_time_mails_nobody_about_the_past(book: Book) -> None:
    book.licence("OLD", start="2021-01-01", end="2022-01-01")
    book.licence("OVER", start="2025-11-10", end="2026-11-10")  # its last step was on the 13th
    book.licence("JUST", start="2025-11-18", end="2026-11-18")  # its last is tomorrow
    for key in ("OLD", "OVER", "JUST"):
        book.contact(f"C-{key}", licence=key)
    book.apply(schedule_text(*CADENCE))
    book.live_until("2027-02-01")
    assert book.sent() == ["2026-11-21 3-days-after"]
    assert book.walks("OLD") == book.walks("OVER") == [(1, "ended", "history")]
    assert book.decisions("OLD") == book.decisions("OVER") == {}
    assert book.decisions("JUST") == {
        "30-days-before": ("skipped", "history"),
        "14-days-before": ("skipped", "history"),
        "3-days-after": ("waiting", None),
    }


def test_a_term_whose_expiry_turns_out_to_lie_ahead_is_history_no_longer(book: Book) -> None:
    book.licence(start="2025-11-10", end="2026-11-10")
    book.contact()
    book.apply(schedule_text(*CADENCE))
    book.run()
    assert book.walks() == [(1, "ended", "history")]
    book.licence(start="2025-11-10", end="2026-12-10")  # a typing error, mended
    book.live_until("2027-02-01")
    assert book.sent() == [
        "2026-11-20 30-days-before",
        "2026-11-26 14-days-before",
        "2026-12-13 3-days-after",
    ]


def test_three_days_down_one_fitting_step_goes_out_and_the_rest_is_recorded(book: Book) -> None:
    book.licence()
    book.contact()
    book.apply(schedule_text("29 days before", "28 days before", "27 days before", "on the day"))
    book.run()
    book.later(days=3, hours=1)
    book.run()
    assert book.sent() == ["2026-11-23 27-days-before"]
    assert book.decisions() == {
        "29-days-before": ("superseded", "later-step"),
        "28-days-before": ("superseded", "later-step"),
        "27-days-before": ("waiting", None),
    }


# --- many at once ---------------------------------------------------------------------------------


def _counts(book: Book) -> tuple[int, int, int, int]:
    """Walks, steps, distinct (walk, step), messages."""
    with reading(book.engine) as conn:
        distinct = select(steps.c.walk_id, steps.c.step).distinct().subquery()
        tables = (walks, steps, distinct, messages)
        found = [
            conn.execute(select(func.count()).select_from(table)).scalar_one() for table in tables
        ]
    return found[0], found[1], found[2], found[3]


def test_several_planners_at_once_decide_every_step_once(book: Book) -> None:
    book.book(240)
    book.apply(schedule_text("30 days before", "call = task 30 days before", "60 days before"))
    errors: list[BaseException] = []
    start = threading.Barrier(4)

    def plan() -> None:
        try:
            machine = book.machine()  # a process of its own
            start.wait()
            idle = 0
            while idle < 3:
                idle = 0 if machine.plan_batch(limit=17) else idle + 1
        except BaseException as error:  # noqa: BLE001 -- told by the test below
            errors.append(error)

    threads = [threading.Thread(target=plan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert _counts(book) == (240, 720, 720, 240)


def test_a_batch_may_be_as_small_as_it_likes(book: Book) -> None:
    book.book(7)
    book.apply(schedule_text(*CADENCE))
    machine = book.machine()
    while machine.plan_batch(limit=2):
        pass
    assert _counts(book) == (7, 7, 7, 7)

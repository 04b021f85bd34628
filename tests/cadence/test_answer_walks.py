"""What follows an answer: a walk of its own, for those whom the audience names, until its task is
closed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert

from tests.cadence.conftest import DAY, schedule_text
from tests.cadence.dormant import SilentBook
from worker.cadence import ahead
from worker.db.engine import reading
from worker.kernel.dates import Period
from worker.surveys import attending
from worker.surveys.counting import Asked
from worker.surveys.records import responses
from worker.worklist import store as worklist

DETRACTORS = '[[audience]]\n"answer.group" = "detractor"\n'
CALL = "call = task on the day"


def feedback(*steps: str, audience: str = DETRACTORS) -> str:
    """A schedule about answers in TOML."""
    text = schedule_text(
        *steps, trigger="survey-answered", mail_class="commercial", audience=audience
    )
    return text.replace("renewal/heads-up", "silent/miss-you")


class AskedBook(SilentBook):
    """A book whose clients answer."""

    def answer(self, number: int, score: int, key: str = "A-1", **said: object) -> None:
        """Writes down an answer of today; a confidential one unless said otherwise."""
        row = {
            "id": number,
            "schedule": "after-renewal",
            "survey": "renewal",
            "promise": "confidential",
            "account_id": self.id_of(key),
            "score": score,
            "vote": 1 if score > 8 else -1 if score < 7 else 0,
            "answered_on": self.now.date(),
            "source": "page",
        }
        with self.engine.begin() as conn:
            conn.execute(insert(responses), row | said)


@pytest.fixture
def book(engine: Engine, root: Path) -> AskedBook:
    """A book on a fresh database, with one client; it is Friday, 20 November 2026."""
    made = AskedBook(engine, root)
    made.client()
    return made


def test_a_bad_answer_opens_a_task_and_a_good_one_does_not(book: AskedBook) -> None:
    book.apply_all({"feedback": feedback(CALL)})
    book.answer(700, 9)
    book.answer(300, 4)
    book.run()
    (task,) = book.open_tasks("feedback")
    assert task.detail == "Client A-1: answered 4 of 10 (detractor) on 2026-11-20"
    assert sorted(book.account_walks()) == [
        (1, "ended", "completed"),
        (2, "parked", "not-in-audience"),
    ]


def test_every_answer_of_an_account_is_a_walk_of_its_own(book: AskedBook) -> None:
    book.apply_all({"feedback": feedback(CALL)})
    for number, score in ((5, 2), (3, 6)):
        book.answer(number, score)
        book.run()
        book.clock.advance_to(book.now + DAY)
    assert len(book.open_tasks("feedback")) == 2
    assert [walk[0] for walk in book.account_walks()] == [1, 2]


def test_when_its_task_is_closed_nothing_more_is_to_come(book: AskedBook) -> None:
    book.apply_all({"feedback": feedback(CALL, "miss-you = 3 days after")})
    book.answer(5, 3)
    book.run()
    with book.engine.begin() as conn:
        worklist.close_all(conn, "step:feedback:call:", "done", book.now)
    book.run()
    assert book.account_walks() == [(1, "ended", "closed")]
    book.live_until("Fri 2026-11-27")
    assert book.sent() == []


def test_a_mail_of_the_schedule_is_a_first_contact_where_no_person_was_sooner(
    book: AskedBook,
) -> None:
    text = feedback(CALL, "miss-you = 3 days after").replace('"commercial"', '"survey"')
    assert '"survey"' in text, "advertising rests while the task is open"
    book.apply_all({"feedback": text})
    book.answer(5, 3, answered_at=book.now)
    book.run()
    asked = Asked(Period(date(2026, 11, 1), date(2026, 11, 30)))
    with reading(book.engine) as conn:
        assert attending.read(conn, asked).contact.spans == ()
    answered_at = book.now
    book.live_until("Fri 2026-11-27")
    (mail,) = book.ledger()
    assert (mail.state, mail.reason) == ("accepted", None)
    with reading(book.engine) as conn:
        found = attending.read(conn, asked)
    assert found.contact.spans == (mail.accepted_at - answered_at,)
    assert found.told.spans == ()


@pytest.mark.parametrize(
    "said",
    [
        {"judged": "possible"},
        {"judged": "machine"},
        {"promise": "anonymous", "account_id": None},
        {"answered_on": date(2025, 11, 20)},
    ],
)
def test_what_no_person_said_or_long_ago_or_without_a_name_is_followed_by_nothing(
    book: AskedBook, said: dict[str, object]
) -> None:
    book.apply_all({"feedback": feedback(CALL)})
    book.answer(5, 0, **said)
    book.run()
    assert book.account_walks() == []
    assert book.open_tasks("feedback") == []


def test_the_score_and_the_survey_may_be_asked_for(book: AskedBook) -> None:
    audience = (
        '[[audience]]\n"answer.score" = { at_most = 3 }\n"answer.schedule" = "relationship"\n'
    )
    book.apply_all({"feedback": feedback(CALL, audience=audience)})
    book.answer(1, 2)
    book.answer(2, 5, schedule="relationship")
    book.answer(3, 2, schedule="relationship")
    book.run()
    assert len(book.open_tasks("feedback")) == 1


@pytest.mark.parametrize("late", [timedelta(minutes=30), timedelta(days=3)], ids=["night", "days"])
def test_an_answer_is_no_history_because_midnight_or_an_outage_came_between(
    book: AskedBook, late: timedelta
) -> None:
    book.apply_all({"feedback": feedback(CALL)})
    book.clock.advance_to(datetime(2026, 11, 20, 23, 50, tzinfo=UTC))
    book.answer(5, 3)
    book.clock.advance_to(book.now + late)
    book.live_until("Wed 2026-11-25")
    assert len(book.open_tasks("feedback")) == 1


def test_an_answer_counts_where_the_client_has_the_next_day_already(book: AskedBook) -> None:
    book.accounts([{"account": "A-1", "name": "Client A-1", "timezone": "Pacific/Auckland"}])
    text = feedback(CALL).replace('timezone = "UTC"', 'timezone = "account"')
    book.apply_all({"feedback": text})
    book.clock.advance_to(datetime(2026, 11, 20, 20, 0, tzinfo=UTC))
    book.answer(5, 3)
    book.live_until("Wed 2026-11-25")
    assert len(book.open_tasks("feedback")) == 1


@pytest.mark.parametrize("source", ["page", "import"])
def test_an_answer_of_another_day_from_before_or_by_an_import_is_history(
    book: AskedBook, source: str
) -> None:
    if source == "import":
        book.apply_all({"feedback": feedback(CALL)})
    book.answer(5, 3, source=source)
    book.clock.advance_to(book.now + DAY)
    book.apply_all({"feedback": feedback(CALL)})
    book.live_until("Wed 2026-11-25")
    assert book.open_tasks("feedback") == []


def test_what_one_schedule_is_done_with_is_not_foreseen_again_for_another(book: AskedBook) -> None:
    book.apply_all({"feedback": feedback(CALL), "thanks": feedback("miss-you = 5 days after")})
    book.answer(5, 3)
    book.run()
    with book.engine.begin() as conn:
        worklist.close_all(conn, "step:feedback:call:", "done", book.now)
    book.clock.advance_to(book.now + DAY)
    book.run()
    with reading(book.engine) as conn:
        period = Period(book.now.date(), book.now.date() + 30 * DAY)
        found = ahead.forecast(conn, book.asked(), period)
    assert [(one.schedule, one.step, one.decision) for one in found] == [
        ("thanks", "miss-you", "planned")
    ]

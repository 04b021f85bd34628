"""``unless = ["task-open"]``: a mail rests while the call that it would anticipate is open."""

from __future__ import annotations

import pytest

from tests.cadence.conftest import Book, schedule_text
from worker.worklist import store as worklist

CALL_FIRST = schedule_text(
    "call = task 14 days before", 'mail = 7 days before | unless = ["task-open"]'
)


@pytest.fixture
def client(book: Book) -> Book:
    """A licence until 20 December 2026: the call is due on the 6th, the mail on the 13th."""
    book.licence()
    book.contact()
    book.apply(CALL_FIRST)
    book.run()
    return book


def test_a_mail_is_skipped_while_the_call_before_it_is_still_open(client: Book) -> None:
    foreseen = client.story()
    assert foreseen == ["Sun 2026-12-06 call planned", "Sun 2026-12-13 mail skipped condition"]
    client.live_until("2026-12-14")
    assert client.story() == [foreseen[0].replace("planned", "sent"), foreseen[1]]


def test_a_mail_goes_out_once_the_call_was_closed(client: Book) -> None:
    client.live_until("2026-12-07")
    with client.engine.begin() as conn:
        [task] = worklist.open_ones(conn)
        worklist.close(conn, task.key, "called, they will renew", client.now)
    client.live_until("2026-12-14")
    assert client.story() == ["Sun 2026-12-06 call sent", "Sun 2026-12-13 mail sent"]

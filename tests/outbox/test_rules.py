"""The states of a message, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.channels.contract import Outcome
from worker.outbox.rules import MAX_STARTS, after, after_evidence, backoff

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def test_a_mail_that_did_not_go_out_rests_longer_each_time_and_never_more_than_a_quarter_hour() -> (
    None
):
    rests = [backoff(attempts).total_seconds() for attempts in range(1, 40)]
    assert rests[:6] == [10, 20, 40, 80, 160, 320]
    assert rests == sorted(rests)
    assert max(rests) == timedelta(minutes=15).total_seconds()


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        (Outcome.ACCEPTED, ("accepted", None)),
        (Outcome.REFUSED, ("failed", None)),
        (Outcome.UNKNOWN, ("unknown", NOW)),
        (Outcome.NOT_SENT, ("due", NOW + timedelta(seconds=20))),
        (Outcome.SHUT, ("due", NOW + timedelta(seconds=20))),
    ],
)
def test_only_what_surely_did_not_go_out_is_tried_again(
    outcome: Outcome, expected: tuple[str, datetime | None]
) -> None:
    assert after(outcome, 2, NOW) == expected


def test_evidence_settles_an_unknown_mail_either_way() -> None:
    assert after_evidence(Outcome.ACCEPTED, 1, NOW) == ("accepted", None, None)
    assert after_evidence(Outcome.NOT_SENT, 1, NOW) == ("due", None, NOW)


def test_without_evidence_an_unknown_mail_stays_unknown_and_is_looked_at_again() -> None:
    state, reason, next_at = after_evidence(None, 1, NOW)
    assert (state, reason) == ("unknown", None)
    assert next_at is not None
    assert next_at > NOW


def test_a_mail_over_which_three_workers_died_is_set_aside_unless_it_went_out() -> None:
    assert after_evidence(Outcome.NOT_SENT, MAX_STARTS, NOW) == ("blocked", "quarantined", None)
    assert after_evidence(Outcome.ACCEPTED, MAX_STARTS, NOW) == ("accepted", None, None)
    assert after_evidence(None, MAX_STARTS, NOW)[0] == "unknown"

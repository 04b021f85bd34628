"""The states of a message, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.channels.contract import Outcome
from worker.outbox.rules import MAX_STARTS, Doubt, after, after_evidence, backoff

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
LEASE, HOLD = timedelta(seconds=60), timedelta(minutes=30)


def test_a_mail_that_did_not_go_out_rests_longer_each_time_and_never_more_than_a_quarter_hour() -> (
    None
):
    rests = [backoff(attempts, LEASE).total_seconds() for attempts in range(1, 40)]
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
    ],
)
def test_only_what_surely_did_not_go_out_is_tried_again(
    outcome: Outcome, expected: tuple[str, datetime | None]
) -> None:
    assert after(outcome, 2, LEASE, NOW) == expected


FAR = NOW + timedelta(days=9)


def _doubt(**said: object) -> Doubt:
    return Doubt(**({"kind": "contractual", "since": NOW, "valid_until": FAR} | said))  # type: ignore[arg-type]  # as said


def test_a_shut_way_burns_no_attempt_and_the_mail_is_due_as_soon_as_it_opens() -> None:
    assert after(Outcome.SHUT, 2, LEASE, NOW) == ("due", NOW)


def test_evidence_settles_an_unknown_mail_either_way() -> None:
    assert after_evidence(Outcome.ACCEPTED, _doubt(), HOLD, NOW) == ("accepted", None, None, False)
    assert after_evidence(Outcome.NOT_SENT, _doubt(), HOLD, NOW) == ("due", None, NOW, False)


def test_without_evidence_an_unknown_mail_waits_for_its_hold_and_is_looked_at_meanwhile() -> None:
    late = NOW + timedelta(minutes=29)
    for now in (NOW, late):
        state, reason, next_at, again = after_evidence(None, _doubt(), HOLD, now)
        assert (state, reason, again) == ("unknown", None, False)
        assert next_at is not None
        assert now < next_at <= NOW + HOLD


def test_what_the_provider_does_not_tell_of_while_it_tells_of_others_was_not_sent() -> None:
    end = NOW + HOLD
    for kind in ("contractual", "commercial", "survey"):
        doubt = _doubt(kind=kind, others_told=True)
        assert after_evidence(None, doubt, HOLD, end) == ("due", None, end, True)


def test_a_contractual_mail_of_unknown_fate_is_sent_again_once_after_a_day() -> None:
    end, tomorrow = NOW + HOLD, NOW + timedelta(days=1)
    assert after_evidence(None, _doubt(), HOLD, end) == ("due", "no-proof", tomorrow, True)
    again = _doubt(resends=1)
    assert after_evidence(None, again, HOLD, end) == ("given-up", "no-proof", None, False)


def test_it_is_sent_again_at_once_when_a_day_would_be_too_late() -> None:
    end = NOW + HOLD
    close = _doubt(valid_until=NOW + timedelta(hours=20))
    assert after_evidence(None, close, HOLD, end) == ("due", "no-proof", end, True)


@pytest.mark.parametrize("kind", ["commercial", "survey"])
def test_an_offer_of_unknown_fate_is_not_worth_a_second_copy(kind: str) -> None:
    end = NOW + HOLD
    doubt = _doubt(kind=kind)
    assert after_evidence(None, doubt, HOLD, end) == ("given-up", "no-proof", None, False)


def test_a_copy_never_goes_out_on_another_way_than_the_first() -> None:
    doubt = _doubt(other_way=True, others_told=True)
    end = NOW + HOLD
    assert after_evidence(None, doubt, HOLD, end) == ("given-up", "other-way", None, False)


def test_a_mail_over_which_three_workers_died_is_set_aside_unless_it_went_out() -> None:
    dead, end = _doubt(deaths=MAX_STARTS), NOW + HOLD
    aside = ("blocked", "quarantined", None, False)
    assert after_evidence(Outcome.NOT_SENT, dead, HOLD, NOW) == aside
    assert after_evidence(Outcome.ACCEPTED, dead, HOLD, NOW).state == "accepted"
    assert after_evidence(None, dead, HOLD, NOW).state == "unknown"
    assert after_evidence(None, dead, HOLD, end) == aside

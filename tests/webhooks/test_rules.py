"""What follows from an attempt: done, again later, or never again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.webhooks.rules import (
    ATTEMPTS,
    DONE,
    DUE,
    FAILED,
    NO_ANSWER,
    NO_CONNECTION,
    NOT_PUBLIC,
    Reply,
    after,
)

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize("status", [200, 201, 204, 299])
def test_any_answer_of_success_is_the_end(status: int) -> None:
    assert after(Reply(status), 1, NOW) == (DONE, None, None)


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        *[(Reply(status), f"http-{status}") for status in (199, 301, 400, 401, 404, 500, 503)],
        (Reply(trouble=NO_CONNECTION), "no-connection"),
        (Reply(trouble=NO_ANSWER), "no-answer"),
    ],
)
def test_anything_else_is_tried_again_and_says_why(reply: Reply, reason: str) -> None:
    assert after(reply, 1, NOW) == (DUE, reason, NOW + timedelta(seconds=5))


def test_each_wait_is_longer_and_after_a_good_day_it_is_given_up() -> None:
    waits = []
    for attempt in range(1, ATTEMPTS):
        state, _, next_at = after(Reply(500), attempt, NOW)
        assert state == DUE
        assert next_at is not None
        waits.append(next_at - NOW)
    assert waits == [
        *(timedelta(seconds=5), 5 * MINUTE, 30 * MINUTE),
        *(2 * HOUR, 5 * HOUR, 10 * HOUR, 10 * HOUR),
    ]
    assert after(Reply(500), ATTEMPTS, NOW) == (FAILED, "gave-up", None)
    assert after(Reply(204), ATTEMPTS, NOW) == (DONE, None, None)


def test_who_is_gone_is_not_asked_again() -> None:
    assert after(Reply(410), 1, NOW) == (FAILED, "refused", None)


def test_an_address_inside_the_house_is_not_asked_again() -> None:
    assert after(Reply(trouble=NOT_PUBLIC), 1, NOW) == (FAILED, "not-public", None)


@pytest.mark.parametrize(
    "location",
    [
        *("http://127.0.0.1/", "https://10.0.0.1:8443/x", "http://localhost:80", "//192.168.0.1/"),
        *("http://[::1]/", "http://[fd00::1]:81/", "http://169.254.169.254/latest", "http://0/"),
        "http://2130706433/",
    ],
)
def test_who_sends_us_into_the_house_is_not_asked_again(location: str) -> None:
    assert after(Reply(302, location=location), 1, NOW) == (FAILED, "not-public", None)


@pytest.mark.parametrize(
    "location", [None, "", "/elsewhere", "https://example.com/", "https://8.8.8.8/", "http://[x"]
)
def test_a_redirect_elsewhere_is_not_followed_and_may_pass(location: str | None) -> None:
    assert after(Reply(307, location=location), 1, NOW).reason == "http-307"
    assert after(Reply(200, location="http://127.0.0.1/"), 1, NOW).state == DONE


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(
    ("asked", "waits"),
    [
        (10 * MINUTE, 10 * MINUTE),
        (timedelta(seconds=1), timedelta(seconds=5)),  # never sooner than we would
        (400 * DAY, DAY),  # and never so late that it is forgotten
        (None, timedelta(seconds=5)),
    ],
)
def test_who_asks_for_time_gets_it(status: int, asked: timedelta | None, waits: timedelta) -> None:
    assert after(Reply(status, retry_after=asked), 1, NOW).next_at == NOW + waits


def test_only_who_is_busy_may_ask_for_time() -> None:
    assert after(Reply(500, retry_after=HOUR), 1, NOW).next_at == NOW + timedelta(seconds=5)

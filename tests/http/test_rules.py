"""What the headers of an answer mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from worker.http.rules import next_link, retry_after

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        ("Fri, 20 Nov 2026 12:01:30 GMT", 90),
        ("Friday, 20-Nov-26 12:01:30 GMT", 90),
        ("Fri, 20 Nov 2026 11:00:00 GMT", 0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("12345678901234567890", None),
    ],
)
def test_how_long_to_wait_is_told_in_seconds_or_as_a_date(text: str, seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert retry_after({"Retry-After": text}, NOW) == expected


def test_without_the_header_nothing_is_asked() -> None:
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ('<https://a.example/x?page=2>; rel="next"', "https://a.example/x?page=2"),
        ("</x?page=2>; rel=next", "/x?page=2"),
        ('</a>; rel="prev", </b>; rel="next", </c>; rel="last"', "/b"),
        ('</a,b>; title="x, y"; REL="last next"', "/a,b"),
        ('</a>; rel="prev"', None),
        ('</a>; rel="nextish"', None),
        ('</a>; title="next"', None),
        ("", None),
    ],
)
def test_the_next_page_is_the_link_that_says_so(text: str, target: str | None) -> None:
    assert next_link({"Link": text}) == target

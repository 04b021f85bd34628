"""Logs say what happened, and neither who the client is nor what the password is."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from worker.telemetry.logs import configure, redact


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def _logged(out: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_json_object_a_line() -> None:
    out = io.StringIO()
    configure("auto", "info", out)
    structlog.get_logger("worker.outbox").info("mail.sent", mail="m-1", attempts=2)
    (event,) = _logged(out)
    assert event.pop("at")
    assert event == {
        "event": "mail.sent",
        "level": "info",
        "logger": "worker.outbox",
        "mail": "m-1",
        "attempts": 2,
    }


def test_a_library_that_logs_the_old_way_is_heard_in_the_same_format() -> None:
    out = io.StringIO()
    configure("json", "info", out)
    logging.getLogger("some.library").warning("lost %s", "the thread")
    (event,) = _logged(out)
    assert (event["event"], event["level"]) == ("lost the thread", "warning")


def test_passwords_and_addresses_never_get_into_a_log() -> None:
    out = io.StringIO()
    configure("json", "info", out)
    log = structlog.get_logger("worker")
    url = "postgresql+psycopg://perennial:hunter2@db.example.com/perennial"
    try:
        raise ValueError(f"cannot write to anna.kowalska@example.com at {url}")
    except ValueError:
        log.exception("mail.failed", to=["anna.kowalska@example.com"], at_url={"url": url})
    assert "mail.failed" in out.getvalue()
    assert "hunter2" not in out.getvalue()
    assert "kowalska" not in out.getvalue()


def test_the_rest_of_a_url_can_still_be_read() -> None:
    assert redact("redis://user:pa55@cache:6379/0") == "redis://user:[password]@cache:6379/0"
    assert redact("redis://:pa55@cache:6379/0") == "redis://:[password]@cache:6379/0"


def test_below_the_level_nothing_is_written() -> None:
    out = io.StringIO()
    configure("json", "warning", out)
    structlog.get_logger("worker").info("bell.rung")
    logging.getLogger("library").info("chatter")
    assert out.getvalue() == ""


def test_text_is_for_people() -> None:
    out = io.StringIO()
    configure("text", "info", out)
    structlog.get_logger("worker").info("web.started", port=8000)
    assert "web.started" in out.getvalue()
    assert "port=8000" in out.getvalue()

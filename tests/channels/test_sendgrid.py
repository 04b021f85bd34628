"""The ``sendgrid`` channel: what it hands over, and what it makes of each answer."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

import httpx
import pytest

from tests.channels.letters import KEY, NOW, SUBJECT, Words, a_letter, an_envelope
from tests.http.server import Asked, Reply, Server
from worker.channels.contract import Outcome
from worker.channels.sendgrid import LONGEST_PAUSE, SendGridChannel, request, rests_until, result_of
from worker.config.settings import MailSettings, Settings
from worker.http.door import Answer
from worker.kernel.keys import digest

AT = int(NOW.timestamp())


def settings(url: str = "https://api.sendgrid.com", **sendgrid: str) -> MailSettings:
    mail = {"sendgrid": {"base_url": url, "api_key": "SG.canary"} | sendgrid}
    return Settings.model_validate_json(json.dumps({"mail": mail})).mail


@contextmanager
def answered(reply: Reply | None) -> Iterator[tuple[SendGridChannel, list[Asked]]]:
    with Server(lambda _: reply).running() as server:
        channel = SendGridChannel(settings(server.url))
        yield channel, server.asked
        channel.close()


def test_the_request_says_what_the_mail_says_and_names_it_by_opaque_ids() -> None:
    made = json.loads(request(an_envelope(), a_letter().parts, "anna@example.com"))
    (person,) = made["personalizations"]
    assert person["to"] == [{"email": "anna@example.com", "name": "Nowak-Żądło, Anna (łódzkie)"}]
    assert person["custom_args"] == {"mail": KEY, "copy": digest("anna@example.com")[:12]}
    assert made["from"] == {"email": "renewals@example.com", "name": "Wiśniewska, Ewa"}
    assert made["reply_to"] == {"email": "ewa@example.com", "name": "Ewa Wiśniewska"}
    assert made["subject"] == SUBJECT
    assert [part["type"] for part in made["content"]] == ["text/plain", "text/html"]
    assert made["content"][0]["value"] == Words().text
    assert set(made["headers"]) == {
        *("Message-ID", "Auto-Submitted", "Content-Language"),
        *("List-Unsubscribe", "List-Unsubscribe-Post"),
    }
    (file,) = made["attachments"]
    assert (file["filename"], file["type"], file["disposition"]) == (
        "odnowienie.ics",
        "text/calendar; method=PUBLISH",  # SendGrid refuses every other parameter
        "attachment",
    )


def test_every_attempt_makes_the_same_request() -> None:
    first, second = (request(an_envelope(), a_letter().parts, "anna@example.com") for _ in range(2))
    assert first == second


def test_the_same_mail_to_two_addresses_is_two_rows_to_an_event() -> None:
    ids = set()
    for address in ("anna@example.com", "bob@example.com"):
        letter = a_letter(to=address, recipient=address)
        made = json.loads(request(an_envelope(address), letter.parts, address))
        ids.add(tuple(made["personalizations"][0]["custom_args"].values()))
    assert len(ids) == 2


def test_a_redirected_mail_is_still_named_by_the_row_of_its_client() -> None:
    letter = a_letter("me@example.com", "me@example.com", intended_for="anna@example.com")
    made = json.loads(request(an_envelope(), letter.parts, letter.recipient))
    (person,) = made["personalizations"]
    assert person["to"] == [{"email": "me@example.com"}]
    assert person["custom_args"]["copy"] == digest("anna@example.com")[:12]


def test_the_key_goes_into_one_header_and_nowhere_else() -> None:
    with answered(Reply(status=202, headers={"X-Message-Id": "abc"})) as (channel, asked):
        assert channel.send(an_envelope(), a_letter(), NOW).outcome is Outcome.ACCEPTED
        (one,) = asked
        assert (one.method, one.path) == ("POST", "/v3/mail/send")
        assert one.headers["Authorization"] == "Bearer SG.canary"
        assert [name for name, value in one.headers.items() if "canary" in value] == [
            "Authorization"
        ]
        assert b"canary" not in one.body


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        *((status, Outcome.REFUSED) for status in (400, 413)),
        *((status, Outcome.SHUT) for status in (401, 403, 404)),
        (429, Outcome.NOT_SENT),
        *((status, Outcome.UNKNOWN) for status in (200, 201, 202, 204, 301, 302, 307, 405, 406)),
        *((status, Outcome.UNKNOWN) for status in (408, 409, 415, 418, 500, 502, 503, 504, 599)),
    ],
)
def test_only_what_was_surely_not_taken_is_ever_tried_again(status: int, outcome: Outcome) -> None:
    assert result_of(Answer(status, {}, b""), NOW).outcome is outcome


@pytest.mark.parametrize(
    ("name", "outcome"), [("id-1", "accepted"), ("", "unknown"), (" ", "unknown")]
)
def test_accepted_is_an_answer_with_an_id(name: str, outcome: str) -> None:
    result = result_of(Answer(202, {"X-Message-Id": name}, b""), NOW)
    assert result.outcome == outcome
    assert result.provider_id == (name.strip() or None)
    assert result_of(Answer(200, {"X-Message-Id": "id-1"}, b""), NOW).outcome is Outcome.UNKNOWN


def test_a_reason_is_told_without_the_address_that_it_repeats() -> None:
    body = {
        "errors": [
            {"message": "bad address: anna@example.com", "field": "personalizations.0.to.0.email"},
            {"message": "line\r\nbreak", "field": None},
        ]
    }
    result = result_of(Answer(400, {}, json.dumps(body).encode()), NOW)
    assert result.detail == "400 personalizations.0.to.0.email: bad address: …; line break"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"[]", b'{"errors": 5}', b'{"errors": [5, null]}', b"[" * 9999, b"\xff\xfe"],
)
def test_an_odd_reason_is_no_reason_to_fail(body: bytes) -> None:
    assert result_of(Answer(400, {}, body), NOW).detail == "400"


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("headers", "until"),
    [
        ({}, None),
        ({"X-RateLimit-Reset": str(AT + 60)}, after(60)),
        ({"X-RateLimit-Reset": str(AT + 60), "Retry-After": "5"}, after(60)),
        ({"Retry-After": "5"}, after(5)),
        ({"Retry-After": "Fri, 20 Nov 2026 12:01:00 GMT"}, after(60)),
        ({"X-RateLimit-Reset": "soon", "Retry-After": "5"}, after(5)),
        ({"X-RateLimit-Reset": str(AT - 1)}, None),
        ({"X-RateLimit-Reset": "60"}, None),
        ({"X-RateLimit-Reset": "9999999999"}, NOW + LONGEST_PAUSE),
        ({"X-RateLimit-Reset": "9" * 40}, None),
        ({"Retry-After": "999999999"}, NOW + LONGEST_PAUSE),
        ({"Retry-After": "-1"}, None),
    ],
)
def test_a_pause_ends_when_the_provider_says_and_never_far_away(
    headers: dict[str, str], until: datetime | None
) -> None:
    assert rests_until(headers, NOW) == until
    result = result_of(Answer(429, headers, b""), NOW)
    assert (result.pause_until, result.retry_at) == (until, until)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(b'{"scopes": ["mail.send"]}'), None),
        (
            Reply(b'{"scopes": ["stats.read"]}'),
            "mail.sendgrid.api_key: the key may not send mails; it needs 'Mail Send'",
        ),
        (
            Reply(b'{"errors": [{"message": "authorization required"}]}', 401),
            "mail.sendgrid.api_key: SendGrid refuses the key (401 authorization required)",
        ),
        (Reply(b"<html>", 502), "mail.sendgrid: SendGrid answers 502"),
        (
            Reply(b"not json"),
            "mail.sendgrid.api_key: the key may not send mails; it needs 'Mail Send'",
        ),
    ],
)
def test_the_check_asks_what_the_key_may_do_and_sends_nothing(
    reply: Reply, said: str | None
) -> None:
    with answered(reply) as (channel, asked):
        assert channel.check() == said
        assert [(one.method, one.path) for one in asked] == [("GET", "/v3/scopes")]


def test_evidence_comes_by_events_where_their_key_is_known() -> None:
    key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE" + "A" * 86 + "=="
    assert SendGridChannel(settings(event_key=key)).proves
    assert not SendGridChannel(settings()).proves
    assert SendGridChannel(settings()).evidence(an_envelope()) is None


@pytest.mark.parametrize("address", ["анна@example.com", "a b@example.com", "a@b@c", ""])
def test_an_address_that_cannot_be_written_is_never_tried(address: str) -> None:
    def never(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    channel = SendGridChannel(settings(), transport=httpx.MockTransport(never))
    result = channel.send(an_envelope(), a_letter(recipient=address), NOW)
    assert result.outcome is Outcome.REFUSED
    channel.close()


def test_a_domain_in_other_letters_is_called_by_its_ascii_name() -> None:
    with answered(Reply(status=202, headers={"X-Message-Id": "abc"})) as (channel, asked):
        channel.send(an_envelope(), a_letter(recipient="anna@gęślą.example"), NOW)
        (person,) = json.loads(asked[0].body)["personalizations"]
        assert person["to"][0]["email"] == "anna@xn--gl-qla2f4p.example"


def test_the_channel_needs_the_text_of_a_mail() -> None:
    with pytest.raises(ValueError, match="was given none"):
        SendGridChannel(settings()).send(an_envelope(), None, NOW)


def test_the_library_is_loaded_with_the_first_mail_and_not_before() -> None:
    code = "import sys, worker.channels.table; print('sendgrid' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

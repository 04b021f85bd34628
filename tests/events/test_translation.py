"""SendGrid's words in ours, and every shape that no provider should send."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.events.signing import Signer, batch
from worker.channels.sendgrid_events import SendgridEar
from worker.channels.told import GarbledError, Kind, Told, click_detail, copy_mark

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)
SIGNER = Signer()
EAR = SendgridEar(SIGNER.public)
KEY = "0123456789abcdef"


def hear(body: bytes) -> list[Told]:
    return list(EAR.hear(SIGNER.headers(body, NOON), body, NOON))


def told(**said: Any) -> Told:
    (one,) = hear(batch([said]))
    return one


def refused(body: bytes) -> str:
    with pytest.raises(GarbledError) as error:
        hear(body)
    return str(error.value)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ({"event": "processed"}, Kind.ACCEPTED),
        ({"event": "deferred", "response": "400 try again later"}, Kind.DEFERRED),
        ({"event": "delivered"}, Kind.DELIVERED),
        ({"event": "bounce", "type": "bounce"}, Kind.BOUNCED),
        ({"event": "bounce"}, Kind.BOUNCED),
        ({"event": "bounce", "type": "blocked"}, Kind.BLOCKED),
        ({"event": "bounce", "type": "expired"}, Kind.BLOCKED),
        ({"event": "dropped", "reason": "Bounced Address"}, Kind.BOUNCED),
        ({"event": "dropped", "reason": "Invalid"}, Kind.BOUNCED),
        ({"event": "dropped", "reason": "Spam Reporting Address"}, Kind.BOUNCED),
        ({"event": "dropped", "reason": "Unsubscribed Address"}, Kind.DROPPED),
        (
            {"event": "dropped", "reason": "Spam Content (if Spam Checker app enabled)"},
            Kind.DROPPED,
        ),
        ({"event": "dropped"}, Kind.DROPPED),
        ({"event": "spamreport"}, Kind.COMPLAINED),
        ({"event": "open"}, Kind.OPENED),
        ({"event": "click"}, Kind.CLICKED),
        ({"event": "unsubscribe"}, Kind.UNSUBSCRIBED),
        ({"event": "group_unsubscribe"}, Kind.UNSUBSCRIBED),
        ({"event": "group_resubscribe"}, Kind.UNKNOWN),
        ({"event": "account_status_change"}, Kind.UNKNOWN),
        ({"event": "teleported"}, Kind.UNKNOWN),
    ],
    ids=lambda value: "-".join(value.values()) if isinstance(value, dict) else "",
)
def test_each_of_sendgrids_words_has_one_of_ours(said: dict[str, str], kind: Kind) -> None:
    assert told(**said).kind is kind


def test_an_event_names_the_message_by_opaque_ids_alone() -> None:
    one = told(
        event="delivered",
        sg_event_id="abc",
        mail=KEY,
        copy=copy_mark("anna@example.com"),
        email="anna@example.com",
        timestamp=int(NOON.timestamp()) - 5,
        sg_message_id="xyz.filter1.2.3",
    )
    assert (one.key, one.mail_key, one.provider_id) == ("abc", KEY, "xyz")
    assert one.copy == copy_mark("anna@example.com")
    assert len(one.copy) == 12
    assert one.at == NOON - timedelta(seconds=5)
    assert one.raw["email"] == "anna@example.com"


def test_a_reason_is_kept_in_one_line_and_cut() -> None:
    one = told(event="bounce", reason="550 5.1.1\r\nno such user\tanna@example.com " + "x" * 5000)
    assert one.detail is not None
    assert one.detail.startswith("550 5.1.1 no such user … xxx")
    assert len(one.detail) == 300


def test_of_a_click_the_link_is_kept_as_a_fingerprint_because_it_may_open_a_page() -> None:
    link = "https://licences.example.com/answer/s3cr3t-t0ken"
    one = told(event="click", url=link, useragent="Mozilla/5.0 (X11)")
    assert one.detail == click_detail(link, "Mozilla/5.0 (X11)")
    assert "s3cr3t" not in one.detail


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "got no JSON"),
        (b"not json", "got no JSON"),
        (b"\xef\xbb\xbf[]", "got no JSON"),
        (b"[1,]", "got no JSON"),
        (b"[NaN]", "got no JSON"),
        (b"[Infinity]", "got no JSON"),
        (b"[" + b"9" * 5000 + b"]", "got no JSON"),
        (b'{"event": "delivered"}', "got an object"),
        (b'"delivered"', "got a text"),
        (b"null", "got null"),
        (b"true", "got true or false"),
        (b"17", "got a number"),
        (b"[" * 100_000 + b"]" * 100_000, "got lists in lists without end"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "got lists in lists without end"),
    ],
    ids=range(14),
)
def test_what_is_no_list_of_events_is_refused_and_said_why(body: bytes, said: str) -> None:
    why = refused(body)
    assert why.startswith("expected a list of events")
    assert why.endswith(said)


def test_an_empty_list_tells_nothing() -> None:
    assert hear(b"[]") == []


@pytest.mark.parametrize("odd", [None, 1, "delivered", [], [[]], True, 1e999, -(10**400)])
def test_what_is_no_event_is_kept_as_unknown(odd: Any) -> None:
    (one,) = hear(b"[" + json.dumps(odd).replace("Infinity", "1e999").encode() + b"]")
    assert one.kind is Kind.UNKNOWN
    assert one.key.startswith("digest-")


def test_an_event_without_an_id_is_known_by_what_it_says() -> None:
    one, same, other = hear(batch([{"event": "open"}, {"event": "open"}, {"event": "click"}]))
    assert one.key == same.key != other.key


@pytest.mark.parametrize("id_", [None, 5, "", "a" * 201, "a\nb", "\0", "\ud800", {}, []])
def test_an_id_that_is_none_is_replaced(id_: Any) -> None:
    one = told(event="open", sg_event_id=id_)
    assert one.key.startswith("digest-")


@pytest.mark.parametrize(
    "when",
    [None, "1806494400", -1, 0, 1e30, 10**400, -(10**400), 9999999999999, True, [], {}, 1e999],
)
def test_a_moment_that_cannot_be_is_the_moment_of_hearing_it(when: Any) -> None:
    (one,) = hear(
        b'[{"event":"open","timestamp":%s}]'
        % json.dumps(when).replace("Infinity", "1e999").encode()
    )
    assert one.at == NOON


def test_nothing_is_left_that_a_database_refuses() -> None:
    (one,) = hear(
        b'[{"event":"bounce","email":"a\\u0000@b.example","reason":"\\ud800x\\u0000",'
        b'"\\u0000":{"deep\\udfff":"\\ud83d\\ude00"}}]'
    )
    for text in (one.address, one.detail, json.dumps(one.raw, ensure_ascii=False)):
        assert text is not None
        text.encode()
        assert "\0" not in text
    assert one.raw["\ufffd"] == {"deep\ufffd": "\U0001f600"}


def test_what_is_nested_deeper_than_a_dozen_levels_is_cut() -> None:
    (one,) = hear(b'[{"event":"open","x":' + b"[" * 300 + b"]" * 300 + b"}]")
    assert one.kind is Kind.OPENED
    assert len(json.dumps(one.raw)) < 100


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
FIELDS = (
    "type",
    "reason",
    "email",
    "timestamp",
    "mail",
    "copy",
    "sg_event_id",
    "sg_message_id",
    "url",
    "useragent",
    "response",
)
NAMES = st.sampled_from(["bounce", "dropped", "click", "delivered", "open", "x"])


@given(st.lists(ANY | st.fixed_dictionaries({"event": NAMES}, optional=dict.fromkeys(FIELDS, ANY))))
def test_whatever_a_provider_signs_is_a_list_of_things_told(events: list[Any]) -> None:
    found = hear(json.dumps(events).replace("Infinity", "1e999").encode())
    assert len(found) == len(events)
    for one in found:
        assert one.at <= NOON
        assert one.key
        json.dumps(one.raw, ensure_ascii=False).encode()
        for text in (one.key, one.mail_key, one.copy, one.address, one.detail, one.provider_id):
            assert text is None or len(text.encode()) < 2100

"""Whoever cannot sign as SendGrid does changes nothing, and learns nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from sendgrid import EventWebhook, EventWebhookHeader

from tests.events.signing import Signer, batch
from worker.channels.sendgrid_events import SIGNATURE, TIMESTAMP, WINDOW, SendgridEar
from worker.channels.told import ForgedError, Kind
from worker.kernel.errors import ConfigError

NOON = datetime(2027, 3, 31, 12, tzinfo=UTC)
SIGNER = Signer()
EAR = SendgridEar(SIGNER.public)
BODY = batch([{"event": "delivered", "sg_event_id": "a"}])
GOOD = SIGNER.headers(BODY, NOON)

# Published by SendGrid as a test of its own library, under the MIT licence:
# github.com/sendgrid/sendgrid-python, test/unit/test_eventwebhook.py (commit 1dcc378).
PUBLISHED_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw"
    "+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
OTHER_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntl"
    "o7aNDthvj+y7GjUuFDb/R1NGe1OPzpA=="
)
PUBLISHED = {
    SIGNATURE: "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh"
    "89M15TluLtEZtM=",
    TIMESTAMP: "1600112502",
}
OTHER_SIGNATURE = (
    "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3"
    "j/0="
)
PUBLISHED_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]'
    b"\r\n"
)
THEN = datetime.fromtimestamp(1600112502, UTC)


def is_forged(headers: dict[str, str], body: bytes, now: datetime = NOON) -> bool:
    try:
        EAR.hear(headers, body, now)
    except ForgedError:
        return True
    return False


def test_sendgrids_own_published_example_is_taken() -> None:
    (told,) = SendgridEar(PUBLISHED_KEY).hear(PUBLISHED, PUBLISHED_BODY, THEN)
    assert told.kind is Kind.BOUNCED
    assert told.address == "hello@world.com"
    assert told.provider_id == "LRzXl_NHStOGhQ4kofSm_A"
    assert told.at == datetime.fromtimestamp(1600112492, UTC)


@pytest.mark.parametrize(
    ("key", "headers", "body"),
    [
        (OTHER_KEY, PUBLISHED, PUBLISHED_BODY),
        (PUBLISHED_KEY, PUBLISHED, b"payload"),
        (PUBLISHED_KEY, PUBLISHED | {SIGNATURE: OTHER_SIGNATURE}, PUBLISHED_BODY),
        (PUBLISHED_KEY, PUBLISHED | {TIMESTAMP: "timestamp"}, PUBLISHED_BODY),
        (PUBLISHED_KEY, PUBLISHED, PUBLISHED_BODY.rstrip()),
    ],
    ids=["key", "body", "signature", "timestamp", "line end"],
)
def test_sendgrids_own_published_forgeries_are_refused(
    key: str, headers: dict[str, str], body: bytes
) -> None:
    with pytest.raises(ForgedError):
        SendgridEar(key).hear(headers, body, THEN)


def test_what_we_sign_in_tests_is_what_sendgrids_own_code_accepts() -> None:
    assert EventWebhookHeader.SIGNATURE.lower() == SIGNATURE
    assert EventWebhookHeader.TIMESTAMP.lower() == TIMESTAMP
    verifier = EventWebhook(SIGNER.public)
    assert verifier.verify_signature(BODY.decode(), GOOD[SIGNATURE], GOOD[TIMESTAMP])
    assert len(EAR.hear(GOOD, BODY, NOON)) == 1


def test_a_change_of_any_byte_of_the_body_is_refused() -> None:
    for place, byte in enumerate(BODY):
        for other in {byte ^ 1 << bit for bit in range(8)} | {0, 32, 255} - {byte}:
            altered = BODY[:place] + bytes([other]) + BODY[place + 1 :]
            assert is_forged(GOOD, altered), (place, other)


@pytest.mark.parametrize("name", [SIGNATURE, TIMESTAMP])
def test_a_change_of_any_sign_of_a_header_is_refused(name: str) -> None:
    value = GOOD[name]
    for place in range(len(value)):
        for other in map(chr, range(256)):
            if other != value[place]:
                altered = value[:place] + other + value[place + 1 :]
                assert is_forged(GOOD | {name: altered}, BODY), (place, other)


@pytest.mark.parametrize("name", [SIGNATURE, TIMESTAMP])
def test_a_sign_more_or_less_in_a_header_is_refused(name: str) -> None:
    value = GOOD[name]
    for place in range(len(value) + 1):
        shorter = value[:place] + value[place + 1 :]
        assert shorter == value or is_forged(GOOD | {name: shorter}, BODY), place
        for more in ("\n", " ", "=", "0", "A", "\u0661", "-", "_"):
            altered = value[:place] + more + value[place:]
            assert is_forged(GOOD | {name: altered}, BODY), (place, more)


@pytest.mark.parametrize("missing", [SIGNATURE, TIMESTAMP])
def test_a_missing_header_is_refused(missing: str) -> None:
    assert is_forged({name: value for name, value in GOOD.items() if name != missing}, BODY)
    assert is_forged({}, BODY)


def test_a_digit_that_moves_from_the_timestamp_into_the_body_is_refused() -> None:
    stamp = GOOD[TIMESTAMP]
    for cut in range(1, len(stamp)):
        moved = GOOD | {TIMESTAMP: stamp[:cut]}
        assert is_forged(moved, stamp[cut:].encode() + BODY), cut


def test_another_key_is_refused() -> None:
    assert is_forged(Signer().headers(BODY, NOON), BODY)


@pytest.mark.parametrize("side", [-1, 1], ids=["old", "future"])
def test_a_request_of_26_hours_ago_or_ahead_is_the_last_that_is_taken(side: int) -> None:
    at = NOON + side * WINDOW
    assert not is_forged(SIGNER.headers(BODY, at), BODY)
    late = at + side * timedelta(seconds=1)
    assert is_forged(SIGNER.headers(BODY, late), BODY)


@given(st.binary(max_size=200), st.text(max_size=120), st.text(max_size=20))
def test_nothing_that_anyone_makes_up_is_taken_or_breaks_anything(
    body: bytes, signature: str, timestamp: str
) -> None:
    assert is_forged({SIGNATURE: signature, TIMESTAMP: timestamp}, body)
    assert is_forged(GOOD | {SIGNATURE: signature}, BODY)
    assert body == BODY or is_forged(GOOD, body)


def test_only_a_public_key_on_p_256_is_a_key() -> None:
    other_curve = Signer(ec.generate_private_key(ec.SECP384R1()))
    for wrong in ("", "nonsense", PUBLISHED_KEY[:-4], "A" * 124, "ключ", other_curve.public):
        with pytest.raises(ConfigError, match="is no public key; copy the verification key"):
            SendgridEar(wrong)

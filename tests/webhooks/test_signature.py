"""Whoever uses the official library can tell our calls from others'."""

from __future__ import annotations

from base64 import b64encode
from datetime import timedelta

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from worker.config.values import signing_key
from worker.kernel.clock import SystemClock
from worker.webhooks.signature import content, signed

NEW, OLD, OTHER = (
    "whsec_" + b64encode(bytes(range(start, start + 32))).decode() for start in (0, 50, 100)
)
BODY = {"type": "licence.step", "data": {"product": "Лицензия „Żółw” 𝄞", "term": 2}}


def _headers(*secrets: str, ago: timedelta = timedelta(0)) -> dict[str, str]:
    now = SystemClock().now() - ago
    return signed("call_1", now, content(BODY), [signing_key(secret) for secret in secrets])


def test_the_official_library_verifies_a_call() -> None:
    assert Webhook(NEW).verify(content(BODY), _headers(NEW)) == BODY


def test_while_secrets_change_both_verify_and_no_third_one() -> None:
    headers = _headers(NEW, OLD)
    assert Webhook(NEW).verify(content(BODY), headers) == BODY
    assert Webhook(OLD).verify(content(BODY), headers) == BODY
    with pytest.raises(WebhookVerificationError):
        Webhook(OTHER).verify(content(BODY), headers)


@pytest.mark.parametrize("changed", ["webhook-id", "webhook-timestamp", "body"])
def test_what_was_changed_on_the_way_does_not_verify(changed: str) -> None:
    headers, body = _headers(NEW), content(BODY)
    if changed == "body":
        body = body.replace(b"2", b"3")
    elif changed == "webhook-id":
        headers[changed] += "0"
    else:
        headers[changed] = str(int(headers[changed]) + 1)
    with pytest.raises(WebhookVerificationError):
        Webhook(NEW).verify(body, headers)


def test_a_call_of_yesterday_that_somebody_kept_does_not_verify() -> None:
    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(NEW).verify(content(BODY), _headers(NEW, ago=timedelta(days=1)))


def test_equal_bodies_have_equal_bytes() -> None:
    assert content(BODY) == content({"data": BODY["data"], "type": BODY["type"]})

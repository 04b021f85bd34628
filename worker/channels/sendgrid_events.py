"""SendGrid's events: signed batches of JSON, put into our words.

Signature: ECDSA on P-256 over the timestamp and the raw body (docs: "Getting Started with the
Event Webhook Security Features"); verified with SendGrid's own code before anything is parsed.
Events: docs, "Event Webhook Reference".
"""

from __future__ import annotations

import binascii
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn

from worker.channels.told import (
    ForgedError,
    GarbledError,
    Kind,
    Told,
    as_address,
    as_detail,
    as_key,
    as_moment,
    as_raw,
    as_text,
    click_detail,
)
from worker.kernel.errors import ConfigError

if TYPE_CHECKING:
    from sendgrid import EventWebhook

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"

WINDOW = timedelta(hours=26)
"""How far a timestamp may lie from now. SendGrid tries for 24 hours; its own code checks no age."""

_SECONDS = re.compile(r"[0-9]{1,12}", re.ASCII)
_MAIL_KEY = re.compile(r"[0-9a-z]{16}", re.ASCII)
_COPY = re.compile(r"[0-9a-f]{12}", re.ASCII)

_KINDS = {
    "processed": Kind.ACCEPTED,
    "deferred": Kind.DEFERRED,
    "delivered": Kind.DELIVERED,
    "spamreport": Kind.COMPLAINED,
    "open": Kind.OPENED,
    "click": Kind.CLICKED,
    "unsubscribe": Kind.UNSUBSCRIBED,
    "group_unsubscribe": Kind.UNSUBSCRIBED,
}
# Reasons of a drop that say: it was refused for good before, or its reader complained before.
_HOPELESS = ("bounced address", "invalid", "spam reporting address")


class SendgridEar:
    """Hears SendGrid. ``key`` is the public key that its page of settings shows."""

    def __init__(self, key: str) -> None:
        """Raises ``ConfigError`` when ``key`` is no public key on P-256."""
        self._verifier = _verifier(key)

    def hear(self, headers: Mapping[str, str], body: bytes, now: datetime) -> Sequence[Told]:
        self._verify(headers.get(SIGNATURE, ""), headers.get(TIMESTAMP, ""), body, now)
        return [_told(event, now) for event in _events(body)]

    def _verify(self, signature: str, timestamp: str, body: bytes, now: datetime) -> None:
        if not _SECONDS.fullmatch(timestamp):
            raise ForgedError("the timestamp is no number of seconds")
        if abs(int(timestamp) - now.timestamp()) > WINDOW.total_seconds():
            raise ForgedError("the timestamp is more than 26 hours away")
        try:
            # Base64 has several spellings of the same bytes; only one of them was sent.
            spelt = b64encode(b64decode(signature, validate=True)).decode() == signature
            good = spelt and self._verifier.verify_signature(body.decode(), signature, timestamp)
        except (ValueError, binascii.Error):
            good = False
        if not good:
            raise ForgedError("the signature does not fit")


def _verifier(key: str) -> EventWebhook:
    from sendgrid import EventWebhook

    try:
        made = EventWebhook(key)
        good = made.public_key.curve.name == "secp256r1"
    except Exception:  # noqa: BLE001 -- the library below raises several kinds
        good = False
    if not good:
        raise ConfigError(
            "mail.sendgrid.event_key is no public key; copy the verification key of the signed "
            "event webhook from SendGrid's settings"
        )
    return made


def _events(body: bytes) -> list[Any]:
    try:
        found = json.loads(body.decode(), parse_constant=_refuse)
    except RecursionError:
        raise GarbledError("expected a list of events, got lists in lists without end") from None
    except ValueError:
        raise GarbledError("expected a list of events as JSON, got no JSON") from None
    if not isinstance(found, list):
        raise GarbledError(f"expected a list of events, got {_called(found)}")
    return found


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _called(value: object) -> str:
    names = {dict: "an object", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _told(event: Any, now: datetime) -> Told:
    """One event; whatever it is not able to say stays empty."""
    raw = as_raw(event)
    if not isinstance(event, Mapping):
        return Told(as_key(None, raw), Kind.UNKNOWN, now, raw=raw)
    kind = _kind(event)
    return Told(
        key=as_key(event.get("sg_event_id"), raw),
        kind=kind,
        at=as_moment(event.get("timestamp"), now),
        mail_key=_like(_MAIL_KEY, event.get("mail")),
        copy=_like(_COPY, event.get("copy")),
        address=as_address(event.get("email")),
        provider_id=_provider_id(event.get("sg_message_id")),
        detail=_detail(kind, event),
        raw=raw,
    )


def _kind(event: Mapping[str, Any]) -> Kind:
    name = event.get("event")
    if name == "bounce":
        return Kind.BOUNCED if event.get("type", "bounce") == "bounce" else Kind.BLOCKED
    if name == "dropped":
        reason = (as_text(event.get("reason")) or "").lower()
        return Kind.BOUNCED if reason in _HOPELESS else Kind.DROPPED
    return _KINDS.get(name, Kind.UNKNOWN) if isinstance(name, str) else Kind.UNKNOWN


def _detail(kind: Kind, event: Mapping[str, Any]) -> str | None:
    if kind is Kind.CLICKED:
        link, agent = as_text(event.get("url"), 4000), as_text(event.get("useragent"))
        return click_detail(link or "", agent or "")
    if kind is Kind.UNKNOWN:
        return as_detail(event.get("event"))
    said = as_detail(event.get("reason")) or as_detail(event.get("response"))
    if event.get("event") == "dropped":
        return f"not tried: {said or 'no reason given'}"
    return said


def _like(pattern: re.Pattern[str], value: object) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


def _provider_id(value: object) -> str | None:
    """What SendGrid gave us as X-Message-Id: an event's id of the message begins with it."""
    text = as_text(value, 200)
    return text.partition(".")[0] or None if text else None

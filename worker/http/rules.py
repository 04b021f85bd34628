"""What the headers of an answer mean. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\d{1,9}", re.ASCII)
_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[^;,\"]+(?:\"[^\"]*\")?)*)")
_NEXT = re.compile(r";\s*rel\s*=\s*(?:\"(?:[^\"]*\s)?next(?:\s[^\"]*)?\"|next\s*(?:;|$))", re.I)


def retry_after(headers: Mapping[str, str], now: datetime) -> timedelta | None:
    """How long the other side asks us to wait: ``Retry-After`` in seconds or as a date.

    RFC 9110, section 10.2.3. ``None`` when it does not say, or says it badly; never negative.
    """
    text = (headers.get("Retry-After") or "").strip()
    if _SECONDS.fullmatch(text):
        return timedelta(seconds=int(text))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(until - now, timedelta(0))


def next_link(headers: Mapping[str, str]) -> str | None:
    """The target of the ``Link`` header with ``rel=next`` (RFC 8288), as it is written there."""
    for found in _LINK.finditer(headers.get("Link") or ""):
        if _NEXT.search(found[2]):
            return found[1]
    return None

"""``webhook``: a signed call to another system."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

from worker.config.validation import not_a
from worker.config.values import LOOPBACK
from worker.http.addresses import is_public
from worker.schedules.fields import Shape
from worker.schedules.kinds.contract import StepKind, Table

_LONGEST = 2000
_HINT = "write e.g. 'https://hooks.example.com/renewals'"
_NAME = re.compile(r"(?=.{1,253}$)([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?\.)+[a-z][a-z0-9-]*")


def webhook_url(text: str) -> str:
    """An address to call: ``https://`` and a public host, or ``http://localhost`` for trying.

    Only what can be seen in the text is judged here; where a name leads is judged at each call.
    """
    parts = _parts(text)
    if parts.username is not None or parts.password is not None:
        hint = "remove what stands before the @: calls are signed, see docs/webhooks.md"
        raise not_a("credentials", "an address without a user or a password", hint, got="")
    if parts.fragment:
        raise not_a("url", "an address to call", "remove the # and what follows: it is never sent")
    host = parts.hostname or ""
    if host in LOOPBACK:
        if parts.scheme != "http":
            hint = f"write 'http://{parts.netloc}{parts.path}'"
            raise not_a("url", "an address to try things out at", hint)
        return text
    if parts.scheme != "https":
        raise not_a("https", "an address to call: away from localhost it begins with https://")
    _check_host(host)
    return text


def _parts(text: str) -> SplitResult:
    if not re.fullmatch(r"[!-~]+", text):
        hint = "write a domain in its xn-- form and other signs as %20, %C5%82 …"
        raise not_a("url", "an address in plain ASCII without spaces", hint)
    if len(text) > _LONGEST:
        got = f"a text of {len(text)} signs"
        raise not_a("url", f"an address of at most {_LONGEST} signs", _HINT, got)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise not_a("url", "an address to call", _HINT) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or "\\" in text:
        raise not_a("url", "an address to call", _HINT)
    return parts


def _check_host(host: str) -> None:
    if ":" in host or re.fullmatch(r"[0-9.]+", host):
        if not is_public(host):
            raise not_a("not-public", "an address that the internet can reach", _HINT)
    elif not _NAME.fullmatch(host):
        raise not_a("url", "an address with the full name of a host", _HINT)


def is_for_trying(url: str) -> bool:
    """Whether it is an address on this machine, by its own text."""
    return url.startswith("http:") and urlsplit(url).hostname in LOOPBACK


def host_of(url: str) -> str:
    """The host, which may be shown; the rest of an address may hold what only two should know."""
    return urlsplit(url).hostname or ""


Url = Annotated[
    str,
    AfterValidator(webhook_url),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": r"^(https://|http://(localhost|127\.0\.0\.1|\[::1\])([:/?]|$))",
            "maxLength": _LONGEST,
            "examples": ["https://hooks.example.com/renewals"],
        }
    ),
]


class WebhookKeys(Shape):
    """``webhook`` is the address to call."""

    webhook: Url = Field(
        description='the address to call, e.g. "https://hooks.example.com/renewals"'
    )


def _meet(step: Table, other: Table) -> bool:
    return bool(step.get("webhook") == other.get("webhook"))


KIND = StepKind("webhook", "a webhook", WebhookKeys, _meet)

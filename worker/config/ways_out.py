"""What the way out that ``[mail] channel`` names needs before the first mail can leave."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from worker.config.overrides import variable
from worker.config.validation import Finding, problem_at, shown
from worker.config.values import LOOPBACK
from worker.kernel.dates import parse_span
from worker.kernel.errors import Problem
from worker.kernel.toml import Document, Path_


def unready(
    data: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """What is missing or unsafe in the settings of the chosen channel; ``data`` may be invalid."""
    mail = data.get("mail")
    channel = mail.get("channel") if isinstance(mail, dict) else None
    if not isinstance(mail, dict) or channel not in ("smtp", "sendgrid"):
        return
    table = mail.get(channel, {})
    table = table if isinstance(table, dict) else {}
    needs = _of_smtp(table) if channel == "smtp" else _of_sendgrid(table)
    for name, why, cause in needs:
        path = ("mail", channel, name)
        at = cause if document.has(cause) or cause in given else ("mail", "channel")
        finding = Finding("missing", why, _how(path))
        yield replace(problem_at(document, at, finding, given=given), path=".".join(path))
    if channel == "smtp" and _readable(table):
        said = "safe for a password: away from localhost the connection must be encrypted"
        finding = Finding("unsafe", said, "write 'starttls' or 'tls'", shown("none"))
        yield problem_at(document, ("mail", "smtp", "security"), finding, given=given)
    yield from _too_short(mail, document, given)


_Need = tuple[str, str, Path_]
"""A setting that is not there, what it is, and the setting that asks for it."""


def _of_sendgrid(table: Mapping[str, Any]) -> Iterator[_Need]:
    if "api_key" not in table:
        yield "api_key", "the key that channel 'sendgrid' sends with", ("mail", "channel")


def _of_smtp(table: Mapping[str, Any]) -> Iterator[_Need]:
    pair = {"username": "the name that belongs to it", "password": "the password of this user"}
    for name, other in (("username", "password"), ("password", "username")):
        if other in table and name not in table:
            yield name, pair[name], ("mail", "smtp", other)
    if "://" in str(table.get("bounces", "")) and "bounces_password" not in table:
        yield "bounces_password", "the password of this mailbox", ("mail", "smtp", "bounces")


def _how(path: Path_) -> str:
    if path[-1] == "username":
        return 'write e.g. username = "renewals@example.com"'
    return f"set {variable(path)} or {variable(path)}_FILE"


def _readable(table: Mapping[str, Any]) -> bool:
    """Whether a password would travel where others can read it."""
    host = table.get("host", "localhost")
    return table.get("security") == "none" and "password" in table and host not in LOOPBACK


def _too_short(
    mail: Mapping[str, Any], document: Document, given: Mapping[Path_, str]
) -> Iterator[Problem]:
    """An attempt must be over while its lease still holds, or nobody learns what came of it."""
    lease, timeout = _span(mail, "lease", "60 seconds"), _span(mail, "timeout", "30 seconds")
    if lease is None or timeout is None or lease > timeout:
        return
    asks = "lease" if "lease" in mail else "timeout"
    than = f"{'longer' if asks == 'lease' else 'shorter'} than the "
    than += "timeout of an attempt" if asks == "lease" else "lease of a mail"
    finding = Finding("span", than, "lease is how long a worker may hold a mail", shown(mail[asks]))
    yield problem_at(document, ("mail", asks), finding, given=given)


def _span(mail: Mapping[str, Any], key: str, otherwise: str) -> timedelta | None:
    try:
        return parse_span(mail.get(key, otherwise))
    except (ValueError, TypeError, AttributeError):
        return None

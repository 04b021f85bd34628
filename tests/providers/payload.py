"""A request to v3/mail/send as the provider sees it: its errors, and the mail that it becomes."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Any

_RESERVED = frozenset(
    (
        *("x-sg-id", "x-sg-eid", "received", "dkim-signature", "content-type", "to", "from"),
        *("content-transfer-encoding", "subject", "reply-to", "cc", "bcc"),
    )
)


def wrong(payload: Any) -> list[dict[str, str]]:
    """The errors that SendGrid documents for a request, in its words; none for a good one."""
    found: list[dict[str, str]] = []

    def must(good: object, field: str, said: str) -> None:
        if not good:
            found.append({"message": said, "field": field, "help": "https://sendgrid.com/docs"})

    if not isinstance(payload, dict):
        return [{"message": "Bad Request", "field": ""}]
    people = payload.get("personalizations") or []
    must(people, "personalizations", "The personalizations field is required.")
    for at, one in enumerate(people):
        to = one.get("to") or []
        must(to, f"personalizations.{at}.to", "The to array is required.")
        for each in to:
            must(_address(each), f"personalizations.{at}.to.0.email", _ADDRESS)
        args = one.get("custom_args", {})
        must(all(isinstance(arg, str) for arg in args.values()), "custom_args", "Strings only.")
    must(_address(payload.get("from")), "from.email", _ADDRESS)
    must(payload.get("subject"), "subject", "The subject is required.")
    kinds = [each.get("type") for each in payload.get("content") or [] if each.get("value")]
    must(kinds in (["text/plain"], ["text/html"], ["text/plain", "text/html"]), "content", _ORDER)
    for name, value in payload.get("headers", {}).items():
        said = "may not be set"
        must(name.lower() not in _RESERVED and str(value).isascii(), f"headers.{name}", said)
        must("\n" not in value and "\r" not in value, f"headers.{name}", "CR or LF")
    for at, one in enumerate(payload.get("attachments", [])):
        must(_coded(one.get("content")), f"attachments.{at}.content", "must be base64 encoded")
        must(one.get("filename"), f"attachments.{at}.filename", "is required")
        must(_typed(one.get("type", "")), f"attachments.{at}.type", _TYPE)
    return found


_ADDRESS = "Does not contain a valid address."
_ORDER = "If present, text/plain must be first, then text/html; none may be empty."
_TYPE = "The attachment type cannot contain ';', or CRLF characters."


def _address(one: Any) -> bool:
    email = one.get("email", "") if isinstance(one, dict) else ""
    return email.isascii() and email.count("@") == 1 and not set(email) & set(" <>\r\n,;")


def _coded(content: Any) -> bool:
    try:
        return bool(content and b64decode(content, validate=True))
    except (Error, ValueError):
        return False


def _typed(kind: str) -> bool:
    """A calendar's method is the one parameter that is let through, and only in this form."""
    bare, _, method = kind.partition("; method=")
    return not set(bare + method) & set(";,\r\n") and (not method or bare == "text/calendar")


def as_message(payload: dict[str, Any]) -> EmailMessage:
    """The mail that the recipient gets."""
    message = EmailMessage(SMTP)
    (person,) = payload["personalizations"]
    message["From"] = _named(payload["from"])
    message["To"] = [_named(one) for one in person["to"]]
    if "reply_to" in payload:
        message["Reply-To"] = _named(payload["reply_to"])
    message["Subject"] = payload["subject"]
    for name, value in payload.get("headers", {}).items():
        if name.lower() != "content-language":
            message[name] = value
    text, html = (each["value"] for each in payload["content"])
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    for one in payload.get("attachments", []):
        kind, _, parameters = one["type"].partition("; ")
        maintype, _, subtype = kind.partition("/")
        given = dict([parameters.split("=")]) if parameters else {}
        message.add_attachment(
            b64decode(one["content"]),
            maintype=maintype,
            subtype=subtype,
            filename=one["filename"],
            params=given,
        )
    message["Content-Language"] = payload.get("headers", {}).get("Content-Language", "")
    return message


def _named(one: dict[str, str]) -> Address:
    return Address(one.get("name", ""), addr_spec=one["email"])

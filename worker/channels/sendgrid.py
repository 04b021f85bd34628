"""The ``sendgrid`` channel: one mail for one address in one request to SendGrid's v3 API.

The mail is handed over in pieces; what arrives says the same. Each request names
the ledger's row by opaque ids, which come back with every event about it.
"""

from __future__ import annotations

import json
import threading
from base64 import b64encode
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address
from typing import Any

from worker.channels.addresses import plain, without
from worker.channels.contract import Envelope, File, Mail, Outcome, Parts, Result
from worker.config.settings import MailSettings
from worker.http.door import Answer, Door, NotSentError, Transport, UnsureError
from worker.http.rules import retry_after
from worker.kernel.keys import digest

LONGEST_PAUSE = timedelta(hours=1)
"""However far away a reset is named: after this it is asked again."""

_BURST = 20
"""So many may be in doubt when a worker dies, and events tell of each."""

_MOST_ANSWER = 65536
_OF_THIS_MAIL = (400, 413)
_OF_ALL_MAILS = (401, 403, 404)


class SendGridChannel:
    """Posts to ``BASE_URL/v3/mail/send``. Events tell of unknowns where their key is known."""

    name = "sendgrid"
    in_parts = True

    def __init__(self, mail: MailSettings, *, transport: Transport | None = None) -> None:
        self.proves = bool(mail.sendgrid.event_key)
        self.burst = _BURST if self.proves else 1
        self._base, self._key = mail.sendgrid.base_url, mail.sendgrid.api_key
        self._timeout, self._transport = mail.timeout, transport
        self._door: Door | None = None
        self._opening = threading.Lock()

    def wants_text(self, envelope: Envelope) -> bool:
        return True

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        if mail is None:
            raise ValueError("the sendgrid channel sends the mail's text and was given none")
        recipient = plain(mail.recipient)
        if recipient is None:
            return Result(
                Outcome.REFUSED, detail="the address has no form in plain ASCII", bad_address=True
            )
        payload = request(envelope, mail.parts, recipient)
        headers = self._headers() | {"Content-Type": "application/json"}
        try:
            answer = self._opened().post(f"{self._base}/v3/mail/send", payload, headers)
        except NotSentError as error:
            return Result(Outcome.NOT_SENT, detail=error.message)
        except UnsureError as error:
            return Result(Outcome.UNKNOWN, detail=error.message)
        return result_of(answer, now)

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return None

    def check(self) -> str | None:
        try:
            answer = self._opened().get(f"{self._base}/v3/scopes", self._headers())
        except (NotSentError, UnsureError) as error:
            return f"mail.sendgrid: {error.message}"
        if answer.status in _OF_ALL_MAILS:
            return f"mail.sendgrid.api_key: SendGrid refuses the key ({_said(answer)})"
        if answer.status != 200:
            return f"mail.sendgrid: SendGrid answers {_said(answer)}"
        if "mail.send" not in _listed(answer, "scopes"):
            return "mail.sendgrid.api_key: the key may not send mails; it needs 'Mail Send'"
        return None

    def close(self) -> None:
        with self._opening:
            door, self._door = self._door, None
        if door is not None:
            door.close()

    def _opened(self) -> Door:
        with self._opening:
            if self._door is None:
                self._door = Door(self._timeout, transport=self._transport, most_bytes=_MOST_ANSWER)
            return self._door

    def _headers(self) -> dict[str, str]:
        key = self._key.get_secret_value() if self._key is not None else ""
        return {"Authorization": f"Bearer {key}", "Accept": "application/json"}


def request(envelope: Envelope, parts: Parts, recipient: str) -> bytes:
    """The body of the request: the mail to ``recipient``, a plain address. Pure."""
    from sendgrid.helpers import mail as api  # takes a while, and a message is sent now and then

    made = api.Mail()
    made.from_email = api.From(*_one(parts.sender))
    if parts.reply_to is not None:
        made.reply_to = api.ReplyTo(*_one(parts.reply_to))
    made.subject = api.Subject(parts.subject.strip())
    to, name = api.Personalization(), parts.to.display_name
    to.add_to(api.To(recipient, name if name and parts.to.addr_spec == recipient else None))
    to.add_custom_arg(api.CustomArg("mail", envelope.mail_key))
    to.add_custom_arg(api.CustomArg("copy", digest(envelope.address)[:12]))
    made.add_personalization(to)
    for header, value in parts.headers.items():
        made.add_header(api.Header(header, value))
    for kind, text in (("text/plain", parts.text), ("text/html", parts.html)):
        made.add_content(api.Content(kind, text.replace("\r\n", "\n")))
    for file in parts.attachments:
        made.add_attachment(api.Attachment(*_file(file), "attachment"))
    return json.dumps(made.get(), ensure_ascii=False).encode()


def _one(address: Address) -> tuple[str, str | None]:
    return address.addr_spec, address.display_name or None


def _file(file: File) -> tuple[str, str, str]:
    """Content in base64, name and type of a file that goes along.

    The API takes a calendar's ``method`` with the type, and refuses every other parameter.
    """
    kind, method = f"{file.maintype}/{file.subtype}", file.parameters.get("method")
    content = b64encode(file.content).decode("ascii")
    return content, file.name, f"{kind}; method={method}" if method else kind


def result_of(answer: Answer, now: datetime) -> Result:
    """What an answer of ``v3/mail/send`` means. Pure.

    Accepted is 202 with an id and nothing else; what the provider surely did not take is named
    here, and everything else is unknown.
    """
    status, name = answer.status, answer.headers.get("X-Message-Id", "").strip()
    if status == 202 and name:
        return Result(Outcome.ACCEPTED, provider_id=without(name))
    if status in _OF_THIS_MAIL:
        return Result(Outcome.REFUSED, detail=_said(answer))
    if status in _OF_ALL_MAILS:
        return Result(Outcome.SHUT, detail=_said(answer))
    if status == 429:
        until = rests_until(answer.headers, now)
        return Result(Outcome.NOT_SENT, None, _said(answer), retry_at=until, pause_until=until)
    detail = "202 without an id" if status == 202 else f"{status}: it may have been sent"
    return Result(Outcome.UNKNOWN, detail=detail)


def rests_until(headers: Mapping[str, str], now: datetime) -> datetime | None:
    """When the provider wants to be asked again: ``X-RateLimit-Reset`` (seconds since 1970) or
    ``Retry-After``, at most ``LONGEST_PAUSE`` ahead; ``None`` when neither says."""
    reset = headers.get("X-RateLimit-Reset", "").strip()
    until: datetime | None = None
    if reset.isascii() and reset.isdigit() and len(reset) <= 10:
        until = datetime.fromtimestamp(int(reset), UTC)
    elif (rest := retry_after(headers, now)) is not None:
        until = now + min(rest, LONGEST_PAUSE)
    if until is None or until <= now:
        return None
    return min(until, now + LONGEST_PAUSE)


def _said(answer: Answer) -> str:
    """Status and reasons, without the addresses that reasons repeat."""
    reasons = [
        f"{one['field']}: {one.get('message')}" if one.get("field") else str(one.get("message"))
        for one in _listed(answer, "errors")
        if isinstance(one, dict)
    ]
    return " ".join([str(answer.status), without("; ".join(reasons))]).strip()


def _listed(answer: Answer, key: str) -> list[Any]:
    """The list under ``key`` of a JSON answer; nothing for what is none."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return []
    listed = found.get(key) if isinstance(found, dict) else None
    return listed if isinstance(listed, list) else []

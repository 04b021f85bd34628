"""The ``smtp`` channel: one mail for one address to a mail server of the house.

Until the first byte of the mail itself nothing was sent, whatever happens. From there on only the
server's clear last word counts; without it nobody knows, and nobody ever will: SMTP proves nothing.
"""

from __future__ import annotations

import smtplib
import socket
import ssl
import threading
from contextlib import suppress
from datetime import datetime
from email.utils import getaddresses

from worker.channels.addresses import plain, without
from worker.channels.contract import Envelope, Mail, Outcome, Result
from worker.channels.smtp_line import Line, LineError, Server, TurnedAwayError, opened
from worker.config.settings import MailSettings
from worker.http.addresses import Resolve, lookup
from worker.kernel.clock import Clock, SystemClock

KEPT_SECONDS, KEPT_MAILS = 30.0, 100
"""How long a line may idle before it is let go, and how many mails it may carry."""

_OF_ALL_MAILS = (421, 530, 534, 535, 538)  # closing, or not signed in as it wants
_TOO_LARGE = 552
_NO_MAILBOX = (550, 551, 553)


class _StaleError(Exception):
    """A line that was kept is dead, and no mail was begun on it."""


class SmtpChannel:
    """Sends through one server. Lines are kept for the next mail: measured with Exim and TLS on one
    machine, a mail on a kept line takes 18 ms, on a fresh one 77 ms. A line that died while it was
    kept shows at the first commands, before the mail begins; a fresh one is opened then."""

    name = "smtp"
    burst = 1
    in_parts = False
    proves = False

    def __init__(
        self, mail: MailSettings, *, resolve: Resolve = lookup, clock: Clock | None = None
    ) -> None:
        smtp = mail.smtp
        ((_, self._sender),) = getaddresses([mail.sender])
        login = None
        if smtp.username is not None and smtp.password is not None:
            login = smtp.username, smtp.password.get_secret_value()
        hello = _own_name(self._sender)
        self._server = Server(smtp.host, smtp.port, smtp.security, hello, login)
        self._seconds = mail.timeout.total_seconds()
        self._resolve, self._clock = resolve, clock or SystemClock()
        self._context: ssl.SSLContext | None = None
        self._kept: list[Line] = []
        self._keeping = threading.Lock()

    def wants_text(self, envelope: Envelope) -> bool:
        return True

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        if mail is None:
            raise ValueError("the smtp channel sends the mail's text and was given none")
        recipient = plain(mail.recipient)
        if recipient is None:
            return Result(
                Outcome.REFUSED, detail="the address has no form in plain ASCII", bad_address=True
            )
        deadline = self._clock.monotonic() + self._seconds
        if (kept := self._take()) is not None:
            kept.deadline = deadline
            try:
                return self._carried(kept, recipient, mail.raw)
            except _StaleError:
                pass
        try:
            line = self._open(deadline)
        except LineError as error:
            shut = isinstance(error, TurnedAwayError)
            return Result(Outcome.SHUT if shut else Outcome.NOT_SENT, detail=self._told(error))
        return self._carried(line, recipient, mail.raw)

    def evidence(self, envelope: Envelope) -> Outcome | None:
        return None

    def check(self) -> str | None:
        try:
            line = self._open(self._clock.monotonic() + self._seconds)
        except LineError as error:
            return f"mail.smtp: {self._told(error)}"
        _hung_up(line)
        return None

    def close(self) -> None:
        with self._keeping:
            kept, self._kept = self._kept, []
        for line in kept:
            _hung_up(line)

    def _told(self, error: LineError) -> str:
        return f"{self._server.host}:{self._server.port}: {error}"

    def _open(self, deadline: float) -> Line:
        if self._server.security != "none" and self._context is None:
            self._context = ssl.create_default_context()  # with the machine's trust
        return opened(self._server, self._context, self._resolve, self._clock, deadline)

    def _take(self) -> Line | None:
        """A line that was kept and is not too old; the older ones are let go."""
        oldest = self._clock.monotonic() - KEPT_SECONDS
        with self._keeping:
            taken = self._kept.pop() if self._kept else None
            old = [line for line in self._kept if line.since < oldest]
            self._kept = [line for line in self._kept if line.since >= oldest]
        if taken is not None and taken.since < oldest:
            old, taken = [*old, taken], None
        for line in old:
            line.close()
        return taken

    def _keep(self, line: Line) -> None:
        line.mails, line.since = line.mails + 1, self._clock.monotonic()
        if line.sock is None or line.mails >= KEPT_MAILS:
            line.close()
            return
        with self._keeping:
            self._kept.append(line)

    def _carried(self, line: Line, recipient: str, raw: bytes) -> Result:
        """One mail on ``line``. Raises ``_StaleError`` where a line that was kept had died."""
        refused = self._asked(line, recipient, len(raw))
        if refused is not None:
            _hung_up(line)
            return refused
        try:
            code, text = line.body(raw)
        except smtplib.SMTPServerDisconnected as error:
            return Result(Outcome.UNKNOWN, detail=f"no last word from the server: {error}")
        result = _last_word(code, text)
        if result.outcome is Outcome.ACCEPTED:
            self._keep(line)
        else:
            line.close()
        return result

    def _asked(self, line: Line, recipient: str, size: int) -> Result | None:
        """Whether the server takes a mail from us for ``recipient``; what came of it, if not."""
        options = [f"size={size}"] if line.has_extn("size") else []
        stage = "MAIL"
        try:
            reply = line.mail(self._sender, options)
            if _is(2, reply):
                stage, reply = "RCPT", line.rcpt(recipient)
            if _is(2, reply) and stage == "RCPT":
                stage, reply = "DATA", line.docmd("DATA")
        except smtplib.SMTPServerDisconnected as error:
            if line.mails:
                raise _StaleError from error
            said = f"{self._server.host}:{self._server.port}: {error}"
            return Result(Outcome.NOT_SENT, detail=said)
        if stage == "DATA" and reply[0] == 354:
            return None
        if reply[0] == 421 and line.mails:
            line.close()
            raise _StaleError
        return _refused(stage, *reply)


def _is(kind: int, reply: tuple[int, bytes]) -> bool:
    return reply[0] // 100 == kind


def _refused(stage: str, code: int, text: bytes) -> Result:
    """What a refusal before the mail itself means: RFC 5321, section 4.2.

    Our own address is that of every mail: a server that does not take it takes none.
    """
    said = f"{stage}: {code} {without(text)}" if code > 0 else f"{stage}: no mail server's answer"
    if code in _OF_ALL_MAILS or (stage == "MAIL" and code // 100 == 5 and code != _TOO_LARGE):
        return Result(Outcome.SHUT, detail=said)
    if code // 100 != 5:
        return Result(Outcome.NOT_SENT, detail=said)
    return Result(
        Outcome.REFUSED, detail=said, bad_address=stage == "RCPT" and _is_dead(code, text)
    )


def _is_dead(code: int, text: bytes) -> bool:
    """Whether a refused recipient is no mailbox at all, rather than one that does not want us: RFC
    3463 keeps 5.7 for policy, 5.2 for the state of a mailbox (2.1: it is closed)."""
    status = text.split(b" ", 1)[0]
    if status.startswith((b"5.7", b"5.2")):
        return status == b"5.2.1"
    return code in _NO_MAILBOX


def _last_word(code: int, text: bytes) -> Result:
    """What the reply after the final dot means."""
    said = without(text)
    if code == 250:
        return Result(Outcome.ACCEPTED, provider_id=said or None)
    outcomes = {4: Outcome.NOT_SENT, 5: Outcome.REFUSED}
    outcome = outcomes.get(code // 100, Outcome.UNKNOWN)
    return Result(outcome, detail=f"{code} {said}" if code > 0 else "an odd last word")


def _hung_up(line: Line) -> None:
    """Takes leave and does not wait for an answer, which would change nothing."""
    with suppress(smtplib.SMTPServerDisconnected):
        line.putcmd("QUIT")
    line.close()


def _own_name(sender: str) -> str:
    """What we call ourselves: the machine's full name, else the house's domain."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() else sender.rpartition("@")[2]

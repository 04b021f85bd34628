"""A line to a mail server: opened, made safe and signed in, with one deadline over all waits.

LineError             no mail was begun
├── NotReachedError   nobody there, or nobody who answers
└── TurnedAwayError   the server, its certificate or our login: no mail would get through
"""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from worker.channels.addresses import without
from worker.http.addresses import Resolve
from worker.kernel.clock import Clock

_PIECE = 16384
_MOST_REPLY = 65536
_CODE = re.compile(rb"[2-5][0-9]{2}(?=[ -]|$)")
_STUFFED = re.compile(rb"(?m)^\.")
_LINE_ENDS = re.compile(rb"\r\n|\r|\n")


class LineError(Exception):
    """No mail was begun on this line."""


class NotReachedError(LineError):
    """No server answered."""


class TurnedAwayError(LineError):
    """A server answered, and no mail would get through."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where to connect, how, and as whom. ``hello`` is the name we go by."""

    host: str
    port: int
    security: str
    hello: str
    login: tuple[str, str] | None

    def __repr__(self) -> str:
        return f"Server({self.host}:{self.port})"  # the password is nobody's business


class Line(smtplib.SMTP):
    """The standard library's client with what it lacks: one deadline over all its waits, and a
    reply that is read to its end and no further.

    ``mails`` counts those that it took, ``since`` is when it was last used (monotonic).
    """

    def __init__(self, sock: socket.socket, hello: str, clock: Clock, deadline: float) -> None:
        super().__init__(local_hostname=hello)
        self.sock: socket.socket | None = sock
        self.deadline = deadline
        self.mails, self.since = 0, clock.monotonic()
        self._clock, self._unread = clock, b""

    def secured(self, context: ssl.SSLContext, host: str) -> None:
        """From here on through TLS; nothing that was said before counts. Raises ``OSError``."""
        if self.sock is None:
            raise ConnectionError("it hung up")
        self._bound()
        self.sock = context.wrap_socket(self.sock, server_hostname=host)
        self._unread = b""
        self.ehlo_resp = self.helo_resp = None

    def send(self, s: str | bytes) -> None:  # type: ignore[override]  # the library's name for it
        """Sends all of ``s``; ``SMTPServerDisconnected`` when that does not work."""
        data = s.encode("ascii") if isinstance(s, str) else s
        for start in range(0, len(data), _PIECE):
            self._tried("sendall", data[start : start + _PIECE])

    def body(self, raw: bytes) -> tuple[int, bytes]:
        """Sends a whole mail after DATA, and waits for the word on it."""
        text = _STUFFED.sub(b"..", _LINE_ENDS.sub(b"\r\n", raw))
        self.send(text + (b".\r\n" if text.endswith(b"\r\n") else b"\r\n.\r\n"))
        return self.getreply()

    def getreply(self) -> tuple[int, bytes]:
        """Code and text of the next reply, however it trickles in; code -1 for what is none."""
        said: list[bytes] = []
        while True:
            line = self._one_line()
            said.append(line[4:].strip())
            found = _CODE.match(line)
            if found is None:
                return -1, line
            if line[3:4] != b"-":
                return int(found[0]), b"\n".join(said)  # as the library parts them

    def _one_line(self) -> bytes:
        while b"\n" not in self._unread:
            piece = self._tried("recv", _PIECE)
            self._unread += piece
            if not piece or len(self._unread) > _MOST_REPLY:
                self.close()
                raise smtplib.SMTPServerDisconnected("it hung up" if not piece else "it rambles")
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")

    def _tried(self, what: str, argument: bytes | int) -> bytes:
        try:
            self._bound()
            found: bytes = getattr(self.sock, what)(argument)
        except (OSError, AttributeError) as error:  # None has no such attribute: closed before
            self.close()
            raise smtplib.SMTPServerDisconnected(_reason(error)) from error
        return found

    def _bound(self) -> None:
        left = self.deadline - self._clock.monotonic()
        if left <= 0:
            raise TimeoutError
        if self.sock is not None:
            self.sock.settimeout(left)

    def close(self) -> None:
        """Hangs up, without a word."""
        sock, self.sock = self.sock, None
        if sock is not None:
            sock.close()


def opened(
    server: Server, context: ssl.SSLContext | None, resolve: Resolve, clock: Clock, deadline: float
) -> Line:
    """A line on which a mail may begin. Raises ``LineError`` before ``deadline`` (monotonic)."""
    line = Line(_connected(server, resolve, clock, deadline), server.hello, clock, deadline)
    try:
        _greeted(line, server, context)
        if server.login is not None:
            line.login(*server.login)
    except LineError:
        line.close()
        raise
    except smtplib.SMTPResponseException as error:
        line.close()
        raise TurnedAwayError(f"{error.smtp_code} {without(error.smtp_error)}") from error
    except smtplib.SMTPServerDisconnected as error:
        line.close()
        raise NotReachedError(str(error)) from error
    except smtplib.SMTPException as error:  # it offers no way to sign in
        line.close()
        raise TurnedAwayError(without(str(error))) from error
    return line


def _connected(server: Server, resolve: Resolve, clock: Clock, deadline: float) -> socket.socket:
    """A socket to the first address of the server that answers."""
    try:
        addresses: Sequence[str] = resolve(server.host, server.port, deadline - clock.monotonic())
    except OSError as error:
        raise NotReachedError(f"its name does not resolve ({_reason(error)})") from error
    failed = "its name does not resolve"
    for number, address in enumerate(addresses[:3]):
        left = (deadline - clock.monotonic()) / (len(addresses[:3]) - number)
        try:
            return socket.create_connection((address, server.port), timeout=max(left, 0.001))
        except OSError as error:
            failed = _reason(error)
    raise NotReachedError(failed)


def _greeted(line: Line, server: Server, context: ssl.SSLContext | None) -> None:
    if server.security == "tls":
        _safe(line, server, context)
    _good(line.getreply(), 220)
    _good(line.ehlo(), 250)
    if server.security == "starttls":
        if not line.has_extn("starttls"):
            said = "it offers no STARTTLS, and nothing is sent where others can read it"
            raise TurnedAwayError(said)
        _good(line.docmd("STARTTLS"), 220)
        _safe(line, server, context)
        _good(line.ehlo(), 250)


def _good(reply: tuple[int, bytes], wanted: int) -> None:
    code, text = reply
    if code != wanted:
        raise TurnedAwayError(f"{code} {without(text)}" if code > 0 else "no mail server's answer")


def _safe(line: Line, server: Server, context: ssl.SSLContext | None) -> None:
    try:
        line.secured(context or ssl.create_default_context(), server.host)
    except ssl.SSLCertVerificationError as error:
        raise TurnedAwayError(f"TLS: {without(error.verify_message)}") from error
    except ssl.SSLError as error:
        raise TurnedAwayError(f"TLS: {without(error.reason or str(error))}") from error
    except OSError as error:
        raise NotReachedError(_reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ConnectionError | AttributeError):
        return "the connection was refused" if "refused" in str(error) else "it hung up"
    return without(getattr(error, "strerror", None) or type(error).__name__)

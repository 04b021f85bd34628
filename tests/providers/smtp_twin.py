"""A mail server on this machine that misbehaves on purpose; twin of ``misbehaving.py``.

What it took is on disk before it says so (``truth.py``). As a process of its own, which ends at
TERM and says in ``FOLDER/ready.json`` where it is:

    python -m tests.providers.smtp_twin --folder F --port P --seed N --faulty 0.45
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import socket
import socketserver
import ssl
import struct
import threading
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email import message_from_bytes
from email.policy import default
from itertools import count
from pathlib import Path

from tests.providers.truth import Truth, Whims
from worker.kernel.keys import digest

GREETING = ("greeting-554", "greeting-421", "greeting-drop", "greeting-hang")
MAIL = ("mail-421", "mail-451", "mail-530", "mail-550", "mail-552", "mail-drop")
BEFORE = ("rcpt-450", "rcpt-550", "rcpt-421", "rcpt-drop", "data-451", "data-554", "data-hang")
"""Faults that come before the mail itself: surely not sent."""
REFUSING = ("451-after", "452-after", "550-after", "554-after")
"""Faults after the final dot that say so: not taken."""
SILENT = ("drop-inside", "drop-before", "hang-before", "odd-before")
"""Faults that do not say that the mail was not taken."""
ACCEPTING = ("late", "drop-after", "hang-after", "odd-after", "drop-later")
"""Faults of which the mail is on its way all the same."""
FAULTS = (*GREETING, *MAIL, *BEFORE, *REFUSING, *SILENT, *ACCEPTING)

_AT_RECIPIENT = ("", *BEFORE, *REFUSING, *SILENT, *ACCEPTING)
_PATH = re.compile(r"(?:FROM|TO):<([^>]*)>", re.IGNORECASE)


class _GoneError(Exception):
    """The conversation is over."""


class Twin:
    """Takes mails for everybody. ``taken`` holds (sender, recipient, raw) of each accepted one.

    ``login`` must be given first. ``certificate``: for STARTTLS; ``tls``: from the first byte on.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        seed: int = 0,
        faulty: float = 0.0,
        faults: Sequence[str] = FAULTS,
        hang: float = 5.0,
        late: float = 0.2,
        login: tuple[str, str] | None = None,
        certificate: Path | None = None,
        tls: bool = False,
    ) -> None:
        self.truth = Truth(folder)
        self.whims = Whims(folder, seed, faulty, list(faults))
        self.hang, self.late, self.login, self.tls = hang, late, login, tls
        self.context: ssl.SSLContext | None = None
        if certificate is not None:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificate)
        self.taken: list[tuple[str, str, bytes]] = []
        self.connections = count()
        self.said: list[str] = []  # every command, for tests of the conversation
        self.closing = threading.Event()
        self._server = _Server(("127.0.0.1", port), _Talk)
        self._server.twin = self

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @contextmanager
    def running(self) -> Iterator[Twin]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def take(self, sender: str, recipient: str, raw: bytes, fault: str) -> str:
        """Notes what becomes of a mail, and gives the name that it is queued under."""
        message = message_from_bytes(raw, policy=default)
        mail = str(message["Message-ID"] or "").strip("<> ").partition("@")[0]
        address = str(message["X-Perennial-Intended-For"] or recipient)
        accepted = not fault or fault in ACCEPTING
        name = os.urandom(6).hex() if accepted else None
        self.truth.write(mail, digest(address)[:12], recipient, name, accepted, fault)
        if accepted:
            self.taken.append((sender, recipient, raw))
        return name or ""


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 64
    twin: Twin

    def handle_error(self, *_who: object) -> None:
        """Whoever is killed in mid-sentence is no error of the server's."""


class _Talk(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.twin, self.sender, self.fault = self.server.twin, "", ""
        self.recipients: list[str] = []
        self.safe, self.known = False, self.twin.login is None
        with suppress(_GoneError, OSError):
            self._begin()
            while True:
                self._answer(*self._line().partition(" ")[::2])

    def finish(self) -> None:
        with suppress(OSError):
            super().finish()
        self.connection.close()  # the encrypted one, of which the server knows nothing

    def _begin(self) -> None:
        if self.twin.tls:
            self._secure()
        fault = self.twin.whims.next(f"connection {next(self.twin.connections)}", GREETING)
        if fault == "greeting-hang":
            self._hang()
        elif fault == "greeting-drop":
            self._drop()
        elif fault:
            self._say(f"{fault[-3:]} not now")
            raise _GoneError
        self._say("220 twin.example.com ESMTP")

    def _answer(self, word: str, rest: str) -> None:
        answer = getattr(self, f"_do_{word.lower()}", lambda _: self._say("500 what?"))
        answer(rest)

    def _do_ehlo(self, _rest: str) -> None:
        offers = ["twin.example.com", "SIZE 20000000", "8BITMIME"]
        offers += ["STARTTLS"] if self.twin.context and not self.safe else []
        offers += ["AUTH PLAIN"] if self.twin.login and (self.safe or not self.twin.context) else []
        for number, one in enumerate(offers, 1):
            self._say(f"250{' ' if number == len(offers) else '-'}{one}")

    def _do_starttls(self, _rest: str) -> None:
        self._say("220 go ahead")
        self._secure()

    def _do_auth(self, rest: str) -> None:
        given = b64decode(rest.removeprefix("PLAIN ")).decode().split("\0")[1:]
        self.known = tuple(given) == self.twin.login
        self._say("235 welcome" if self.known else "535 5.7.8 no such user or password")

    def _do_mail(self, rest: str) -> None:
        found = _PATH.match(rest)
        if not self.known:
            self._say("530 5.7.0 sign in first")
            return
        fault = self.twin.whims.next(f"mail {next(self.twin.connections)}", MAIL)
        if fault == "mail-drop":
            self._drop()
        self.sender, self.recipients = (found[1] if found else ""), []
        self._say(f"{fault[-3:]} <{self.sender}> not this one" if fault else "250 ok")

    def _do_rcpt(self, rest: str) -> None:
        found = _PATH.match(rest)
        address = found[1] if found else ""
        self.fault = self.twin.whims.next(address, _AT_RECIPIENT)
        if self.fault == "rcpt-drop":
            self._drop()
        if self.fault.startswith("rcpt"):
            self._say(f"{self.fault[-3:]} 5.1.1 <{address}>: not here")
            return
        self.recipients.append(address)
        self._say("250 ok")

    def _do_data(self, _rest: str) -> None:
        if not self.recipients:
            self._say("503 whom to?")
        elif self.fault == "data-hang":
            self._hang()
        elif self.fault.startswith("data"):
            self._say(f"{self.fault[-3:]} not now")
        else:
            self._say("354 go ahead")
            self._body()

    def _body(self) -> None:
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            if not line or self.fault == "drop-inside":
                if line:
                    self.twin.take(self.sender, self.recipients[0], line, self.fault)
                self._drop()
            lines.append(line.removeprefix(b"."))
        raw = b"".join(lines)
        name = self.twin.take(self.sender, self.recipients[0], raw, self.fault)
        self._last_word(name)

    def _last_word(self, name: str) -> None:
        fault = self.fault
        if fault.startswith("hang"):
            self._hang()
        elif fault in ("drop-before", "drop-after"):
            self._drop()
        elif fault.startswith("odd"):
            self._say("hello? \x00 is anybody there")
        elif fault in REFUSING:
            self._say(f"{fault[:3]} <{self.recipients[0]}> no")
        else:
            self.twin.closing.wait(self.twin.late if fault == "late" else 0)
            self._say(f"250 2.0.0 Ok: queued as {name}")
            if fault == "drop-later":
                self._drop()

    def _do_rset(self, _rest: str) -> None:
        self._say("250 ok")

    _do_noop = _do_rset

    def _do_quit(self, _rest: str) -> None:
        self._say("221 bye")
        raise _GoneError

    def _line(self) -> str:
        line = self.rfile.readline(2000)
        if not line:
            raise _GoneError
        text = line.decode("ascii", "replace").strip()
        self.twin.said.append(text)
        return text

    def _say(self, text: str) -> None:
        self.wfile.write(text.encode() + b"\r\n")

    def _secure(self) -> None:
        assert self.twin.context is not None
        self.request = self.twin.context.wrap_socket(self.request, server_side=True)
        self.connection, self.safe = self.request, True
        self.setup()

    def _hang(self) -> None:
        self.twin.closing.wait(self.twin.hang)
        self._drop()

    def _drop(self) -> None:
        """Gone without a word: the other side sees a reset."""
        no_goodbye = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
        os.close(self.connection.detach())
        raise _GoneError


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a twin until TERM; see the top of this file."""
    asked = argparse.ArgumentParser(description="a mail server that misbehaves on purpose")
    asked.add_argument("--folder", type=Path, required=True)
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--faulty", type=float, default=0.0)
    asked.add_argument("--faults", default=",".join(FAULTS))
    asked.add_argument("--hang", type=float, default=5.0)
    given = asked.parse_args(arguments)
    own = {name: vars(given)[name] for name in ("port", "seed", "faulty", "hang")}
    twin = Twin(given.folder, faults=given.faults.split(","), **own)
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with twin.running():
        draft = given.folder / "ready.new"
        draft.write_text(json.dumps({"port": twin.port}))
        draft.rename(given.folder / "ready.json")
        stopped.wait()


if __name__ == "__main__":
    main()

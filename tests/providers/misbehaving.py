"""A provider that speaks SendGrid's v3 API on this machine and misbehaves on purpose.

What it accepted is on disk before it answers (``truth.py``), whatever it answers then. As a
process of its own, which ends at TERM and says in ``FOLDER/ready.json`` where it is:

    python -m tests.providers.misbehaving --folder F --port P --seed N --faulty 0.45
        --evidence 0.9 --events-to URL
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from tests.providers.payload import wrong
from tests.providers.telling import Teller
from tests.providers.truth import Taken, Truth, Whims, read
from worker.kernel.clock import SystemClock

ACCEPTING = ("500-accepted", "reset-after", "hang-after", "half-status", "202-no-id", "slow")
"""Faults of which the mail is on its way all the same."""
REFUSING = ("400", "401", "403", "404", "413", "429", "429-reset")
"""Faults that say so: surely not sent."""
SILENT = ("500", "502-html", "503", "reset-before", "hang-before", "redirect", "garbage")
"""Faults that do not say that the mail was not accepted."""
FAULTS = (*REFUSING, *SILENT, *ACCEPTING)

_NO_GRANT = {"errors": [{"message": "The provided authorization grant is invalid", "field": None}]}


class Provider:
    """Answers with the next fault of ``whims``; ``hang`` and ``slow`` are seconds.

    ``taken`` holds the bodies of all requests that were accepted, for tests in this process.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        seed: int = 0,
        faulty: float = 0.0,
        faults: Sequence[str] = FAULTS,
        key: str = "",
        teller: Teller | None = None,
        hang: float = 5.0,
        slow: float = 0.2,
        reset: float = 2.0,
    ) -> None:
        self.truth = Truth(folder)
        self.whims = Whims(folder, seed, faulty, list(faults))
        self.key, self.teller, self.reset = key, teller, reset
        self.hang, self.slow = hang, slow
        self.elsewhere = "http://127.0.0.1:9/v3/mail/send"  # where a redirect leads
        self.taken: list[dict[str, Any]] = []
        self.closing = threading.Event()
        self._names = Random(f"{seed}:{os.urandom(8).hex()}")
        self._httpd = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._httpd.daemon_threads = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._httpd.server_port}"

    def new_id(self) -> str:
        return f"{self._names.getrandbits(96):024x}"

    @contextmanager
    def running(self) -> Iterator[Provider]:
        thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        if self.teller is not None:
            self.teller.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._httpd.shutdown()
            self._httpd.server_close()
            thread.join()
            if self.teller is not None:
                self.teller.stop()

    def take(self, payload: dict[str, Any], fault: str) -> str | None:
        """Notes what becomes of a mail; the provider's id of one that is accepted."""
        person = payload["personalizations"][0]
        mail, copy = (person.get("custom_args", {}).get(name, "") for name in ("mail", "copy"))
        name = self.new_id() if not fault or fault in ACCEPTING else None
        address = person["to"][0]["email"]
        self.truth.write(mail, copy, address, name, name is not None, fault)
        if name is not None:
            self.taken.append(payload)
            if self.teller is not None:
                taken = Taken(mail, copy, address, name, "", True, fault)
                self.teller.tell(taken, payload.get("headers", {}).get("Message-ID", ""))
        return name


def _handler(provider: Provider) -> type[BaseHTTPRequestHandler]:
    class Handler(_Handler):
        def __init__(self, *given: Any) -> None:
            self.provider = provider
            super().__init__(*given)

    return Handler


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    provider: Provider

    def do_GET(self) -> None:
        if self._known() and self.path == "/v3/scopes":
            self._say(200, {"scopes": ["mail.send", "sender_verification_eligible"]})
        elif self.path != "/v3/scopes":
            self._say(404, {"errors": [{"message": "not found"}]})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if not self._known():
            return
        if self.path != "/v3/mail/send":
            self._say(404, {"errors": [{"message": "not found"}]})
            return
        try:
            payload = json.loads(body)
        except ValueError:
            payload = None
        if errors := wrong(payload):
            self._say(400, {"errors": errors})
            return
        person = payload["personalizations"][0]
        args = person.get("custom_args", {})
        fault = self.provider.whims.next(f"{args.get('mail')}:{args.get('copy')}")
        name = self.provider.take(payload, fault)
        self._answer(fault, name or "", person["to"][0]["email"])

    def _known(self) -> bool:
        key = self.provider.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self._say(401, _NO_GRANT)
            return False
        return True

    def _answer(self, fault: str, name: str, address: str) -> None:
        if fault in ("", "slow"):
            self.provider.closing.wait(self.provider.slow if fault else 0)
            self._say(202, None, {"X-Message-Id": name})
        elif fault == "202-no-id":
            self._say(202, None)
        elif fault in REFUSING:
            self._refuse(fault, address)
        elif fault in ("500", "500-accepted", "503"):
            self._say(int(fault[:3]), {"errors": [{"message": "try again", "field": None}]})
        elif fault == "502-html":
            self._say(502, b"<html><h1>502 Bad Gateway</h1></html>")
        elif fault == "redirect":
            self._say(307, None, {"Location": self.provider.elsewhere})
        else:
            self._break(fault)

    def _refuse(self, fault: str, address: str) -> None:
        headers = {}
        if fault == "429-reset":
            until = SystemClock().now().timestamp() + self.provider.reset
            headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{until:.0f}"}
        said = f"no, not for {address}" if fault in ("400", "413") else "no"
        self._say(int(fault[:3]), {"errors": [{"message": said, "field": None}]}, headers)

    def _break(self, fault: str) -> None:
        """Answers that are none. After a reset the caller sees that the connection is dead."""
        if fault.startswith("hang"):
            self.provider.closing.wait(self.provider.hang)
        elif fault == "half-status":
            self.wfile.write(b"HTTP/1.1 20")
        elif fault == "garbage":
            self.wfile.write(b"\x16\x03\x01 SMTP? 220 hello\r\n\r\n")
        self.close_connection = True
        if fault.startswith(("reset", "hang")):
            no_goodbye = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, no_goodbye)
            os.close(self.connection.detach())

    def _say(self, status: int, body: object, headers: dict[str, str] | None = None) -> None:
        raw = (
            body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        )
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_said: object) -> None:
        pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a provider until TERM; see the top of this file."""
    asked = argparse.ArgumentParser(description="a provider that misbehaves on purpose")
    asked.add_argument("--folder", type=Path, required=True)
    asked.add_argument("--port", type=int, default=0)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--faulty", type=float, default=0.0)
    asked.add_argument("--faults", default=",".join(FAULTS))
    asked.add_argument("--evidence", type=float, default=1.0)
    asked.add_argument("--late", type=float, default=0.5)
    asked.add_argument("--events-to", default="")
    asked.add_argument("--key", default="")
    asked.add_argument("--hang", type=float, default=5.0)
    asked.add_argument("--reset", type=float, default=2.0)
    given = asked.parse_args(arguments)
    given.folder.mkdir(parents=True, exist_ok=True)
    teller = None
    if given.events_to:
        teller = Teller(given.folder, given.events_to, given.seed, given.evidence, given.late)
    provider = Provider(
        given.folder,
        port=given.port,
        seed=given.seed,
        faulty=given.faulty,
        faults=given.faults.split(","),
        key=given.key,
        teller=teller,
        hang=given.hang,
        reset=given.reset,
    )
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    with provider.running():
        event_key = teller.signer.public if teller is not None else ""
        said = {"url": provider.url, "event_key": event_key, "accepted": len(read(given.folder))}
        draft = given.folder / "ready.new"
        draft.write_text(json.dumps(said))
        draft.rename(given.folder / "ready.json")
        stopped.wait()


if __name__ == "__main__":
    main()

"""A real server on localhost that answers as a test says."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


@dataclass
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    port: int  # of the caller: one for each connection


@dataclass
class Reply:
    """What to answer. ``cut``: say more than is sent, then hang up; ``wait``: before the answer."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    wait: float = 0


Answering = Callable[[Asked], Reply | None]
"""``None`` hangs up without a word."""


class Server:
    """Answers with ``answering`` and keeps what it was asked."""

    def __init__(self, answering: Answering, certificate: Path | None = None) -> None:
        self.answering = answering
        self.scheme = "https" if certificate else "http"
        self.asked: list[Asked] = []
        self.closing = threading.Event()
        self._httpd = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._httpd.daemon_threads = True
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._httpd.socket = context.wrap_socket(self._httpd.socket, server_side=True)

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def port(self) -> int:
        return self._httpd.server_port

    @contextmanager
    def running(self) -> Iterator[Server]:
        thread = threading.Thread(target=self._httpd.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.closing.set()
            self._httpd.shutdown()
            self._httpd.server_close()
            thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                headers, body = dict(self.headers.items()), self.rfile.read(length)
                asked = Asked(self.command, self.path, headers, body, self.client_address[1])
                server.asked.append(asked)
                reply = server.answering(asked)
                if reply is None:
                    self.close_connection = True
                    return
                server.closing.wait(reply.wait)
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body) + (9 if reply.cut else 0)))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = self.close_connection or reply.cut

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def log_message(self, *_said: object) -> None:
                pass

        return Handler

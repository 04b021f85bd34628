"""A small IMAP server in a thread: one user, one folder, the commands that a reader needs."""

from __future__ import annotations

import re
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from worker.kernel.clock import SystemClock

_FETCH = re.compile(r"(\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)")
_STORE = re.compile(r"(\d+) \+FLAGS\.SILENT \((.*)\)")


@dataclass
class Folder:
    """What the server holds: mails by UID and their flags; ``said`` are the commands it got."""

    user: str = "bounces"
    password: str = "p4ssw0rd"
    mails: dict[int, bytes] = field(default_factory=dict)
    flags: dict[int, set[str]] = field(default_factory=dict)
    said: list[str] = field(default_factory=list)
    broken: str = ""
    """A command at which the server hangs up."""

    def put(self, raw: bytes) -> None:
        uid = len(self.mails) + 7
        self.mails[uid] = raw
        self.flags[uid] = set()

    def answer(self, command: str, rest: str) -> Iterator[bytes]:
        """The lines before the last one of an answer; ``ValueError`` for NO."""
        if command == "CAPABILITY":
            yield b"* CAPABILITY IMAP4rev1\r\n"
        elif command == "LOGIN" and rest != f'{self.user} "{self.password}"':
            raise ValueError("[AUTHENTICATIONFAILED] for " + rest)
        elif command == "SELECT":
            if rest != '"INBOX"':
                raise ValueError("no such folder")
            yield b"* %d EXISTS\r\n* OK [UIDVALIDITY 1]\r\n" % len(self.mails)
        elif rest == "SEARCH UNSEEN":
            unseen = [str(uid) for uid, flags in self.flags.items() if r"\Seen" not in flags]
            yield f"* SEARCH {' '.join(unseen)}\r\n".encode()
        elif match := _FETCH.search(rest):
            uid, most = int(match[1]), int(match[2])
            raw = self.mails[uid][:most]
            head = f"* 1 FETCH (UID {uid} BODY[]<0> {{{len(raw)}}}\r\n"
            yield head.encode() + raw + b")\r\n"
        elif match := _STORE.search(rest):
            self.flags[int(match[1])] |= set(match[2].split())


class _Line(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        folder: Folder = self.server.folder  # type: ignore[attr-defined]
        self.wfile.write(b"* OK ready\r\n")
        while line := self.rfile.readline():
            tag, _, said = line.decode().strip().partition(" ")
            command, _, rest = said.partition(" ")
            folder.said.append(said)
            if folder.broken and folder.broken in said:
                return
            try:
                for part in folder.answer(command, rest):
                    self.wfile.write(part)
                self.wfile.write(f"{tag} OK done\r\n".encode())
            except ValueError as error:
                self.wfile.write(f"{tag} NO {error}\r\n".encode())
            if command == "LOGOUT":
                return


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self, folder: Folder, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Line)
        self.folder = folder
        if context:
            self.socket = context.wrap_socket(self.socket, server_side=True)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # one that hung up on us


@contextmanager
def serving(folder: Folder, certificate: Path | None = None) -> Iterator[int]:
    """Serves ``folder`` on localhost, with TLS when there is a certificate; the port."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with _Server(folder, context) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(10)


def certificate(folder: Path, host: str = "localhost") -> Path:
    """A certificate for ``host`` that signs itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = SystemClock().now()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{host}.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    path.write_bytes(made.public_bytes(Encoding.PEM) + private)
    return path

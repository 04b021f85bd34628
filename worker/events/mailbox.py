"""The mailbox that bounces come to: a Maildir or an IMAP folder.

A mail is marked as read only after what it tells was committed; one that is read twice changes
nothing. Mails that report nothing are marked as read and flagged, so that a person finds them.
"""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

from worker.kernel.errors import DependencyDownError

MOST_BYTES = 1 << 20
"""Of a mail no more is read: what a report says stands at its beginning."""

_TIMEOUT_SECONDS = 30
_IMAP_PORT, _IMAPS_PORT = 143, 993


class Box(Protocol):
    """A mailbox. Raises ``DependencyDownError`` when it cannot be read now."""

    def unread(self, limit: int) -> Iterator[tuple[str, bytes]]:
        """Mails that nobody has read, the oldest first: name and content."""
        ...

    def done(self, name: str, *, report: bool) -> None:
        """Marks a mail as read; flagged as well when it was no report."""
        ...


@contextmanager
def opened(place: str, password: str | None, root: Path) -> Iterator[Box]:
    """The mailbox that ``[mail.smtp] bounces`` names."""
    if "://" not in place:
        yield Maildir(root / place)
        return
    with _imap(place, password or "") as box:
        yield box


class Maildir:
    """A folder with ``new`` and ``cur`` in it, as mail servers deliver into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def unread(self, limit: int) -> Iterator[tuple[str, bytes]]:
        with _told(str(self.folder)):
            names = sorted(path.name for path in (self.folder / "new").iterdir() if path.is_file())
        for name in names[:limit]:
            with _told(str(self.folder)), (self.folder / "new" / name).open("rb") as file:
                content = file.read(MOST_BYTES)
            yield name, content

    def done(self, name: str, *, report: bool) -> None:
        flags = "S" if report else "FS"
        with _told(str(self.folder)):
            (self.folder / "cur").mkdir(exist_ok=True)
            (self.folder / "new" / name).rename(
                self.folder / "cur" / f"{name.partition(':')[0]}:2,{flags}"
            )


class Imap:
    """A folder on an IMAP server; names are UIDs."""

    def __init__(self, client: imaplib.IMAP4, host: str) -> None:
        self._client = client
        self._host = host

    def unread(self, limit: int) -> Iterator[tuple[str, bytes]]:
        with _told(self._host):
            uids = _answered(self._client.uid("SEARCH", "UNSEEN"))[0] or b""
        for uid in uids.split()[:limit]:
            with _told(self._host):
                # PEEK: a plain BODY would mark it as read before anything is kept.
                parts = _answered(
                    self._client.uid("FETCH", uid.decode(), f"(BODY.PEEK[]<0.{MOST_BYTES}>)")
                )
            for part in parts:
                if isinstance(part, tuple):
                    yield uid.decode(), part[1]

    def done(self, name: str, *, report: bool) -> None:
        flags = r"(\Seen)" if report else r"(\Seen \Flagged)"
        with _told(self._host):
            _answered(self._client.uid("STORE", name, "+FLAGS.SILENT", flags))


@contextmanager
def _imap(place: str, password: str) -> Iterator[Imap]:
    parts = urlsplit(place)
    host, folder = parts.hostname or "", unquote(parts.path.lstrip("/")) or "INBOX"
    with _told(host):
        client = _connected(parts.scheme, host, parts.port)
    try:
        with _told(host):
            client.login(unquote(parts.username or ""), password)
            quoted = folder.replace("\\", "\\\\").replace('"', '\\"')
            _answered(client.select(f'"{quoted}"'))
        yield Imap(client, host)
    finally:
        with _told(host, quietly=True):
            client.logout()
        with _told(host, quietly=True):  # a logout that failed leaves it open
            client.shutdown()


def _connected(scheme: str, host: str, port: int | None) -> imaplib.IMAP4:
    if scheme == "imaps":
        return imaplib.IMAP4_SSL(
            host,
            port or _IMAPS_PORT,
            ssl_context=ssl.create_default_context(),
            timeout=_TIMEOUT_SECONDS,
        )
    return imaplib.IMAP4(host, port or _IMAP_PORT, timeout=_TIMEOUT_SECONDS)


def _answered(reply: tuple[str, Sequence[Any]]) -> Sequence[Any]:
    status, parts = reply
    if status != "OK":
        raise imaplib.IMAP4.error(f"answered {status}")
    return parts


@contextmanager
def _told(where: str, *, quietly: bool = False) -> Iterator[None]:
    """Puts what a mailbox may raise into one sentence. What a server answers is not repeated: it
    may quote a name."""
    try:
        yield
    except (OSError, UnicodeError, imaplib.IMAP4.error) as error:
        if not quietly:
            why = (isinstance(error, OSError) and error.strerror) or type(error).__name__
            said = f"mail.smtp.bounces: {where} cannot be read ({why})"
            raise DependencyDownError(said) from None

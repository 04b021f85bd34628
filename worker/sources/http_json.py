"""Records in JSON over HTTP, page by page, into a file of our own before anything is read."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import closing
from hashlib import blake2s
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from worker.config.settings import SourceSettings
from worker.http.door import Answer, Door
from worker.http.rules import next_link
from worker.sources import records
from worker.sources.asking import Asker, without_query
from worker.sources.cells import text_of
from worker.sources.contract import BadRow, Reading, Source, SourceError, quoted, refuse
from worker.sources.declared import Wrong
from worker.sources.spool import MOST_BYTES, MOST_ROWS, Spool

TAKES = (
    *("records", "next", "cursor_param", "page_param", "timeout"),
    *("auth", "token", "username", "password"),
)
MOST_PAGES = 20_000
_MOST_BYTES_A_PAGE = 64 << 20


def check(source: SourceSettings) -> Iterator[Wrong]:
    """What is wrong with the keys of a source of this kind."""
    yield from _check_url(source.url)
    if source.next and source.page_param:
        hint = "pages are found by next, or counted with page_param"
        yield Wrong("page_param", "two-ways", "given together with next", "'page_param'", hint)
    if source.cursor_param and not source.next:
        yield Wrong("next", "missing", "where an answer tells the cursor, because of cursor_param")
    wanted = {"none": (), "token": ("token",), "basic": ("username", "password")}[source.auth]
    for secret in ("token", "username", "password"):
        given = getattr(source, secret) is not None
        if secret in wanted and not given:
            yield Wrong(secret, "missing", f'a secret, because auth = "{source.auth}"')
        elif given and secret not in wanted:
            kind = "token" if secret == "token" else "basic"  # noqa: S105 -- the names of keys
            hint = f'declare auth = "{kind}", or leave it out'
            yield Wrong("auth", "unused-secret", f"an auth that sends a {secret}", "", hint)


def _check_url(url: str | None) -> Iterator[Wrong]:
    if url is None:
        return
    expected = "an address that begins with https:// or http://"
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        yield Wrong("url", "url", expected, quoted(without_query(url)))
        return
    if parts.scheme not in ("http", "https") or not parts.hostname:
        yield Wrong("url", "url", expected, quoted(without_query(url)))
    elif "@" in parts.netloc:
        hint = 'declare auth = "basic"; user and password are secrets of their own'
        yield Wrong("url", "secret-in-url", "an address without a user", "", hint)


def open_http(path: Path | None, how: Reading) -> Source:
    """Fetches all pages, or reads ``path``, an answer that was saved; see ``contract.Opener``."""
    made = _Records(how)
    if path is not None:
        made.take(_saved(path, how))
        return made.checked()
    settings = _settings(how)
    door = Door(settings.timeout, most_bytes=_MOST_BYTES_A_PAGE)
    with closing(door):
        _Pages(Asker(door, _headers(settings), how), settings, how, made).fetch()
    return made.checked()


def _settings(how: Reading) -> SourceSettings:
    if how.settings is None or how.settings.url is None:
        raise ValueError("a source of kind http is opened with its settings")
    return how.settings


def _headers(settings: SourceSettings) -> dict[str, str]:
    headers = {"Accept": "application/json"}
    if settings.auth == "token" and settings.token:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    if settings.auth == "basic" and settings.username and settings.password:
        pair = f"{settings.username.get_secret_value()}:{settings.password.get_secret_value()}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers


def _saved(path: Path, how: Reading) -> Any:
    try:
        with path.open("rb") as file:
            body = file.read(_MOST_BYTES_A_PAGE + 1)
    except OSError as error:
        hint = "is the path right?"
        raise refuse(how.name, "no-file", "a file", f"{error.strerror}", hint) from error
    if len(body) > _MOST_BYTES_A_PAGE:
        raise _too_large(how)
    return _parsed(body, how)


def _parsed(body: bytes, how: Reading, page: str = "") -> Any:
    try:
        return records.parse(body)
    except records.NotJsonError as error:
        hint = "does url name the interface for programs?" if "HTML" in str(error) else ""
        raise refuse(how.name, "not-json", f"JSON{page}", str(error), hint) from error


def _too_large(how: Reading) -> SourceError:
    expected = f"at most {_MOST_BYTES_A_PAGE >> 20} MB in one answer"
    hint = "ask for smaller pages, by a parameter in url"
    return refuse(how.name, "too-large", expected, "more", hint)


class _Records(Spool):
    """The records of all pages."""

    def __init__(self, how: Reading) -> None:
        super().__init__()
        self._how = how

    def take(self, answer: Any) -> list[Any]:
        """Keeps the records of one answer, and returns them."""
        found = self._list(answer)
        for record in found:
            self.add(self._cells(record))
        if self.count > MOST_ROWS or self.size > MOST_BYTES:
            expected = f"at most {MOST_ROWS:,} records in {MOST_BYTES >> 30} GB"
            raise refuse(self._how.name, "too-large", expected, "more")
        self._how.told(self.count)
        return found

    def checked(self) -> Spool:
        """The records, once there are any."""
        if not self.count:
            raise refuse(self._how.name, "no-rows", "at least one record", "an empty list")
        return self

    def _list(self, answer: Any) -> list[Any]:
        path = self._how.settings.records if self._how.settings else None
        expected = f"a list of records at {path!r}" if path else "a list of records"
        try:
            found = records.at(answer, path) if path else answer
        except records.NoPathError as error:
            raise self._how.at("records", "path", expected, error.found, error.hint) from error
        if isinstance(found, list):
            return found
        hint = "" if path else 'say where the list is, e.g. records = "data.items"'
        raise self._how.at("records", "path", expected, records.kind_of(found), hint)

    def _cells(self, record: Any) -> Sequence[str] | BadRow:
        if not isinstance(record, dict):
            got = records.kind_of(record)
            return BadRow(0, "record", "an object with fields", got)
        cells: dict[int, str] = {}
        for name, value in records.flat(record):
            place = self.column(name)
            if place in cells:
                return BadRow(0, "doubled-field", "each field once", f"{name!r} twice")
            cells[place] = text_of(value, self._how.point)
        return [cells.get(place, "") for place in range(max(cells, default=-1) + 1)]


class _Pages:
    """Goes from page to page, as declared, as long as there is another one."""

    def __init__(
        self, asker: Asker, settings: SourceSettings, how: Reading, made: _Records
    ) -> None:
        self._asker, self._settings, self._how, self._made = asker, settings, how, made
        self._first = settings.url or ""
        self._asked: set[tuple[str, str]] = set()
        self._bodies: set[bytes] = set()

    def fetch(self) -> None:
        """Fetches all; raises ``SourceError``."""
        url, params = self._first, self._start()
        for number in range(1, MOST_PAGES + 1):
            self._once(url, params, number)
            answer = self._asker.ask(url, params)
            found, value = self._page(answer, number)
            follows = self._next(answer, value, found, url, number)
            if follows is None:
                return
            url, params = follows
        raise self._endless(f"page {MOST_PAGES:,} is not the last one")

    def _start(self) -> dict[str, str]:
        return {self._settings.page_param: "1"} if self._settings.page_param else {}

    def _page(self, answer: Answer, number: int) -> tuple[list[Any], Any]:
        where = f" in page {number}" if number > 1 else ""
        if answer.cut:
            raise _too_large(self._how)
        value = _parsed(answer.body, self._how, where)
        found = self._made.take(value)
        print_ = blake2s(answer.body).digest()
        if found and print_ in self._bodies:
            raise self._endless(f"page {number} is the same as an earlier one")
        self._bodies.add(print_)
        return found, value

    def _next(
        self, answer: Answer, value: Any, found: list[Any], url: str, number: int
    ) -> tuple[str, dict[str, str]] | None:
        settings = self._settings
        if settings.page_param:
            return (self._first, {settings.page_param: str(number + 1)}) if found else None
        told = self._told_next(value) if settings.next else next_link(answer.headers)
        if told is None:
            return None
        if settings.cursor_param:
            return self._first, {settings.cursor_param: told}
        return self._same_origin(urljoin(url, told)), {}

    def _told_next(self, value: Any) -> str | None:
        """The next address or cursor; the last page has none, or leaves the place out."""
        try:
            told = records.at(value, self._settings.next or "")
        except records.NoPathError:
            return None
        if told is None or told is False or told == "":
            return None
        if isinstance(told, str | int) and told is not True:
            return str(told)
        expected = f"an address or a cursor at {self._settings.next!r}"
        raise self._how.at("next", "path", expected, records.kind_of(told))

    def _same_origin(self, url: str) -> str:
        """``url``, if it goes where the first one went: another host must not see the secret."""
        if _origin(url) == _origin(self._first):
            return url
        scheme, host, _ = _origin(self._first)
        got = quoted(without_query(url))
        hint = "the secret is sent nowhere else; name the address that answers in url"
        expected = f"a next page at {scheme}://{host}"
        raise refuse(self._how.name, "foreign-page", expected, got, hint)

    def _once(self, url: str, params: dict[str, str], number: int) -> None:
        asked = (url, str(params))
        if asked in self._asked:
            raise self._endless(f"page {number} leads to one that was read before")
        self._asked.add(asked)

    def _endless(self, got: str) -> SourceError:
        expected = "pages that come to an end"
        hint = "see how the other side counts its pages, and declare next or page_param"
        return refuse(self._how.name, "endless", expected, got, hint)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    try:
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        port = None
    return parts.scheme, parts.hostname or "", port

"""An account at Delighted, or at anything that speaks its API: read page by page."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

from worker.http.door import Answer, Door
from worker.http.rules import next_link
from worker.sources.asking import Asker
from worker.sources.contract import Reading, refuse

NAME = "delighted"
SIZE = 100
MOST_PAGES = 100_000


class Remote:
    """Reads lists. ``base`` is the address that ends before ``people``; the key goes nowhere
    else. Raises ``SourceError``."""

    def __init__(self, door: Door, base: str, key: str, how: Reading | None = None) -> None:
        self._base = base if base.endswith("/") else f"{base}/"
        pair = b64encode(f"{key}:".encode()).decode()
        self._how = how or Reading(NAME)
        headers = {"Accept": "application/json", "Authorization": f"Basic {pair}"}
        self._asker = Asker(door, headers, self._how)

    def linked(self, path: str) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list, each of which names the one behind it."""
        url, params = urljoin(self._base, path), {"per_page": str(SIZE)}
        for _ in range(MOST_PAGES):
            answer = self._asker.ask(url, params)
            yield self._records(answer)
            follows = next_link(answer.headers)
            if follows is None:
                return
            url, params = self._own(urljoin(url, follows)), {}
        raise refuse(NAME, "endless", "pages that come to an end", f"more than {MOST_PAGES:,}")

    def counted(
        self, path: str, asked: Mapping[str, str] | None = None
    ) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list that are counted from 1, until one is empty."""
        url = urljoin(self._base, path)
        for page in range(1, MOST_PAGES + 1):
            params = {**(asked or {}), "per_page": str(SIZE), "page": str(page)}
            found = self._records(self._asker.ask(url, params))
            if found:
                yield found
            if len(found) < SIZE:
                return
        raise refuse(NAME, "endless", "pages that come to an end", f"more than {MOST_PAGES:,}")

    def _records(self, answer: Answer) -> list[dict[str, Any]]:
        hint = "is the address that of the API, as https://api.delighted.com/v1/ is?"
        try:
            found = json.loads(answer.body)
        except (ValueError, RecursionError):
            raise refuse(NAME, "not-json", "JSON", "something else", hint) from None
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise refuse(NAME, "no-list", "a list of records", "something else", hint)
        return found

    def _own(self, url: str) -> str:
        """``url``, if it is where the first page was: no other host may see the key."""
        here, there = urlsplit(self._base), urlsplit(url)
        if (here.scheme, here.netloc) == (there.scheme, there.netloc):
            return url
        expected = f"a next page at {here.scheme}://{here.netloc}"
        raise refuse(NAME, "foreign-page", expected, f"one at {there.netloc}")

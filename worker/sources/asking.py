"""One question to a server, asked until it is answered or until it makes no sense any more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from worker.http.door import Answer, Door, DoorError
from worker.http.rules import retry_after
from worker.sources.contract import Reading, SourceDownError, SourceError, quoted, refuse

ATTEMPTS = 5
FIRST_PAUSE = 1.0
"""Seconds; each further pause is twice as long."""
LONGEST_PAUSE = timedelta(minutes=2)
"""A server that asks us to wait longer is left alone until the source is read again."""

_AGAIN = frozenset({429, 500, 502, 503, 504})


class Asker:
    """Asks with the same headers each time. Asking twice does no harm: nothing is changed there."""

    def __init__(self, door: Door, headers: Mapping[str, str], how: Reading) -> None:
        self._door, self._headers, self._how = door, headers, how

    def ask(self, url: str, params: Mapping[str, str]) -> Answer:
        """The answer, of status 200; raises ``SourceError``."""
        pause = FIRST_PAUSE
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._door.get(url, self._headers, params)
            except DoorError as error:
                failure, wait = self._down(str(error)), pause
            else:
                if answer.status not in _AGAIN:
                    return self._judged(answer, url)
                failure, wait = self._busy(answer), self._wanted(answer, pause)
            if attempt < ATTEMPTS:
                self._how.pause(wait)
                pause *= 2
        raise failure

    def _down(self, got: str) -> SourceError:
        hint = "is url right, and is the server up?"
        told = refuse(self._how.name, "no-answer", "an answer", got, hint)
        return SourceDownError(*told.problems)

    def _busy(self, answer: Answer) -> SourceError:
        got = f"{answer.status} {ATTEMPTS} times"
        told = refuse(self._how.name, "no-answer", "an answer", got, "try again later")
        return SourceDownError(*told.problems)

    def _wanted(self, answer: Answer, pause: float) -> float:
        """Seconds to wait: what the server asks for, else ours."""
        asked = retry_after(answer.headers, self._how.clock.now())
        if asked is None:
            return pause
        if asked > LONGEST_PAUSE:
            got = f"{answer.status}, which asks to wait for {asked.total_seconds():,.0f} seconds"
            told = refuse(self._how.name, "no-answer", "an answer", got, "try again later")
            raise SourceDownError(*told.problems)
        return max(asked.total_seconds(), FIRST_PAUSE)

    def _judged(self, answer: Answer, url: str) -> Answer:
        if answer.status == 200:
            return answer
        got, hint = _told(answer, url)
        raise refuse(self._how.name, f"http-{answer.status}", "an answer of 200", got, hint)


def _told(answer: Answer, url: str) -> tuple[str, str]:
    """What came and what to do, for a status that no repetition changes."""
    status = answer.status
    if status in (401, 403):
        return f"{status}: the server does not let us in", "are auth and its secrets right?"
    if status in (404, 410):
        return f"{status}: there is nothing at {without_query(url)}", "is url right?"
    if 300 <= status < 400:
        target = quoted(without_query(answer.headers.get("Location") or "somewhere"))
        return f"{status}: a redirect to {target}", "name the address that answers in url"
    said = answer.body[:200].decode("utf-8", "replace").strip()
    return f"{status}: {quoted(said)}" if said else str(status), ""


def without_query(url: str) -> str:
    """An address that may be shown: no query and no user, which may hold secrets."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "what is no address"
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path or url.partition("?")[0]

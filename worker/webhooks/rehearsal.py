"""The outside of rehearsals: accepts every call and reaches nobody."""

from __future__ import annotations

from collections.abc import Mapping

from worker.http.door import Answer
from worker.webhooks.flow import Outside


class NoDoor:
    """Answers 204 to everything, without a request."""

    def post(self, url: str, content: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        return Answer(204, {}, b"")


NOBODY = Outside(door=lambda url: NoDoor(), keys=())

"""One request, however often it is sent: its answer is kept a day under its ``Idempotency-Key``.

The key is claimed in the transaction of the change itself: of two requests with one key that come
together, the second waits for the first and gets its answer. What was refused is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2s
from typing import Any

from fastapi import Response
from sqlalchemy import delete, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from worker.access.records import requests
from worker.access.store import REQUESTS_KEPT
from worker.api.frame import Frame, Sent
from worker.api.problems import Fault, unfit
from worker.kernel.keys import digest

HEADER = "Idempotency-Key"
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class Done:
    """What a change is answered with."""

    content: Mapping[str, Any]
    status: int = 200
    tag: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Change = Callable[[Connection], Done]
"""Makes the change in this transaction, its line in the audit log among it."""


def once(frame: Frame, asked: Sent[Any], change: Change) -> Response:
    """Makes a change and answers; or gives the answer that the same request got before."""
    key = _key_of(asked)
    with asked.engine.begin() as conn:
        if key is None:
            return _said(frame, asked, change(conn))
        mark = _mark(asked)
        kept = _claim(conn, asked, key, mark)
        if kept is None:
            done = change(conn)
            _keep(conn, asked, key, done)
            return _said(frame, asked, done)
    if kept.digest != mark:
        hint = "make a new key for each request; send the same one only to repeat it"
        fault = Fault(f"header: {HEADER}", "a key of this request", "a key of another one", hint)
        raise unfit([fault])
    body = kept.body
    repeated = {"Idempotent-Replayed": "true"}
    done = Done(body["content"], kept.status, body["tag"], body["headers"] | repeated)
    return _said(frame, asked, done)


def _said(frame: Frame, asked: Sent[Any], done: Done) -> Response:
    return frame.say(asked, done.content, done.status, tag=done.tag, headers=done.headers)


def _key_of(asked: Sent[Any]) -> str | None:
    said = asked.request.headers.get(HEADER)
    if said is None:
        return None
    if not 1 <= len(said) <= _LONGEST or not said.isascii() or not said.isprintable():
        expected = f"1 to {_LONGEST} printable ASCII signs"
        raise unfit([Fault(f"header: {HEADER}", expected, ascii(said), "a UUID is a good one")])
    return said


def _mark(asked: Sent[Any]) -> str:
    """A fingerprint of everything that the request asks for."""
    request = asked.request
    body = blake2s(asked.raw).hexdigest()
    told = [request.headers.get(name, "") for name in ("if-match", "if-none-match")]
    return digest("\n".join([request.method, request.url.path, request.url.query, *told, body]))


def _claim(conn: Connection, asked: Sent[Any], key: str, mark: str) -> Any | None:
    """Takes the key; or the row of the request that had it before."""
    mine = (requests.c.token_id == asked.token_id, requests.c.key == key)
    conn.execute(delete(requests).where(*mine, requests.c.at <= asked.now - REQUESTS_KEPT))
    dialect = postgresql if conn.dialect.name == "postgresql" else sqlite
    values = {"token_id": asked.token_id, "key": key, "digest": mark, "status": 0, "body": {}}
    row = dialect.insert(requests).values(**values, at=asked.now).on_conflict_do_nothing()
    if conn.execute(row.returning(requests.c.key)).first() is not None:
        return None
    return conn.execute(select(requests).where(*mine)).first()


def _keep(conn: Connection, asked: Sent[Any], key: str, done: Done) -> None:
    mine = (requests.c.token_id == asked.token_id, requests.c.key == key)
    body = {"content": done.content, "tag": done.tag, "headers": dict(done.headers)}
    conn.execute(update(requests).where(*mine).values(status=done.status, body=body))

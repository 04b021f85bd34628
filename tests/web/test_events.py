"""The door for what providers tell: who may come in, what is answered, and when."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from tests.events.signing import Signer, batch
from tests.servers import Postgres
from tests.waiting import until
from tests.web.conftest import Serve
from worker.bootstrap import App
from worker.channels.sendgrid_events import SIGNATURE, TIMESTAMP
from worker.db.engine import make_engine, reading
from worker.db.migrate import upgrade
from worker.events.pages import MOST_BYTES
from worker.events.records import events
from worker.kernel.errors import ConfigError

SIGNER = Signer()
KEY = {"PERENNIAL_MAIL__SENDGRID__EVENT_KEY": SIGNER.public}
DOOR = "/events/sendgrid"
ONE = batch([{"event": "delivered", "sg_event_id": "one", "email": "anna@example.com"}])

Post = Callable[..., httpx.Response]


def signed(app: App, client: httpx.Client, body: bytes, **headers: str) -> httpx.Response:
    """A request as the provider makes it, with other headers where given."""
    said = SIGNER.headers(body, app.clock.now()) | {"Content-Type": "application/json"}
    return client.post(DOOR, content=body, headers=said | headers)


def kept(app: App) -> int:
    with reading(app.engine) as conn:
        return conn.execute(select(func.count()).select_from(events)).scalar_one()


def test_what_a_provider_tells_is_kept_before_it_is_thanked(
    serve: Serve, database_url: str
) -> None:
    app, client = serve(database=database_url, env=KEY)
    answer = signed(app, client, ONE)
    assert (answer.status_code, answer.content) == (204, b"")
    assert kept(app) == 1
    assert signed(app, client, ONE).status_code == 204
    assert kept(app) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {SIGNATURE: "bm9uc2Vuc2U="},
        {SIGNATURE: "не подпись".encode().decode("latin-1")},
        {SIGNATURE: ""},
        {TIMESTAMP: "1"},
        {TIMESTAMP: ""},
    ],
    ids=["signature", "not base64", "no signature", "timestamp", "no timestamp"],
)
def test_a_forged_request_is_refused_and_told_nothing(
    serve: Serve, sqlite_url: str, headers: dict[str, str]
) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    said = SIGNER.headers(ONE, app.clock.now()) | headers
    raw = {name: value.encode("latin-1") for name, value in said.items()}
    answer = client.post(DOOR, content=ONE, headers=raw)
    assert (answer.status_code, answer.json()) == (403, {"detail": "Forbidden"})
    assert kept(app) == 0


def test_every_forgery_looks_the_same_from_outside(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    now = app.clock.now()
    bodies = (ONE, b"", b"not json", b"\xff\xfe", b"[" * 5000)
    answers = [client.post(DOOR, content=body) for body in bodies]
    answers += [
        client.post(DOOR, content=body, headers=Signer().headers(body, now)) for body in bodies
    ]
    old = SIGNER.headers(ONE, now - timedelta(hours=27))
    answers.append(client.post(DOOR, content=ONE, headers=old))
    assert {(answer.status_code, answer.content) for answer in answers} == {
        (403, b'{"detail":"Forbidden"}')
    }
    assert kept(app) == 0


@pytest.mark.parametrize(
    ("body", "status", "count"),
    [
        (b"not json", 400, 0),
        (b'{"event":"open"}', 400, 0),
        (b"[" * 50_000 + b"]" * 50_000, 400, 0),
        (b"[]", 204, 0),
        (b"[null]", 204, 1),
        (b'[null,1,"x",[],{}]', 204, 5),
        (batch([{"event": "teleported"}]), 204, 1),
        (batch([{"event": "open"}, {"event": "open"}]), 204, 1),
        (batch([{"event": "bounce", "email": "\0\ud800", "mail": 7, "timestamp": "x"}]), 204, 1),
        (
            batch([{"event": "open", "deep": None}]).replace(b"null", b"[" * 400 + b"]" * 400),
            204,
            1,
        ),
    ],
    ids=range(10),
)
def test_whatever_is_signed_is_kept_or_refused_with_a_reason(
    serve: Serve, database_url: str, body: bytes, status: int, count: int
) -> None:
    app, client = serve(database=database_url, env=KEY)
    answer = signed(app, client, body)
    assert answer.status_code == status
    assert status == 204 or answer.json()["detail"].startswith("expected a list of events")
    assert kept(app) == count


def test_ten_megabytes_are_too_much(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    body = batch([{"event": "open", "x": "y" * (10 << 20)}])
    assert signed(app, client, body).status_code == 413
    assert kept(app) == 0


def test_a_body_of_unknown_length_is_not_read_without_an_end(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    sent = 0

    def endless() -> Any:
        nonlocal sent
        while sent < 20 * MOST_BYTES:
            sent += 1 << 16
            yield b" " * (1 << 16)

    with suppress(httpx.WriteError):  # it may hang up on us
        assert client.post(DOOR, content=endless()).status_code == 413
    assert sent < 20 * MOST_BYTES
    assert signed(app, client, ONE).status_code == 204


def test_one_that_hangs_up_in_the_middle_leaves_nothing(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    with socket.create_connection(("127.0.0.1", app.settings.web.port)) as line:
        line.sendall(b"POST /events/sendgrid HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n[")
    assert signed(app, client, ONE).status_code == 204
    assert kept(app) == 1


def test_a_channel_that_nobody_hears_does_not_exist(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url, env=KEY)
    for path in ("/events/smtp", "/events/file", "/events/", "/events/sendgrid/x", "/events/%2e"):
        said = SIGNER.headers(ONE, app.clock.now())
        assert client.post(path, content=ONE, headers=said).status_code == 404
    for method in ("GET", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert client.request(method, DOOR).status_code == 405


def test_without_a_key_the_door_is_shut(serve: Serve, sqlite_url: str) -> None:
    app, client = serve(database=sqlite_url)
    assert signed(app, client, ONE).status_code == 404
    assert kept(app) == 0


def test_a_key_that_is_none_is_said_before_anything_is_served(
    serve: Serve, sqlite_url: str
) -> None:
    nowhere = SIGNER.public[:60] + "A" * 62 + "=="
    with pytest.raises(ConfigError, match=r"mail\.sendgrid\.event_key is no public key"):
        serve(database=sqlite_url, env={"PERENNIAL_MAIL__SENDGRID__EVENT_KEY": nowhere})


def test_while_the_database_is_away_the_provider_is_asked_to_come_again(
    serve: Serve, own_postgres: Postgres
) -> None:
    url = own_postgres.url()
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()
    app, client = serve(database=url, env=KEY)
    assert signed(app, client, ONE).status_code == 204
    own_postgres.stop()
    two = batch([{"event": "delivered", "sg_event_id": "two"}])
    answer = signed(app, client, two)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert answer.json() == {"detail": "Service Unavailable"}
    assert client.post(DOOR, content=two).status_code == 403  # the forger learns nothing of it
    own_postgres.start()
    until(lambda: signed(app, client, two).status_code == 204)
    assert kept(app) == 2


def test_before_the_tables_are_there_the_provider_is_asked_to_come_again(
    serve: Serve, sqlite_url: str, root: Any
) -> None:
    app, client = serve(database=f"sqlite:///{root}/new.db", env=KEY)
    assert signed(app, client, ONE).status_code == 503


def test_the_same_batch_in_eight_threads_is_kept_once(serve: Serve, database_url: str) -> None:
    app, client = serve(database=database_url, env=KEY)
    body = batch([{"event": "delivered", "sg_event_id": f"e{n}"} for n in range(300)])
    codes: list[int] = []

    def tell() -> None:
        codes.append(signed(app, client, body).status_code)

    threads = [threading.Thread(target=tell) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {204}
    assert kept(app) == 300

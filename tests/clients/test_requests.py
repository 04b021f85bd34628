"""Whatever comes to the pages: bad links, scanners, other sites, huge forms, no database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.clients.conftest import COMMERCIAL, KEY, OWN, Site, opened
from tests.servers import Postgres
from tests.waiting import until
from worker.access import asking
from worker.clients.records import visits
from worker.db.engine import make_engine
from worker.db.migrate import upgrade
from worker.links.rules import Links, Purpose
from worker.web.app import make_app

FORM = {"answer": "decline", "reason": "price", "licence": "L-1"}
HEADERS = {
    "referrer-policy": "no-referrer",
    "x-robots-tag": "noindex, nofollow",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


# --- links ----------------------------------------------------------------------------------------


def test_one_byte_of_a_link_changed_anywhere_opens_nothing_and_never_breaks_us(
    sqlite_site: Site,
) -> None:
    site = sqlite_site
    for letter, path in site.mailed(COMMERCIAL).items():
        head, token = path[:3], path[3:]
        before = site.business()
        places = range(0, len(token), 3 if letter == "a" else 9)
        for place in places:
            other = "A" if token[place] != "A" else "B"
            bad = head + token[:place] + other + token[place + 1 :]
            assert site.client.get(bad).status_code == 404
            assert site.client.post(bad, data=FORM, headers=OWN).status_code == 404
        for end in (">", ".", ")", "/", "%3E", "%00", "%FF", "%", "/thanks/x", "=", ";x", "%0d%0a"):
            assert site.client.get(path + end).status_code == 404
        assert site.client.get(path[:-1]).status_code == 404
        assert site.business() == before


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ("pl-PL,pl;q=0.9,en;q=0.5", "Ten odnośnik nie otwiera"),
        ("de, ru;q=0.8", "Эта ссылка ничего не открывает"),
        ("en", "This link opens nothing"),
        ("*;q=x, ,;;, zz", "This link opens nothing"),
        ("", "This link opens nothing"),
    ],
)
def test_a_bad_link_is_told_in_the_readers_language(
    sqlite_site: Site, wanted: str, said: str
) -> None:
    page = sqlite_site.client.get("/a/abc.def", headers={"Accept-Language": wanted})
    assert page.status_code == 404
    assert said in page.text


def test_a_link_for_another_purpose_opens_nothing(sqlite_site: Site) -> None:
    links = sqlite_site.mailed(COMMERCIAL)
    for made, path in links.items():
        for asked in set("apu") - {made}:
            assert sqlite_site.client.get(f"/{asked}{path[2:]}").status_code == 404


def test_an_old_link_is_told_to_be_too_old(sqlite_site: Site) -> None:
    path = sqlite_site.mailed()["a"]
    sqlite_site.later(days=181)
    page = sqlite_site.client.get(path)
    assert page.status_code == 410
    assert "too old" in page.text


def test_a_link_of_a_test_mail_leads_nowhere(sqlite_site: Site) -> None:
    links = Links("", [KEY])
    token = links.token(Purpose.ANSWER, "0123456789abcdef", 0, sqlite_site.clock.now())
    page = sqlite_site.client.get(f"/a/{token}")
    assert page.status_code == 404
    assert "belongs to a test" in page.text


def test_links_of_the_key_before_still_open(sqlite_site: Site, sqlite_url: str) -> None:
    path = sqlite_site.mailed()["a"]
    environ = {"PERENNIAL_WEB__LINK_KEY": "0d3f9a6b", "PERENNIAL_WEB__PREVIOUS_LINK_KEY": KEY}
    environ["PERENNIAL_WEB__LINK_KEY"] *= 4
    root = sqlite_site.root.parent / "rotated"
    root.mkdir()
    with opened(sqlite_site.engine, sqlite_url, root, environ) as rotated:
        assert rotated.client.get(path).status_code == 200


# --- what only reads ------------------------------------------------------------------------------


def test_reading_changes_no_business_row_and_leaves_a_trace(site: Site) -> None:
    paths = list(site.mailed(COMMERCIAL).values())
    before = site.business()
    for path in paths:
        for _ in range(3):
            assert site.client.get(path, headers={"User-Agent": "Scanner/1"}).status_code == 200
        assert site.client.head(path).status_code == 200
        assert site.client.options(path).headers["allow"] == "GET, HEAD, POST, OPTIONS"
        assert site.client.get(path, headers={"Purpose": "prefetch"}).status_code == 200
    until(lambda: len(site.rows(visits)) == 4 * len(paths))
    assert site.business() == before
    assert {row.agent for row in site.rows(visits)} >= {"Scanner/1"}


def paths_of(routes: Iterable[Any]) -> Iterator[str]:
    """Every path that is served, of routers that were included, too."""
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is None:
            yield route.path
        else:
            yield from paths_of(inner.routes)


def test_a_crawl_of_every_route_by_scanners_changes_no_business_row(site: Site) -> None:
    links = site.mailed(COMMERCIAL) | {"s": site.asked()}
    assert site.app is not None
    found = set(paths_of(make_app(site.app).routes))
    assert {f"/{letter}/{{token:path}}" for letter in links} <= found
    assert {"/s/{token}/more", "/s/{token}/thanks", "/s/{token}/colleague"} <= found
    paths = []
    for route in sorted(found):
        letter = route[1:2] if route[2:3] == "/" else ""
        token = links.get(letter, "/x/y")[3:]
        paths.append(route.replace("{token:path}", token).replace("{token}", token))
    before = site.business()
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda path: site.client.get(path).status_code, paths * 10))
        codes += list(pool.map(lambda path: site.client.head(path).status_code, paths))
    assert max(codes) < 500
    assert site.business() == before


def test_pages_keep_themselves_to_themselves(sqlite_site: Site) -> None:
    for path in [*sqlite_site.mailed(COMMERCIAL).values(), "/a/broken"]:
        page = sqlite_site.client.get(path)
        assert {name: page.headers[name] for name in HEADERS} == HEADERS
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert "script" not in page.text
        assert "http://" not in page.text.replace("http-equiv", "")
        assert "set-cookie" not in page.headers


# --- who may send ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "https://evil.example", "Host": "evil.example"},
    ],
)
def test_a_form_of_another_site_is_not_taken(site: Site, headers: dict[str, str]) -> None:
    links = site.mailed()
    before = site.business()
    for letter in "ap":
        sent = site.client.post(links[letter], data=FORM, headers=headers)
        assert sent.status_code == 403
        assert "did not come from our page" in sent.text
    assert site.business() == before


def test_a_browser_that_tells_only_its_origin_is_believed_when_it_is_ours(site: Site) -> None:
    path = site.mailed()["a"]
    own = str(site.client.base_url).rstrip("/")
    assert site.client.post(path, data=FORM, headers={"Origin": own}).status_code == 303


def test_a_spoofed_host_and_a_foreign_next_lead_nowhere(sqlite_site: Site) -> None:
    path = sqlite_site.mailed()["a"]
    headers = {**OWN, "Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    page = sqlite_site.client.get(f"{path}?next=//evil.example", headers=headers)
    assert "evil" not in page.text
    sent = sqlite_site.client.post(f"{path}?next=//evil.example", data=FORM, headers=headers)
    assert sent.status_code == 303
    assert "evil" not in sent.headers["location"]
    assert "//" not in sent.headers["location"]


# --- what is sent ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"note=" + b"x" * 10_000_000, "application/x-www-form-urlencoded", 413),
        (b"&".join(b"f%d=1" % n for n in range(10_000)), "application/x-www-form-urlencoded", 400),
        (b"answer=renew&note=%ff%fe", "application/x-www-form-urlencoded", 400),
        (b"answer=renew&note=\xff\xfe", "application/x-www-form-urlencoded", 400),
        (b'{"answer": "renew"}', "application/json", 400),
        (b"answer=renew", "", 400),
        (b"--x\r\n\r\nanswer\r\n--x--", "multipart/form-data; boundary=x", 400),
    ],
)
def test_what_is_no_form_of_ours_is_refused_kindly(
    site: Site, body: bytes, kind: str, status: int
) -> None:
    path = site.mailed()["a"]
    before = site.business()
    try:
        sent = site.client.post(path, content=body, headers={**OWN, "Content-Type": kind})
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        assert status == 413  # it was cut off while it was still sending
    else:
        assert sent.status_code == status
        assert "Nothing was changed" in sent.text
    assert site.business() == before


def test_a_body_without_end_is_cut_off(sqlite_site: Site) -> None:
    path = sqlite_site.mailed()["a"]

    def endless():  # type: ignore[no-untyped-def]  # bytes, for ever
        while True:
            yield b"note=" + b"x" * 65536

    headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        status = sqlite_site.client.post(path, content=endless(), headers=headers).status_code
    except (httpx.WriteError, httpx.ReadError, httpx.RemoteProtocolError):
        status = 413
    assert status == 413


def test_slow_clients_are_cut_off_and_keep_nobody_waiting(
    sqlite_site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sqlite_site.mailed()["a"]
    monkeypatch.setattr(asking, "SLOWEST", 1.0)
    base = sqlite_site.client.base_url
    said: list[bytes] = []

    def drip() -> None:
        with socket.create_connection((base.host, base.port or 80), timeout=20) as slow:
            head = f"POST {path} HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: same-origin\r\n"
            head += (
                "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 90\r\n\r\nno"
            )
            slow.sendall(head.encode())
            said.append(slow.recv(64))

    threads = [threading.Thread(target=drip) for _ in range(50)]
    for thread in threads:
        thread.start()
    assert sqlite_site.client.get(path).status_code == 200
    for thread in threads:
        thread.join(20)
    assert [line.split()[1] for line in said] == [b"408"] * 50


# --- without a database ---------------------------------------------------------------------------


def test_without_the_database_the_page_says_so_and_comes_back(
    root: Path, own_postgres: Postgres
) -> None:
    url = own_postgres.url()
    engine = make_engine(url)
    upgrade(engine)
    with opened(engine, url, root) as site:
        path = site.mailed()["a"]
        own_postgres.stop()
        away = site.client.get(path, headers={"Accept-Language": "pl"})
        assert (away.status_code, away.headers["retry-after"]) == (503, "60")
        assert "Nic nie przepadło" in away.text
        sent = site.client.post(path, data=FORM, headers={**OWN, "Accept-Language": "ru"})
        assert sent.status_code == 503
        assert "Ничего не потеряно" in sent.text
        own_postgres.start()
        until(lambda: site.client.get(path).status_code == 200)
        assert site.client.post(path, data=FORM, headers=OWN).status_code == 303
    engine.dispose()


def test_no_link_and_no_address_is_logged(
    sqlite_site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sqlite_site.mailed()["a"]
    sqlite_site.client.get(path)
    sqlite_site.answer(path, "renew")
    sqlite_site.client.get(path[:-1])
    said = "".join(capsys.readouterr())
    for secret in (path[3:], KEY, "anna@example.com"):
        assert secret not in said
    assert KEY not in repr(sqlite_site.app.settings if sqlite_site.app else None)

"""Signing in by OpenID Connect: whom an admin named before, whom the provider vouches for, and
nobody else."""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from playwright.sync_api import Browser
from sqlalchemy import Engine, select

from tests.clients.conftest import opened
from tests.desk.conftest import House
from tests.desk.issuer import CLIENT, SECRET, Claims, Issuer, issuing
from worker.access import people
from worker.access.audit import Actor
from worker.access.people import Person
from worker.access.records import sessions, users
from worker.config.loading import load
from worker.db.engine import reading
from worker.kernel.clock import SystemClock
from worker.kernel.errors import ConfigError

BOSS = Actor("boss", "command")


@dataclass
class Company:
    """A house whose people sign in at a provider."""

    house: House
    issuer: Issuer

    def add(self, login: str = "anna", openid: str = "anna@example.com") -> None:
        person = Person(login, login.title(), "sales", openid=openid)
        people.add(self.house.engine, BOSS, person, None, self.house.site.clock.now())

    def sign_in(self, client: httpx.Client, where: str = "/") -> httpx.Response:
        """The whole way, as a browser goes it: there, the page, and back."""
        there = client.get(f"/sign-in/openid?{urlencode({'next': where})}")
        assert there.status_code == 303
        with httpx.Client() as elsewhere:
            page = elsewhere.get(there.headers["location"])
            path = page.text.partition('href="')[2].partition('"')[0].replace("&amp;", "&")
            back = elsewhere.get(self.issuer.url + path)
        return client.get(back.headers["location"])

    def sessions(self) -> int:
        with reading(self.house.engine) as conn:
            return len(conn.execute(select(sessions)).all())


@pytest.fixture
def company(engine: Engine, database_url: str, root: Path) -> Iterator[Company]:
    """On both databases."""
    with _company(engine, database_url, root) as made:
        yield made


@pytest.fixture
def sqlite_company(sqlite_engine: Engine, sqlite_url: str, root: Path) -> Iterator[Company]:
    with _company(sqlite_engine, sqlite_url, root) as made:
        yield made


class _company:  # noqa: N801 -- used as a function
    def __init__(self, engine: Engine, url: str, root: Path) -> None:
        self._given = engine, url, root

    def __enter__(self) -> Company:
        self._issuing = issuing(SystemClock())
        issuer = self._issuing.__enter__()
        self._opened = opened(*self._given, settings(issuer.url))
        site = self._opened.__enter__()
        issuer.clock = site.clock
        self._house = House(site, str(site.client.base_url).rstrip("/"))
        return Company(self._house, issuer)

    def __exit__(self, *_: object) -> None:
        self._house.close()
        self._opened.close()
        self._issuing.__exit__(None, None, None)


def settings(issuer: str) -> dict[str, str]:
    names = {"ISSUER": issuer, "CLIENT_ID": CLIENT, "CLIENT_SECRET": SECRET, "NAME": "Example"}
    return {f"PERENNIAL_WEB__OIDC__{name}": text for name, text in names.items()}


def test_who_was_named_by_an_admin_signs_in_and_is_known_from_then_on(company: Company) -> None:
    company.add()
    client = company.house.stranger()
    back = company.sign_in(client, "/me?x=1")
    assert (back.status_code, back.headers["location"]) == (303, "/me?x=1")
    assert "Anna" in client.get("/me").text
    with reading(company.house.engine) as conn:
        assert conn.scalar(select(users.c.subject)) == f"{company.issuer.url} p-17"
    company.issuer.person = {"sub": "p-17"}  # another address, or none: the name counts
    assert company.sign_in(company.house.stranger()).status_code == 303


def test_nobody_is_made_up(company: Company) -> None:
    company.add("olaf", "olaf@example.com")
    client = company.house.stranger()
    back = company.sign_in(client)
    assert back.status_code == 403
    assert "Ask an admin to add you" in back.text
    assert client.get("/me").status_code == 303
    with reading(company.house.engine) as conn:
        assert len(conn.execute(select(users)).all()) == 1


@pytest.mark.parametrize("verified", [False, None, "true", 1])
def test_an_address_that_was_not_verified_is_nobodys(
    sqlite_company: Company, verified: object
) -> None:
    sqlite_company.add()
    sqlite_company.issuer.person["email_verified"] = verified
    assert sqlite_company.sign_in(sqlite_company.house.stranger()).status_code == 403
    assert sqlite_company.sessions() == 0


def test_the_address_links_once_and_a_new_owner_of_it_gets_nothing(company: Company) -> None:
    company.add()
    assert company.sign_in(company.house.stranger()).status_code == 303
    company.issuer.person["sub"] = "p-18"
    assert company.sign_in(company.house.stranger()).status_code == 403


def test_a_disabled_user_stays_out(company: Company) -> None:
    company.add()
    people.disable(company.house.engine, BOSS, "anna", company.house.site.clock.now())
    assert company.sign_in(company.house.stranger()).status_code == 403
    with reading(company.house.engine) as conn:
        assert conn.scalar(select(users.c.subject)) == "mailto:anna@example.com"


def test_the_providers_new_keys_are_fetched_when_a_token_names_one(sqlite_company: Company) -> None:
    sqlite_company.add()
    assert sqlite_company.sign_in(sqlite_company.house.stranger()).status_code == 303
    sqlite_company.issuer.rotate()
    sqlite_company.house.site.later(minutes=2)
    assert sqlite_company.sign_in(sqlite_company.house.stranger()).status_code == 303


def without(*names: str) -> Callable[[Claims], Claims]:
    return lambda claims: {name: value for name, value in claims.items() if name not in names}


BENT: dict[str, Callable[[Claims], Claims]] = {
    "another issuer": lambda claims: {**claims, "iss": "https://evil.example"},
    "for somebody else": lambda claims: {**claims, "aud": "another"},
    "for several, said by none": lambda claims: {**claims, "aud": [CLIENT, "another"]},
    "for several, said by another": lambda claims: {
        **claims,
        "aud": [CLIENT, "another"],
        "azp": "another",
    },
    "too old": lambda claims: {**claims, "exp": claims["iat"] - 61},
    "from tomorrow": lambda claims: {**claims, "iat": claims["iat"] + 86400},
    "of another time": lambda claims: {**claims, "nonce": "another"},
    "without a nonce": without("nonce"),
    "without a subject": without("sub"),
    "without an end": without("exp"),
    "without a reader": without("aud"),
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT)
def test_a_token_that_says_something_wrong_opens_nothing(
    sqlite_company: Company, bend: Callable[[Claims], Claims]
) -> None:
    sqlite_company.add()
    sqlite_company.issuer.bend = bend
    back = sqlite_company.sign_in(sqlite_company.house.stranger())
    assert (back.status_code, "cannot be trusted" in back.text) == (403, True)
    assert sqlite_company.sessions() == 0


def _unsigned(claims: Claims) -> str:
    parts = ({"alg": "none"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    return b".".join(encoded).decode() + "."


SIGNED: dict[str, Callable[[Issuer], Callable[[Claims], str]]] = {
    "by nobody": lambda issuer: _unsigned,
    "with the client's secret": lambda issuer: (
        lambda claims: jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))
    ),
    "with a stranger's key under the provider's name": lambda issuer: (
        lambda claims: issuer.signed(claims, RSAKey.generate_key(2048))
    ),
    "not at all": lambda issuer: lambda claims: "no.token.this",
    "with one letter changed": lambda issuer: (
        lambda claims: (token := issuer.signed(claims))[:-10] + "AAAAA" + token[-5:]
    ),
}


@pytest.mark.parametrize("sign", SIGNED.values(), ids=SIGNED)
def test_a_token_that_the_provider_did_not_sign_opens_nothing(
    sqlite_company: Company, sign: Callable[[Issuer], Callable[[Claims], str]]
) -> None:
    sqlite_company.add()
    sqlite_company.issuer.sign = sign(sqlite_company.issuer)
    back = sqlite_company.sign_in(sqlite_company.house.stranger())
    assert (back.status_code, "cannot be trusted" in back.text) == (403, True)
    assert sqlite_company.sessions() == 0


def test_an_answer_that_this_browser_did_not_ask_for_opens_nothing(sqlite_company: Company) -> None:
    company = sqlite_company
    company.add()
    client, other = company.house.stranger(), company.house.stranger()
    there = client.get("/sign-in/openid").headers["location"]
    with httpx.Client() as elsewhere:
        back = elsewhere.get(there.replace("/authorize", "/signed")).headers["location"]
    assert other.get(back).status_code == 403, "it has no cookie"
    other.get("/sign-in/openid")
    assert other.get(back).status_code == 403, "it asked for something else"
    assert client.get(back.replace("state=", "state=x")).status_code == 403
    assert client.get(back.partition("?")[0]).status_code == 403
    assert client.get(f"{back.partition('?')[0]}?error=access_denied&state=x").status_code == 403
    company.house.site.later(minutes=11)
    late = client.get(back)
    assert (late.status_code, "ten minutes" in late.text) == (403, True)
    assert company.sessions() == 0


def test_a_code_is_good_once(sqlite_company: Company) -> None:
    sqlite_company.add()
    client = sqlite_company.house.stranger()
    there = client.get("/sign-in/openid").headers["location"]
    cookie = client.cookies["perennial-openid"]
    with httpx.Client() as elsewhere:
        back = elsewhere.get(there.replace("/authorize", "/signed")).headers["location"]
    assert client.get(back).status_code == 303
    again = httpx.get(back, cookies={"perennial-openid": cookie})
    assert again.status_code == 403


def test_a_provider_that_is_away_breaks_nothing_else(sqlite_company: Company) -> None:
    sqlite_company.issuer.is_away = True
    client = sqlite_company.house.stranger()
    away = client.get("/sign-in/openid")
    assert (away.status_code, "does not answer as it should" in away.text) == (503, True)
    assert "Sign in with Example" in client.get("/sign-in").text


def test_a_provider_that_calls_itself_otherwise_is_not_ours(sqlite_company: Company) -> None:
    sqlite_company.issuer.url += "/other"
    assert sqlite_company.house.stranger().get("/sign-in/openid").status_code == 503


def test_the_secret_of_the_client_is_sent_to_the_provider_only(sqlite_company: Company) -> None:
    sqlite_company.add()
    client = sqlite_company.house.stranger()
    there = client.get("/sign-in/openid")
    assert SECRET not in str(there.headers)
    assert SECRET not in client.get("/sign-in").text


def test_a_browser_goes_there_and_comes_back(sqlite_company: Company, browser: Browser) -> None:
    sqlite_company.add()
    context = browser.new_context(base_url=sqlite_company.house.base)
    page = context.new_page()
    page.goto("/sign-in?next=/me")
    page.get_by_role("link", name="Sign in with Example").click()
    page.get_by_role("link", name="Me").click()
    page.wait_for_url("**/me")
    assert page.get_by_role("heading", level=1).inner_text() == "Anna"
    context.close()


# --- settings -------------------------------------------------------------------------------------


def told(root: Path, environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as error:
        load(root, environ)
    return str(error.value)


def test_half_a_provider_is_told_with_what_is_missing(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('[web.oidc]\nissuer = "https://login.example.com"\n')
    said = told(tmp_path, {})
    assert "config.toml:2:" in said
    assert "web.oidc.client_id: missing" in said
    assert "PERENNIAL_WEB__OIDC__CLIENT_SECRET" in said


def test_an_issuer_is_reached_by_https_away_from_this_machine(tmp_path: Path) -> None:
    said = told(tmp_path, settings("http://login.example.com"))
    assert "web.oidc.issuer" in said
    assert "https://" in said


def test_the_secret_does_not_belong_in_the_file(tmp_path: Path) -> None:
    lines = ('issuer = "https://x.example.com/"', 'client_id = "x"', f'client_secret = "{SECRET}"')
    (tmp_path / "config.toml").write_text("\n".join(("[web.oidc]", *lines)))
    said = told(tmp_path, {})
    assert SECRET not in said
    assert "PERENNIAL_WEB__OIDC__CLIENT_SECRET" in said


def test_without_the_extra_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "authlib", None)
    said = told(tmp_path, settings("https://login.example.com"))
    assert "pip install 'perennial[oidc]'" in said
    assert load(tmp_path, {}).settings.web.oidc.issuer is None, "nobody else needs it"

"""Every route of the whole application, and who may use it.

The table is compared with the application that is mounted: a route that is not in it fails here, so
that nobody adds one without saying whom it is for. Each group of pages has its own lines.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from tests.clients.conftest import COMMERCIAL, KEY
from tests.desk.conftest import House
from tests.events.signing import Signer
from worker.access.rules import Role
from worker.bootstrap import App
from worker.web.app import make_app

OPEN = "open"
"""Anybody may: what it shows or does is meant for strangers, or needs a proof of its own."""
BEARER = "bearer"
"""Other systems may, with a token; nobody's session counts."""
VIEWER, SALES, RENEWALS, ADMIN = Role

_DELIGHTED = (
    *("GET /v1/people", "POST /v1/people", "GET /v1/people/{identifier:path}"),
    "DELETE /v1/people/{identifier:path}",
    "DELETE /v1/people/{identifier:path}/survey_requests/pending",
    *("GET /v1/survey_responses", "POST /v1/survey_responses", "PUT /v1/survey_responses"),
    *("GET /v1/survey_responses/{number}", "PUT /v1/survey_responses/{number}"),
    *("GET /v1/unsubscribes", "POST /v1/unsubscribes", "GET /v1/bounces", "GET /v1/metrics"),
    *("GET /v1/autopilot/email", "GET /v1/autopilot/email/memberships"),
    *("GET /v1/autopilot/sms", "GET /v1/autopilot/sms/memberships"),
)
"""What programs made for Delighted ask for, with ``.json`` behind it or without."""

ROUTES: Mapping[str, str] = {
    # probes, files, clients' pages, signing in
    "GET /healthz": OPEN,
    "GET /readyz": OPEN,
    "GET /metrics": OPEN,
    "GET /static/{name}": OPEN,
    "GET /a/{token}/thanks": OPEN,
    "GET /a/{token:path}": OPEN,
    "POST /a/{token:path}": OPEN,
    "OPTIONS /a/{token:path}": OPEN,
    "GET /p/{token}/saved": OPEN,
    "GET /p/{token:path}": OPEN,
    "POST /p/{token:path}": OPEN,
    "OPTIONS /p/{token:path}": OPEN,
    "GET /u/{token:path}": OPEN,
    "POST /u/{token:path}": OPEN,
    "OPTIONS /u/{token:path}": OPEN,
    "GET /s/{token:path}": OPEN,
    "POST /s/{token:path}": OPEN,
    "OPTIONS /s/{token:path}": OPEN,
    "GET /s/{token}/more": OPEN,
    "POST /s/{token}/more": OPEN,
    "OPTIONS /s/{token}/more": OPEN,
    "GET /s/{token}/thanks": OPEN,
    "GET /s/{token}/colleague": OPEN,
    "POST /s/{token}/colleague": OPEN,
    "OPTIONS /s/{token}/colleague": OPEN,
    "GET /sign-in": OPEN,
    "POST /sign-in": OPEN,
    "GET /sign-in/link/{secret}": OPEN,
    "POST /sign-in/link/{secret}": OPEN,
    "GET /sign-in/openid": OPEN,
    "GET /sign-in/openid/back": OPEN,
    "POST /events/sendgrid": OPEN,
    "POST /sign-out": VIEWER,
    # Today
    "GET /": VIEWER,
    # one's own
    "GET /me": VIEWER,
    "POST /me/password": VIEWER,
    "POST /me/sessions/end": VIEWER,
    "POST /me/sessions/end-others": VIEWER,
    # worklist
    "GET /worklist": VIEWER,
    "GET /worklist/new": SALES,
    "POST /worklist/new": SALES,
    "GET /worklist/{number}": VIEWER,
    "POST /worklist/{number}/{what}": SALES,
    # clients that fell silent
    "GET /queue": SALES,
    "GET /queue.csv": SALES,
    # schedules, what is held
    "GET /schedules": VIEWER,
    "GET /schedules/days/{day}": VIEWER,
    "GET /schedules/days/{day}/clients": VIEWER,
    "GET /schedules/{stem}": VIEWER,
    "GET /schedules/{stem}/plan": VIEWER,
    "GET /schedules/{stem}/edit": RENEWALS,
    "POST /schedules/{stem}/edit": RENEWALS,
    "POST /schedules/{stem}/apply": RENEWALS,
    "GET /schedules/{stem}/approve": VIEWER,
    "GET /schedules/{stem}/approve/mails/{key}": VIEWER,
    "POST /schedules/{stem}/approve": RENEWALS,
    "POST /brakes/{id_}/release": RENEWALS,
    "POST /instance/confirm": ADMIN,
    # health, surveys, reports
    "GET /health": VIEWER,
    "GET /surveys": VIEWER,
    "GET /surveys/shared": VIEWER,
    "GET /surveys/answers": VIEWER,
    "GET /surveys/answers/{id_}": VIEWER,
    "GET /surveys/{table}.csv": VIEWER,
    "GET /surveys/digest": RENEWALS,
    "POST /surveys/digest": RENEWALS,
    "GET /reports": VIEWER,
    "GET /reports/promises": VIEWER,
    "GET /reports/renewals": VIEWER,
    "GET /reports/renewals/{table}.csv": VIEWER,
    "GET /reports/indicators": VIEWER,
    "GET /reports/indicators/{table}.{form}": VIEWER,
    "GET /reports/matrix": VIEWER,
    "GET /reports/matrix/{table}.{form}": VIEWER,
    "GET /reports/capital": VIEWER,
    "GET /reports/capital/{table}.{form}": VIEWER,
    "GET /reports/attention": VIEWER,
    "GET /reports/attention/{table}.{form}": VIEWER,
    "GET /reports/costs": VIEWER,
    "GET /reports/costs/{table}.{form}": VIEWER,
    # the API and its description
    "GET /api": OPEN,
    "GET /api/openapi.json": OPEN,
    "GET /api/v1/accounts": BEARER,
    "GET /api/v1/accounts/{key:path}": BEARER,
    "PUT /api/v1/accounts/{key:path}": BEARER,
    "GET /api/v1/accounts/{key:path}/decisions": BEARER,
    "GET /api/v1/contacts": BEARER,
    "GET /api/v1/contacts/{key:path}": BEARER,
    "PUT /api/v1/contacts/{key:path}": BEARER,
    "GET /api/v1/licences": BEARER,
    "GET /api/v1/licences/{key:path}": BEARER,
    "PUT /api/v1/licences/{key:path}": BEARER,
    "GET /api/v1/licences/{key:path}/decisions": BEARER,
    "GET /api/v1/episodes": BEARER,
    "GET /api/v1/messages": BEARER,
    "GET /api/v1/orders": BEARER,
    "GET /api/v1/orders/{key:path}": BEARER,
    "PUT /api/v1/orders/{key:path}": BEARER,
    "GET /api/v1/reports/renewals": BEARER,
    "GET /api/v1/stops": BEARER,
    "POST /api/v1/stops": BEARER,
    "DELETE /api/v1/stops/{scope}/{key:path}": BEARER,
    "GET /api/v1/tasks": BEARER,
    "POST /api/v1/tasks": BEARER,
    "GET /api/v1/tasks/{number}": BEARER,
    "POST /api/v1/tasks/{number}/close": BEARER,
    "POST /api/v1/tasks/{number}/note": BEARER,
    "GET /api/{rest:path}": BEARER,
    "POST /api/{rest:path}": BEARER,
    "PUT /api/{rest:path}": BEARER,
    "PATCH /api/{rest:path}": BEARER,
    "DELETE /api/{rest:path}": BEARER,
    "OPTIONS /api/{rest:path}": BEARER,
    "TRACE /api/{rest:path}": BEARER,
    # users, tokens, the audit log
    "GET /users": ADMIN,
    "POST /users": ADMIN,
    "GET /users/{login}": ADMIN,
    "POST /users/{login}": ADMIN,
    "POST /users/{login}/disable": ADMIN,
    "POST /users/{login}/enable": ADMIN,
    "POST /users/{login}/link": ADMIN,
    "POST /users/{login}/sessions": ADMIN,
    "GET /tokens": ADMIN,
    "POST /tokens": ADMIN,
    "POST /tokens/revoke": ADMIN,
    "GET /audit": ADMIN,
    # the book
    "GET /accounts": VIEWER,
    "GET /accounts/{key:path}": VIEWER,
    "GET /accounts/{key:path}/to-come": VIEWER,
    "GET /licences/{key:path}/to-come": VIEWER,
    "POST /accounts/{key:path}/stop": RENEWALS,
    "POST /accounts/{key:path}/lift": RENEWALS,
    "GET /accounts/{key:path}/hand-over": VIEWER,
    "POST /accounts/{key:path}/hand-over": SALES,
    "GET /licences": VIEWER,
    "GET /licences/{key:path}": VIEWER,
    "GET /search": VIEWER,
    "GET /search/words": VIEWER,
    # the outbox, one planned mail
    "GET /outbox": VIEWER,
    "GET /outbox/{id_}": VIEWER,
    "GET /outbox/{id_}/html": VIEWER,
    "POST /outbox/{id_}/settle": RENEWALS,
    "GET /mails/{walk}/{step}": VIEWER,
    "GET /mails/{walk}/{step}/html": VIEWER,
    "POST /mails/{walk}/{step}/lift": SALES,
    "POST /mails/{walk}/{step}/{kind}": SALES,
    # programs made for Delighted
    **dict.fromkeys(_DELIGHTED, BEARER),
    **dict.fromkeys((f"{route}.json" for route in _DELIGHTED), BEARER),
    **{
        f"{method} /v1/{{rest:path}}": BEARER
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
    },
}

SAMPLES = {
    "walk": "999999",
    "name": "style.css",
    "number": "999999",
    "id_": "999999",
    "what": "close",
}
"""What stands for a part of a path; anything else is called ``none``."""

FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
)


DOORS = {
    "PERENNIAL_WEB__LINK_KEY": KEY,
    "PERENNIAL_MAIL__SENDGRID__EVENT_KEY": Signer().public,
    "PERENNIAL_WEB__OIDC__ISSUER": "https://login.example.com",
    "PERENNIAL_WEB__OIDC__CLIENT_ID": "perennial",
    "PERENNIAL_WEB__OIDC__CLIENT_SECRET": "issued-to-perennial",
}
"""Settings with which every door there can be is open."""


def served(house: House) -> Iterator[str]:
    """Every route of the application with all its doors: method and path. HEAD is what GET is."""
    for route in make_app(App.open(house.site.root, DOORS)).routes:
        inner: Any = getattr(route, "effective_route_contexts", lambda route=route: [route])
        for one in inner():
            yield from (f"{method} {one.path}" for method in one.methods - {"HEAD"})


def address(path: str, links: Mapping[str, str] | None = None) -> str:
    """A path with something in the place of its parts: of a client's page, a link that is good."""
    letter = path[1:2] if path[2:3] == "/" else ""
    if links and letter in links and path.endswith("{token:path}"):
        return links[letter]
    return re.sub(r"\{(\w+)(:\w+)?\}", lambda part: SAMPLES.get(part[1], "none"), path)


def ended(answer: httpx.Response) -> str:
    """Whether somebody got in: ``in``, ``to sign in``, ``refused``, or what went wrong."""
    to_sign_in = answer.headers.get("location", "").startswith("/sign-in")
    if to_sign_in and "set-cookie" not in answer.headers:  # signing out takes the cookie away
        return "to sign in"
    if answer.status_code in (401, 403):
        return "refused"
    probing = answer.request.url.path in ("/healthz", "/readyz")
    return "in" if answer.status_code < 500 or probing else f"error {answer.status_code}"


def expected(least: str, role: Role | None) -> str:
    if least == OPEN:
        return "in"
    if least == BEARER:
        return "refused"
    if role is None:
        return "to sign in"
    return "in" if role.may(Role(least)) else "refused"


def test_the_table_names_every_route_and_no_other(sqlite_house: House) -> None:
    assert sorted(served(sqlite_house)) == sorted(ROUTES)


@pytest.mark.parametrize("role", [None, *Role], ids=lambda role: role or "stranger")
def test_a_role_gets_as_far_as_the_table_says(sqlite_house: House, role: Role | None) -> None:
    client = sqlite_house.stranger() if role is None else sqlite_house.as_(role)
    wrong = {}
    for route, least in sorted(ROUTES.items(), key=lambda item: item[0] == "POST /sign-out"):
        method, path = route.split()
        data = {} if method == "POST" else None
        found = ended(client.request(method, address(path), data=data))
        if found != expected(least, role):
            wrong[route] = (found, expected(least, role))
    assert not wrong, wrong


@pytest.mark.parametrize("headers", FOREIGN, ids=lambda headers: "-".join(headers.values()))
def test_no_form_of_another_site_changes_anything(
    sqlite_house: House, headers: dict[str, str]
) -> None:
    house = sqlite_house
    links = house.site.mailed(COMMERCIAL)
    client = house.as_(Role.ADMIN)
    del client.headers["Sec-Fetch-Site"]
    before, wrong = house.site.business(), {}
    for route, least in ROUTES.items():
        method, path = route.split()
        if method in ("GET", "OPTIONS") or least == BEARER or is_for_others(path):
            continue
        answer = client.request(method, address(path, links), data={}, headers=headers)
        if answer.status_code != 403:
            wrong[route] = answer.status_code
    assert not wrong, wrong
    assert house.site.business() == before
    assert client.get("/").status_code == 200, "still signed in"


def is_for_others(path: str) -> bool:
    """What other sites and programs are meant to send: providers with a signature, the one-click
    button of mail programs with a signed link, other systems with a token."""
    return path.startswith(("/events/", "/u/", "/api/", "/v1/"))


def test_the_one_click_button_takes_nothing_but_one_click(sqlite_house: House) -> None:
    path = sqlite_house.site.mailed(COMMERCIAL)["u"]
    before = sqlite_house.site.business()
    answer = sqlite_house.stranger().post(path, data={"all": "yes"}, headers=FOREIGN[0])
    assert answer.status_code == 400
    assert sqlite_house.site.business() == before

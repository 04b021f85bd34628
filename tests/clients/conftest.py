"""A small book that has mailed its clients, and the pages that the mails lead to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, Table, insert, select, update

from tests.outbox.world import LEASE, SCHEDULE, World
from tests.processes import write_config
from worker.bootstrap import App
from worker.cadence import machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.catalogue.records import accounts, contacts, preferences, stops
from worker.channels.contract import Channel
from worker.clients.records import answers
from worker.db.engine import reading
from worker.db.types import metadata
from worker.links.rules import Purpose, links_of
from worker.outbox.records import messages
from worker.surveys import rules
from worker.surveys.records import invitations, responses
from worker.web.serving import serving
from worker.worklist.records import tasks

KEY = "5f1c2b8e0d9a4763b1e0c4d7a8f93b26"
OWN = {"Sec-Fetch-Site": "same-origin"}
COMMERCIAL = SCHEDULE.replace('class = "contractual"', 'class = "commercial"').replace(
    "renewal/heads-up", "commercial/early-renewal"
)
GROUPED = SCHEDULE.replace(
    'valid_for = "3 days"', 'valid_for = "3 days"\ngroup_by = "contact"\ngather = "5 days"'
)
TRACES = {"visits", "preselections"}


@dataclass
class Site(World):
    """A world whose mails lead to pages that are served."""

    app: App | None = None
    web: httpx.Client | None = None

    @property
    def client(self) -> httpx.Client:
        assert self.web is not None
        return self.web

    def machine(self, *, channel: Channel | None = None, **_: Any) -> Machine:
        assert self.app is not None
        return machine.build(
            self.engine,
            self.clock,
            channel or self.folder,
            defaults=Defaults(),
            letterhead=Letterhead(
                "Renewals <renewals@example.com>", links=links_of(self.app.settings.web)
            ),
            lease=LEASE,
        )

    def mailed(self, schedule: str = SCHEDULE, *keys: str) -> dict[str, str]:
        """Mails one client about these licences of one account; the paths of the mail's links."""
        self.booked(*keys or ("L-1",))
        self.apply(schedule)
        self.run()
        return self.links()

    def booked(self, *keys: str) -> None:
        """One client with these licences, and a person."""
        for key in keys:
            self.licence(key, account="A-1", name="Client One")
        self._contact("C-1", "anna@example.com")

    def _contact(self, key: str, email: str) -> None:
        row = {"contact": key, "account": "A-1", "email": email}
        self._load("people", row, {**_CONTACT})

    def links(self) -> dict[str, str]:
        """The paths in the last mail, by their first letter: a, p, u, s."""
        part = self.mails()[-1].get_body(("plain",))
        assert part is not None
        return links_in(part.get_content(), self.client.base_url)

    def asked(self, promise: str = rules.NAMED, *, survey: str = "renewal", **more: Any) -> str:
        """Mails the client once more if need be, and has the last mail ask for a score; the path of
        its link."""
        if not self.rows(messages):
            self.mailed(COMMERCIAL)
        mail = self.rows(messages)[-1]
        row = {"schedule": "surveys", "survey": survey, "promise": promise, "segment": "smb"}
        row |= {"mail_key": mail.mail_key, "contact_id": mail.contact_id, "role": "decision-maker"}
        row |= {"account_id": self.rows(accounts)[0].id, "asked_on": self.clock.now().date()}
        row |= {"asked_at": self.clock.now(), "closes_at": self.clock.now() + timedelta(days=30)}
        row |= more
        with self.engine.begin() as conn:
            conn.execute(insert(invitations).values(**row))
        return self.link(row["mail_key"], row["contact_id"])

    def asked_of(self, key: str, promise: str = rules.NAMED, **more: Any) -> str:
        """Asks one more contact of the client by other means than a mail; the path of the link."""
        self._contact(key, f"{key.lower()}@example.com")
        person = next(row for row in self.rows(contacts) if row.key == key)
        return self.asked(promise, contact_id=person.id, mail_key=f"by-hand-{key}", **more)

    def link(self, mail_key: str, contact_id: int) -> str:
        """The path of the link to the question in this mail."""
        assert self.app is not None
        made = links_of(self.app.settings.web)
        assert made is not None
        return f"/s/{made.token(Purpose.SURVEY, mail_key, contact_id, self.clock.now())}"

    def send(self, path: str, **fields: Any) -> httpx.Response:
        """Sends a form as a browser does."""
        headers = {**OWN, "Content-Type": "application/x-www-form-urlencoded"}
        return self.client.post(path, data=fields, headers=headers)

    def said(self) -> list[tuple[int, str | None, str]]:
        """Score, comment and judgement of every answer."""
        return [(row.score, row.comment, row.judged) for row in self.rows(responses)]

    def answer(self, path: str, kind: str, *keys: str, **more: str) -> httpx.Response:
        """Sends the answer page as a browser does."""
        fields: dict[str, Any] = {"answer": kind, "licence": list(keys or ("L-1",)), **more}
        return self.client.post(path, data=fields, headers=OWN)

    def rows(self, table: Table) -> Sequence[Any]:
        with reading(self.engine) as conn:
            return conn.execute(select(table).order_by(*table.primary_key.columns)).all()

    def business(self) -> dict[str, list[Any]]:
        """Every table but the traces of GETs."""
        return {
            table.name: [tuple(row) for row in self.rows(table)]
            for table in metadata.sorted_tables
            if table.name not in TRACES
        }

    def answers(self) -> list[tuple[str, dict[str, Any]]]:
        return [(row.kind, row.detail) for row in self.rows(answers)]

    def open_tasks(self) -> list[Any]:
        return [row for row in self.rows(tasks) if row.closed_at is None]

    def standing(self) -> list[tuple[str, str | None]]:
        """Made by whom, for which task, of every stop that stands."""
        return [(row.made_by, row.task_key) for row in self.rows(stops) if row.lifted_at is None]

    def preference(self) -> Any:
        found = self.rows(preferences)
        return found[0] if found else None

    def set(self, table: Table, **values: Any) -> None:
        """Changes every row of a table, as some other hand would."""
        with self.engine.begin() as conn:
            conn.execute(update(table).values(**values))

    def renew(self, key: str = "L-1") -> None:
        """The renewal arrives with the next import."""
        self.licence(key, account="A-1", name="Client One", start="2026-12-21", end="2027-12-20")
        self.decide()


_CONTACT = {
    "entity": "contact",
    "key": "{contact}",
    "account": "{account}",
    "email": "{email}",
    "role": "decision-maker",
}


def links_in(text: str, base: object) -> dict[str, str]:
    found = re.findall(rf"{re.escape(str(base).rstrip('/'))}(/([apus])/\S+)", text)
    return {letter: path for path, letter in found}


Opens = Callable[..., Site]


@pytest.fixture
def site(engine: Engine, database_url: str, root: Path) -> Iterator[Site]:
    """Pages on a fresh database, with a link key and a clock of their own; on both databases."""
    with opened(engine, database_url, root) as made:
        yield made


@pytest.fixture
def sqlite_site(sqlite_engine: Engine, sqlite_url: str, root: Path) -> Iterator[Site]:
    """The same on SQLite alone, for what no database changes."""
    with opened(sqlite_engine, sqlite_url, root) as made:
        yield made


@pytest.fixture
def sqlite_engine(sqlite_url: str) -> Iterator[Engine]:
    from worker.db.engine import make_engine

    made = make_engine(sqlite_url)
    yield made
    made.dispose()


class opened(ExitStack):  # noqa: N801 -- used as a function
    """A site that is served while the block lasts."""

    def __init__(
        self,
        engine: Engine,
        url: str,
        root: Path,
        env: Mapping[str, str] | None = None,
        kind: type[Site] = Site,
    ) -> None:
        super().__init__()
        self._site = kind(engine, root)
        port = write_config(root, database=url)
        environ = {"PERENNIAL_WEB__LINK_KEY": KEY, **(env or {})}
        app = App.open(root, environ, clock=self._site.clock)
        self._site.app = app
        self.callback(app.close)
        _ = app.engine  # the first use signs the database
        self.enter_context(serving(app, lambda: None))
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20)
        self._site.web = self.enter_context(client)

    def __enter__(self) -> Site:  # type: ignore[override]  # what is served, not the stack
        return self._site

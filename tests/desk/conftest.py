"""A house with people in it: a served book, and clients that are signed in as each role."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html import unescape
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext
from sqlalchemy import Engine

from tests.clients.conftest import OWN, Site, opened, sqlite_engine
from worker.access import flow, store
from worker.access.rules import Role

__all__ = ["OWN", "House", "shown", "sqlite_engine"]


def shown(answer: httpx.Response) -> str:
    """The words of a page, as they are read."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", answer.text.replace("<wbr>", ""))).split())


@dataclass
class House:
    """A site, and who works there: the user of a role has its name as login and as key of staff."""

    site: Site
    base: str
    _people: dict[Role, int] = field(default_factory=dict)
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.site.engine

    def link(self, role: Role) -> str:
        """A path that signs the user of that role in, once; the user is made when there is none."""
        now = self.site.clock.now()
        if role not in self._people:
            values = {"login": str(role), "name": role.title(), "role": role, "staff": str(role)}
            with self.engine.begin() as conn:
                self._people[role] = store.add_user(conn, values, now)
        return f"/sign-in/link/{flow.offer(self.engine, self._people[role], now)}"

    def as_(self, role: Role) -> httpx.Client:
        """A client that is signed in as ``role``; its forms come from our own pages."""
        client = self.stranger()
        assert client.post(self.link(role), data={}).status_code == 303
        return client

    def stranger(self) -> httpx.Client:
        """A client that nobody is signed in with; its forms come from our own pages."""
        client = httpx.Client(base_url=self.base, timeout=20, headers=OWN)
        self._clients.append(client)
        return client

    def opened_by(self, browser: Browser, role: Role, **context: object) -> BrowserContext:
        """A browser context that is signed in as ``role``: ``viewport``, ``color_scheme`` …"""
        made = browser.new_context(base_url=self.base, **context)  # type: ignore[arg-type]  # handed on
        # Not by a page: one that is closed while its next page is on the way may never close.
        assert made.request.post(self.link(role), headers=OWN).ok
        return made

    def close(self) -> None:
        for client in self._clients:
            client.close()


Opens = Callable[..., House]


@pytest.fixture
def house(engine: Engine, database_url: str, root: Path) -> Iterator[House]:
    """On both databases."""
    with opened(engine, database_url, root) as site:
        made = House(site, str(site.client.base_url).rstrip("/"))
        yield made
        made.close()


@pytest.fixture
def sqlite_house(sqlite_engine: Engine, sqlite_url: str, root: Path) -> Iterator[House]:
    """The same on SQLite alone, for what no database changes."""
    with opened(sqlite_engine, sqlite_url, root) as site:
        made = House(site, str(site.client.base_url).rstrip("/"))
        yield made
        made.close()

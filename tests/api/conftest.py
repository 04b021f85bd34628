"""A served book with tokens: who asks is a client that bears one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import Engine, insert, select

from tests.clients.conftest import Site, opened, sqlite_engine
from worker.access.records import audit, tokens
from worker.access.rules import Scope, digest_of
from worker.db.engine import reading

__all__ = ["Api", "sqlite_engine"]


@dataclass
class Api:
    """A site whose API is asked; ``reader`` may read, ``writer`` may both."""

    site: Site
    base: str
    _clients: list[httpx.Client] = field(default_factory=list)

    @property
    def engine(self) -> Engine:
        return self.site.engine

    def token(
        self, *scopes: Scope, name: str = "", ends_at: datetime | None = None, **more: Any
    ) -> str:
        """A token with these scopes."""
        secret = f"prn_{secrets.token_urlsafe(32)}"
        row = {"name": name or secret[-6:], "digest": digest_of(secret), "scopes": list(scopes)}
        row |= {"made_by": "somebody", "made_at": self.site.clock.now(), "ends_at": ends_at}
        with self.engine.begin() as conn:
            conn.execute(insert(tokens).values(row | more))
        return secret

    def bearing(self, secret: str | None) -> httpx.Client:
        """A client that shows this token."""
        headers = {"Authorization": f"Bearer {secret}"} if secret is not None else {}
        client = httpx.Client(base_url=f"{self.base}/api/v1", timeout=30, headers=headers)
        self._clients.append(client)
        return client

    @property
    def reader(self) -> httpx.Client:
        return self.bearing(self.token(Scope.READ))

    @property
    def writer(self) -> httpx.Client:
        return self.bearing(self.token(Scope.READ, Scope.WRITE))

    def log(self) -> list[tuple[str, str, str]]:
        """What the API did to what, line by line."""
        mine = select(audit).where(audit.c.via == "api").order_by(audit.c.id)
        with reading(self.engine) as conn:
            rows = conn.execute(mine).all()
        return [(row.via, row.what, row.about) for row in rows]

    def close(self) -> None:
        for client in self._clients:
            client.close()


@pytest.fixture
def api(engine: Engine, database_url: str, root: Path) -> Iterator[Api]:
    """On both databases, with two licences of a client that was mailed."""
    with opened(engine, database_url, root) as site:
        yield from _filled(site)


@pytest.fixture
def sqlite_api(sqlite_engine: Engine, sqlite_url: str, root: Path) -> Iterator[Api]:
    """The same on SQLite alone, for what no database changes."""
    with opened(sqlite_engine, sqlite_url, root) as site:
        yield from _filled(site)


def _filled(site: Site) -> Iterator[Api]:
    site.mailed()
    site.licence("L/2 x", account="A-2", name="Klient Żółw")
    made = Api(site, str(site.client.base_url).rstrip("/"))
    yield made
    made.close()

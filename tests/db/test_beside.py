"""What a page counts is shared by two connections: both see the same, and no error is lost."""

from __future__ import annotations

import pytest
from sqlalchemy import Connection, Engine, func, select

from tests.surveys.conftest import Town
from worker.db.beside import beside
from worker.db.engine import reading
from worker.surveys.records import responses

ANSWERS = select(func.count()).select_from(responses)


def _answers(conn: Connection) -> int:
    return conn.scalar(ANSWERS) or 0


def test_both_see_the_moment_at_which_the_first_began(engine: Engine) -> None:
    town = Town(engine)
    town.said(9)
    with reading(engine) as conn:
        assert _answers(conn) == 1
        if engine.dialect.name == "postgresql":  # SQLite counts on the one connection
            town.said(3)
        with beside(conn, _answers) as counted:
            assert _answers(conn) == 1
        assert counted() == 1


def test_what_goes_wrong_on_the_second_is_raised(engine: Engine) -> None:
    def fail(_: Connection) -> int:
        raise ValueError("no such month")

    with reading(engine) as conn:
        with beside(conn, fail) as counted:
            assert _answers(conn) == 0
        with pytest.raises(ValueError, match="no such month"):
            counted()

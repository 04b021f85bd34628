"""Statements that are sent together find what each of them would find alone."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from tests.surveys.conftest import Town
from worker.catalogue.records import accounts, contacts
from worker.db import bulk
from worker.db.engine import make_engine, reading
from worker.db.prepared import Prepared, together

ACCOUNTS = Prepared(select(accounts).where(bulk.listed(accounts.c.id)).order_by(accounts.c.id))
PEOPLE = Prepared(select(contacts).where(contacts.c.account_id == bindparam("account")))


def test_each_finds_what_it_finds_alone(engine: Engine) -> None:
    town = Town(engine)
    for key, account in (("C-1", "A-1"), ("C-2", "A-1"), ("C-3", "A-2")):
        town.contact(key, account)
    with reading(engine) as conn:
        ids = list(conn.scalars(select(accounts.c.id)))
        asked = [ACCOUNTS.asking(ids=ids), None, *(PEOPLE.asking(account=id_) for id_ in ids)]
        for _ in range(7):  # drivers prepare a statement that comes again
            mine, nothing, *people = together(conn, asked)
            assert mine == ACCOUNTS.rows(conn, ids=ids)
            assert nothing == []
            assert people == [PEOPLE.rows(conn, account=id_) for id_ in ids]
    assert [len(found) for found in (mine, *people)] == [2, 2, 1]


def test_nothing_is_asked_for_nothing(engine: Engine) -> None:
    with reading(engine) as conn:
        assert together(conn, []) == []
        assert together(conn, [None, None]) == [[], []]


def test_what_is_wrong_with_one_is_raised_and_names_no_values(engine: Engine) -> None:
    far = Prepared(select(accounts.c.id).where(func.nonsense(bindparam("word"))))
    with reading(engine) as conn, pytest.raises(DBAPIError, match="nonsense") as raised:
        together(conn, [ACCOUNTS.asking(ids=[1]), far.asking(word="secret"), None])
    assert "secret" not in str(raised.value)
    with reading(engine) as conn:
        assert len(together(conn, [ACCOUNTS.asking(ids=[1])])) == 1


def test_other_statements_of_the_transaction_are_planned_as_before(postgresql_url: str) -> None:
    engine = make_engine(postgresql_url)
    with reading(engine) as conn:
        together(conn, [ACCOUNTS.asking(ids=[1])])
        assert conn.exec_driver_sql("SHOW plan_cache_mode").scalar() == "auto"
    engine.dispose()

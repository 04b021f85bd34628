"""Mails: what became of each copy. Their texts are for people, on the pages."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Response
from sqlalchemy import Select, select

from worker.api import store
from worker.api.asking import Moment, Paged, Printable
from worker.api.frame import Asked, Frame
from worker.api.paging import Order, Wanted
from worker.api.shapes import Message, Page
from worker.cadence.records import of_licence, steps, walks
from worker.catalogue.records import accounts, licences
from worker.db.engine import reading
from worker.kernel.keys import first_mail_key
from worker.outbox.records import SHOWN, messages
from worker.outbox.rules import STATES

_ORDER = Order([messages.c.mail_key, messages.c.address], falling=True)


class Messages(Paged):
    """Which mails: decided on at or after ``since``."""

    state: Literal[STATES] | None = None  # type: ignore[valid-type]  # the words of the ledger
    since: Moment | None = None
    account: Printable | None = None


def mount(router: APIRouter, frame: Frame) -> None:
    """The operations on mails."""
    reader = frame.asked()

    @router.get("/messages", response_model=Page[Message], tags=["messages"])
    def list_messages(query: Annotated[Messages, Query()], asked: Asked = reader) -> Response:
        """Mails, the latest first: a row for each address. Their ids begin with their moment."""
        rows = store.query_of(Message, *_ORDER.columns).where(SHOWN)
        if query.state is not None:
            rows = rows.where(messages.c.state == query.state)
        if query.since is not None:
            rows = rows.where(messages.c.mail_key >= first_mail_key(query.since))
        if query.account is not None:
            rows = rows.where(messages.c.mail_key.in_(_about(query.account)))
        wanted = Wanted(asked.request.url.path, query.filters(), query.cursor, query.limit)
        with reading(asked.engine) as conn:
            page = wanted.page(conn, rows, _ORDER, lambda row: store.shaped(Message, row))
        return frame.say(asked, page)


def _about(account: str) -> Select[Any]:
    """The mails that speak of an account's licences, by way of the steps that they are."""
    return (
        select(steps.c.mail_key)
        .join(walks, walks.c.id == steps.c.walk_id)
        .join(licences, of_licence)
        .join(accounts, accounts.c.id == licences.c.account_id)
        .where(accounts.c.key == account, steps.c.mail_key.is_not(None))
    )

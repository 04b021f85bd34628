"""What a mail is written from: rows of the book, as the templates see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Row

from worker.cadence.library import InForce
from worker.templating.context import (
    AccountView,
    Asked,
    ContactView,
    LicenceView,
    MailContext,
    SenderView,
)


def managers(rows: Iterable[Iterable[Row[Any]]]) -> list[str]:
    """The keys of those who look after these accounts: who renews comes first."""
    keys = [
        key
        for some in rows
        for row in some
        for key in (row.account_renewal_manager, row.account_account_manager)
        if key
    ]
    return list(dict.fromkeys(keys))


def writer(row: Row[Any], staff: Mapping[str, Row[Any]], otherwise: SenderView) -> SenderView:
    """The human who looks after the account; ``otherwise`` when nobody is known by name."""
    for key in managers([[row]]):
        person = staff.get(key)
        if person is not None:
            return SenderView(person.name, person.email or otherwise.email)
    return otherwise


def context(
    sender: SenderView,
    contact: Row[Any],
    rows: Sequence[Row[Any]],
    inforce: InForce,
    today: date,
    survey: Asked | None = None,
) -> Callable[[], MailContext]:
    """Puts the mail's data together when it is really written. ``survey``: the question that it
    asks, if it does."""

    def build() -> MailContext:
        row = rows[0]
        return MailContext(
            today=today,
            account=AccountView(row.account_name, row.account_key),
            contact=ContactView(contact.name, contact.email, contact.role),
            licences=tuple(_licence(row, today) for row in rows if row.licence_id is not None),
            sender=sender,
            step=row.step,
            mail_class=inforce.schedule.mail_class,
            survey=survey,
        )

    return build


def _licence(row: Row[Any], today: date) -> LicenceView:
    columns = {
        name.removeprefix("licence_"): value
        for name, value in row._mapping.items()
        if name.startswith("licence_")
    }
    return LicenceView.from_row(columns, today)

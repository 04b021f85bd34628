"""What a mail's templates can see. Plain frozen values: a template reads them and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any


@dataclass(frozen=True, slots=True)
class AccountView:
    """The client company."""

    name: str
    key: str


@dataclass(frozen=True, slots=True)
class ContactView:
    """The person who gets the mail."""

    name: str | None
    email: str
    role: str | None = None


@dataclass(frozen=True, slots=True)
class SenderView:
    """The human in whose name the mail goes out, and where answers arrive."""

    name: str
    email: str


@dataclass(frozen=True, slots=True)
class LicenceView:
    """One licence of the mail's table.

    ``days_left`` is ``expires_on`` minus the day of sending in whole civil days: 0 on the day
    itself, negative afterwards.
    """

    key: str
    product: str | None
    vendor: str | None
    quantity: int | None
    amount: Decimal | None
    next_amount: Decimal | None
    currency: str | None
    starts_on: date | None
    expires_on: date
    days_left: int
    renew_url: str | None = None
    auto_renew: bool = False

    @classmethod
    def from_row(cls, row: Mapping[str, Any], today: date) -> LicenceView:
        """The view of a row with the columns of the table ``licences``."""
        expires_on: date = row["expires_on"]
        return cls(
            row["key"],
            row["product"],
            row["vendor"],
            row["quantity"],
            row["amount"],
            row["next_amount"],
            row["currency"],
            row["starts_on"],
            expires_on,
            (expires_on - today).days,
            row["renew_url"],
            bool(row["auto_renew"]),
        )


@dataclass(frozen=True, slots=True)
class MailContext:
    """All that one mail is written from. ``today`` is the civil day on which it leaves.

    Raises ``ValueError`` without a licence: a mail that speaks of nothing must not exist.
    """

    today: date
    account: AccountView
    contact: ContactView
    licences: tuple[LicenceView, ...]
    sender: SenderView
    step: str

    def __post_init__(self) -> None:
        if not self.licences:
            raise ValueError("expected at least one licence in a mail, got none")

    @property
    def licence(self) -> LicenceView:
        """The first licence: the one to speak of where there is room for one."""
        return self.licences[0]

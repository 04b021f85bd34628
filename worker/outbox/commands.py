"""``perennial outbox``: mails with their state."""

from __future__ import annotations

import click
from sqlalchemy import select

from worker.catalogue.records import accounts, contacts
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.outbox import rules
from worker.outbox.records import messages

_STATES = (
    rules.DUE,
    rules.SENDING,
    rules.ACCEPTED,
    rules.UNKNOWN,
    rules.FAILED,
    rules.BLOCKED,
    rules.CANCELLED,
    "superseded",
    "skipped",
)
_KEYS = ("mail_key", "day", "state", "reason", "address", "schedule", "step", "language", "subject")
_MOMENTS = ("created_at", "next_at", "accepted_at", "attempts")


@click.command()
@click.option("--state", type=click.Choice(_STATES), help="Only mails in this state.")
@click.option("--limit", type=click.IntRange(1), default=200, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One mail a line, for programs.")
@click.pass_obj
def outbox(app: Wiring, state: str | None, limit: int, as_json: bool) -> None:
    """List mails with their state, the newest first."""
    query = select(
        *[messages.c[name] for name in (*_KEYS, *_MOMENTS)],
        accounts.c.key.label("account"),
        messages.c.provider_id,
    )
    query = query.outerjoin(contacts, contacts.c.id == messages.c.contact_id)
    query = query.outerjoin(accounts, accounts.c.id == contacts.c.account_id)
    if state:
        query = query.where(messages.c.state == state)
    query = query.order_by(messages.c.id.desc()).limit(limit)
    with reading(app.engine) as conn:
        rows = [dict(row._mapping) for row in conn.execute(query)]
    columns = ("day", "state", "account", "address", "step", "language", "subject", "reason")
    if not show.emit(rows, as_json=as_json, columns=columns) and not as_json:
        click.echo("No mail yet. `perennial plan` shows what will go out.")

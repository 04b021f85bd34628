"""``perennial outbox``: mails with their state; ``settle``: a person's word on those in doubt."""

from __future__ import annotations

from typing import Any, get_args

import click
from sqlalchemy import select

from worker.catalogue.records import accounts, contacts
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import UsageError
from worker.outbox import rules, settling, store
from worker.outbox.records import messages

_STATES = (
    rules.DUE,
    rules.SENDING,
    rules.ACCEPTED,
    rules.UNKNOWN,
    rules.FAILED,
    rules.BLOCKED,
    rules.CANCELLED,
    rules.GIVEN_UP,
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


_DOUBT = ("mail_key", "day", "state", "reason", "address", "step", "channel", "resends")


@click.command()
@click.argument("mail_key", required=False)
@click.argument("word", required=False, type=click.Choice(get_args(settling.Word)))
@click.option("--address", help="Only the copy to this address.")
@click.option("--json", "as_json", is_flag=True, help="The mails in doubt, one a line.")
@click.pass_obj
def settle(
    app: Wiring, mail_key: str | None, word: Any, address: str | None, as_json: bool
) -> None:
    """Say what became of a mail of which nobody knows whether it left.

    WORD: it was sent; it was not-sent, and goes out again; or give-up. Without a mail, list those
    in doubt: what waits for evidence, what was given up, and what was sent again in doubt, of which
    a client may have two copies.
    """
    if mail_key is None:
        _list_doubts(app, as_json=as_json)
        return
    if word is None:
        said = ", ".join(get_args(settling.Word))
        raise UsageError(f"What became of it? Write: perennial settle {mail_key} WORD, with {said}")
    done = settling.settle(app.engine, mail_key, address, word, app.clock.now())
    for one in done:
        click.echo(f"{mail_key} to {one}: {word}")


def _list_doubts(app: Wiring, *, as_json: bool) -> None:
    with reading(app.engine) as conn:
        rows = [
            {name: row._mapping[name] for name in (*_DOUBT, "unknown_since", "schedule")}
            for row in store.doubtful(conn)
        ]
    if not show.emit(rows, as_json=as_json, columns=_DOUBT) and not as_json:
        click.echo("No mail is in doubt.")

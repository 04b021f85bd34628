"""``perennial settle``: a person's word on mails in doubt."""

from __future__ import annotations

from typing import Any, get_args

import click

from worker.access.audit import at_the_terminal
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import UsageError
from worker.outbox import doubts, settling

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
    done = settling.settle(app.engine, mail_key, address, word, app.clock.now(), at_the_terminal())
    for one in done:
        click.echo(f"{mail_key} to {one}: {word}")


def _list_doubts(app: Wiring, *, as_json: bool) -> None:
    with reading(app.engine) as conn:
        rows = [
            {name: row._mapping[name] for name in (*_DOUBT, "unknown_since", "schedule")}
            for row in doubts.doubtful(conn)
        ]
    if not show.emit(rows, as_json=as_json, columns=_DOUBT) and not as_json:
        click.echo("No mail is in doubt.")

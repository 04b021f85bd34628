"""``perennial token``: what other systems show to be let in."""

from __future__ import annotations

import click

from worker.access import audit, store, tokens
from worker.access.rules import Scope
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show

_COLUMNS = ("name", "scopes", "made_by", "made_at", "used_at", "ends_at", "revoked_at")


@click.group()
def token() -> None:
    """Tokens that let other systems in to the API."""


@token.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice([str(scope) for scope in Scope]),
    multiple=True,
    required=True,
    help="What it may do; may be given several times.",
)
@click.option("--days", type=int, metavar="N", help="It ends after so many days.  [default: never]")
@click.pass_obj
def add(app: Wiring, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a token and print it, once: only a fingerprint is kept."""
    now, by = app.clock.now(), audit.at_the_terminal()
    secret = tokens.make(app.engine, by, name, scopes, days, now)
    click.echo("It is shown this once; keep it where secrets are kept:", err=True)
    click.echo(secret)


@token.command("list")
@click.option("--json", "as_json", is_flag=True, help="One token a line, for programs.")
@click.pass_obj
def list_(app: Wiring, as_json: bool) -> None:
    """List tokens, those that were revoked last."""
    with reading(app.engine) as conn:
        rows = [{name: row._mapping[name] for name in _COLUMNS} for row in store.all_tokens(conn)]
    if not show.emit(rows, as_json=as_json, columns=_COLUMNS) and not as_json:
        click.echo("There is no token.")


@token.command()
@click.argument("name")
@click.pass_obj
def revoke(app: Wiring, name: str) -> None:
    """End a token at once."""
    tokens.revoke(app.engine, audit.at_the_terminal(), name, app.clock.now())
    click.echo(f"token {name} is revoked")

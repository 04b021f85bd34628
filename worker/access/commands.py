"""``perennial user``: who may sign in, and as what."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from worker.access import audit, passwords, people, store
from worker.access.people import Person, person_of
from worker.access.rules import MEANS, FaultsError, Role
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel import show
from worker.kernel.errors import UsageError

_COLUMNS = ("login", "name", "role", "staff", "signs_in_by", "last_seen", "disabled_at")
_LONGEST_FILE = 8192
_ROLE = click.Choice([str(role) for role in Role])
_password_file = click.option(
    "--password-file",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path),
    help="Read the password from this file, or from stdin (-), instead of asking.",
)


@click.group()
def user() -> None:
    """Who may sign in to the pages for staff."""


@user.command()
@click.argument("login")
@click.option("--name", required=True, help="As colleagues know them.")
@click.option(
    "--role",
    type=_ROLE,
    required=True,
    help="; ".join(f"{role}: {said}" for role, said in MEANS.items()) + ".",
)
@click.option("--staff", default="", metavar="KEY", help="Whose tasks are theirs: a key of staff.")
@click.option("--email", default="", metavar="ADDRESS", help="Where mails about tasks go.")
@click.option("--oidc", default="", metavar="ADDRESS", help="Signs in by OpenID Connect as this.")
@_password_file
@click.option("--link", is_flag=True, help="Print a link that signs them in once; ask nothing.")
@click.pass_obj
def add(
    app: Wiring,
    login: str,
    name: str,
    role: str,
    staff: str,
    email: str,
    oidc: str,
    password_file: Path | None,
    link: bool,
) -> None:
    """Add a user. The password is asked for twice, on a terminal."""
    if link and password_file:
        raise UsageError("--link and --password-file: choose one of the two.")
    person = Person(login.strip().lower(), name, role, staff, email, oidc)
    if faults := people.faults_of(person):
        raise FaultsError(faults)
    password = None if link or (oidc and not password_file) else _password(password_file, login)
    by, now = audit.at_the_terminal(), app.clock.now()
    people.add(app.engine, by, person, password, now)
    click.echo(f"{person.login} is added: {role}", err=link)
    if link:
        _print_link(app, person.login, forget_password=False)


def _password(file: Path | None, login: str) -> str:
    """A new password, from a file or typed twice, which is good enough."""
    if file is not None:
        with click.open_file(str(file), encoding="utf-8") as opened:
            password: str = opened.read(_LONGEST_FILE).rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise UsageError("There is no terminal to ask for a password on: give --password-file")
    else:
        click.echo(
            f"At least {passwords.LEAST} characters; a few words in a row are good.", err=True
        )
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    if faults := passwords.faults(password, login.lower()):
        raise FaultsError(faults)
    return password


def _print_link(app: Wiring, login: str, *, forget_password: bool) -> None:
    now, by = app.clock.now(), audit.at_the_terminal()
    secret = people.offer_link(app.engine, by, login, now, forget_password=forget_password)
    click.echo("It signs them in once, within 24 hours:", err=True)
    with reading(app.engine) as conn:
        where = store.link_of(people.found(conn, login), secret)
    click.echo(f"{app.settings.web.base_url}{where}")


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="One user a line, for programs.")
@click.pass_obj
def list_(app: Wiring, as_json: bool) -> None:
    """List users, by login."""
    with reading(app.engine) as conn:
        users = store.all_users(conn)
        seen = store.last_seen(conn, [row.id for row in users])
    rows = [_row(row, seen.get(row.id)) for row in users]
    if not show.emit(rows, as_json=as_json, columns=_COLUMNS) and not as_json:
        click.echo("There is no user; add the first with: perennial user add LOGIN --role admin")


def _row(row: Any, seen: Any) -> dict[str, object]:
    return {
        **person_of(row)._asdict(),
        "signs_in_by": store.ways_in(row),
        "made_at": row.made_at,
        "last_seen": seen,
        "disabled_at": row.disabled_at,
    }


@user.command()
@click.argument("login")
@click.option("--role", type=_ROLE, help="Another role.")
@click.option("--name", help="Another name.")
@click.option("--staff", metavar="KEY", help="Another key of staff; empty: none.")
@click.option("--email", metavar="ADDRESS", help="Another address; empty: none.")
@click.option("--oidc", metavar="ADDRESS", help="Signs in by OpenID Connect as this from now on.")
@click.pass_obj
def change(app: Wiring, /, login: str, **given: str | None) -> None:
    """Change what is known of a user; a role counts from their next click on."""
    given["openid"] = given.pop("oidc")
    changes = {name: text for name, text in given.items() if text is not None}
    if not changes:
        raise UsageError("Nothing to change: give at least one of --role, --name, --staff …")
    done = people.change(app.engine, audit.at_the_terminal(), login, changes, app.clock.now())
    click.echo(f"{done.login}: {done.name}, {done.role}")


@user.command()
@click.argument("login")
@_password_file
@click.pass_obj
def password(app: Wiring, login: str, password_file: Path | None) -> None:
    """Give a user another password, and end their sessions."""
    with reading(app.engine) as conn:
        people.found(conn, login)
    new = _password(password_file, login)
    people.set_password(app.engine, audit.at_the_terminal(), login, new, app.clock.now())
    click.echo(f"{login.lower()} has another password; what was open has ended.")


@user.command()
@click.argument("login")
@click.pass_obj
def disable(app: Wiring, login: str) -> None:
    """Let a user in no more, and end their sessions at once."""
    done = people.disable(app.engine, audit.at_the_terminal(), login, app.clock.now())
    click.echo(f"{login.lower()} {'is' if done else 'was'} disabled")


@user.command()
@click.argument("login")
@click.pass_obj
def enable(app: Wiring, login: str) -> None:
    """Let a user in again."""
    done = people.enable(app.engine, audit.at_the_terminal(), login, app.clock.now())
    click.echo(f"{login.lower()} {'may sign in again' if done else 'was not disabled'}")


@user.command()
@click.argument("login")
@click.option("--forget-password", is_flag=True, help="They lost it, and choose a new one.")
@click.pass_obj
def link(app: Wiring, login: str, forget_password: bool) -> None:
    """Print a link that signs a user in once, within a day."""
    _print_link(app, login, forget_password=forget_password)

"""``perennial export``, ``erase``, ``links``: a person's data out, gone, and their links dead."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from worker.catalogue import preferences
from worker.clients import erasing, exporting, people, sweeping
from worker.clients.erasing import Gone
from worker.clients.files import clear_folder
from worker.config.wiring import Wiring
from worker.db.engine import reading
from worker.kernel.errors import FindingsError

_BEYOND = (
    "Not reached: files of your sources and rejects (var/rejects), backups, logs of other "
    "programs, the mail provider, mailboxes."
)


@click.command()
@click.argument("contact")
@click.pass_obj
def export(app: Wiring, contact: str) -> None:
    """Print all that is known of CONTACT, a contact's key or its address, as JSON.

    Contacts that share the address are one person.
    """
    with reading(app.engine) as conn:
        found = exporting.of(conn, people.find(conn, contact))
    click.echo(json.dumps(found, ensure_ascii=False, indent=2, default=str))


@click.command()
@click.argument("contact")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(app: Wiring, contact: str, yes: bool) -> None:
    """Erase the data of CONTACT, a contact's key or its address, from every table.

    What stays is a keyed hash of key and address, so that imports do not bring the person back.
    Open mails are withdrawn, and the mails that lie in the folder of the file channel go, too.
    """
    with reading(app.engine) as conn:
        person = _found(app, conn, contact)
    mails = f"{len(person.ids)} contact{'' if len(person.ids) == 1 else 's'} at "
    mails += f"{len(person.account_ids)} account{'' if len(person.account_ids) == 1 else 's'}"
    if not yes and not click.confirm(f"Erase {mails} for good?", err=True):
        raise FindingsError("Nothing was erased.")
    with app.engine.begin() as conn:
        gone = erasing.erase(conn, people.find(conn, contact), app.clock.now())
    _tell(gone, clear_folder(app.root, app.settings, gone))
    _scour(app)


def _found(app: Wiring, conn: Any, contact: str) -> people.Person:
    """The person; one that was erased while the file was in use has it scoured now."""
    try:
        return people.find(conn, contact)
    except FindingsError:
        conn.rollback()
        sweeping.scour(app.engine)
        raise


def _tell(gone: Gone, stuck: list[Path]) -> None:
    click.echo(
        f"Erased: {gone.contacts} contacts, {gone.mails} mails, {gone.withdrawn} of them withdrawn."
    )
    for path in stuck:
        click.echo(f"This file could not be removed: {path.parent}", err=True)
    for column in gone.left:
        click.echo(f"The address still stands in {column}, which belongs to the company.", err=True)
    click.echo(_BEYOND, err=True)


def _scour(app: Wiring) -> None:
    if not sweeping.scour(app.engine):
        raise FindingsError(
            "The data is gone from all tables, but another process uses the file, so that its free "
            "pages still hold deleted bytes. Stop it and run the same command once more."
        )


@click.group()
def links() -> None:
    """The links in clients' mails."""


@links.command()
@click.argument("contact")
@click.pass_obj
def revoke(app: Wiring, contact: str) -> None:
    """Make every link dead that was sent to CONTACT, a contact's key or its address, until now.

    Mails that are sent from now on carry new ones.
    """
    now = app.clock.now()
    with app.engine.begin() as conn:
        person = people.find(conn, contact)
        if not person.ids:
            raise FindingsError(f"No contact {contact!r} is in the book")
        preferences.put(conn, person.ids, now, links_from=now)
    click.echo("The links in all mails so far are dead.")

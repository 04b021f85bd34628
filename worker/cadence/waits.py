"""What keeps mails from leaving now, a line each, with the command or the setting that answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.engine import Connection

from worker.cadence import brakes
from worker.cadence.picture import counted
from worker.config.settings import MailSettings
from worker.outbox import holds


def lines(conn: Connection, mail: MailSettings) -> list[str]:
    """Everything that holds mails back or sends them elsewhere; nothing while all is as usual."""
    found = [
        f"Sending is stopped: {brake.detail} {brakes.answer(brake.kind, brake.id)}"
        for brake in holds.pulled(conn)
    ]
    found += mode_lines(mail)
    return [*found, *(held_line(group) for group in holds.held(conn))]


def mode_lines(mail: MailSettings) -> Iterator[str]:
    """What ``mail.mode`` does to mails unless it is ``live``."""
    if mail.mode == "off":
        yield 'No mail leaves: [mail] mode is "off". They wait; go on: mode = "live"'
    if mail.mode == "redirect":
        yield (
            f'Every mail goes to {mail.redirect_to}: [mail] mode is "redirect". '
            'To write to clients: mode = "live"'
        )


def held_line(group: Any) -> str:
    """A row of ``holds.held`` as a sentence."""
    days = f"of {group.first}" if group.first == group.last else f"{group.first} to {group.last}"
    who = f"{counted(group.mails, 'mail')} of {group.schedule} ({days})"
    wait = "waits" if group.mails == 1 else "wait"
    if group.reason == holds.APPROVAL:
        return f"{who} {wait} for an approval: perennial approve {group.schedule}"
    if group.reason == holds.STALE:
        return f"{who} {wait} for newer data: perennial import SOURCE"
    return f"{who} {wait}: {group.reason}"

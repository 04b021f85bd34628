"""What is told with a shell command, as a page tells it: with a link to where the same is done.

Alarms, tasks and checks are read at the terminal and in mails too, so they name commands. Whoever
reads them on a page gets the page instead; a command that no page stands for is left as it is.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote


class _Page(NamedTuple):
    """Where a command's work is done: an address and its words, in which ``{}`` is what the command
    names. One that names a thing in capitals means any: then the address ends before it."""

    command: str
    url: str
    words: str


_NAMED = r" ([^\s`]+?)(?=[.,;:)]*(?:[\s`]|$))"
_PAGES = (
    _Page(rf"approve{_NAMED}", "/schedules/{}/approve", "approve the mails of {}"),
    _Page(rf"explain{_NAMED}", "/licences/{}", "the licence {}"),
    _Page(r"outbox(?: --state due)?", "/outbox?state=to-leave", "Outbox"),
    _Page(r"settle", "/outbox?state=unknown", "Outbox, not known whether sent"),
    _Page(r"(?:release|confirm-instance)(?: \d+)?", "/health", "Health"),
    _Page(r"doctor", "/health", "Health"),
    _Page(r"(?:plan|apply|check)", "/schedules", "Schedules"),
    _Page(r"tasks", "/worklist?tab=all", "Worklist"),
    _Page(r"stop", "/accounts", "the page of the account"),
)
_COMMAND = re.compile(rf"`?perennial (?:{'|'.join(one.command for one in _PAGES)})\b`?")


class Piece(NamedTuple):
    """A part of a text; ``url`` is empty where it leads nowhere."""

    words: str
    url: str = ""


def with_pages(text: str) -> list[Piece]:
    """The text in pieces, with a link in the place of each command that a page stands for."""
    found, place = [], 0
    for command in _COMMAND.finditer(text):
        found += [Piece(text[place : command.start()]), _link(command.group(0).strip("`"))]
        place = command.end()
    return [*found, Piece(text[place:])]


def _link(command: str) -> Piece:
    for one in _PAGES:
        found = re.fullmatch(f"perennial {one.command}", command)
        if found is None:
            continue
        name = found.group(1) if found.re.groups else ""
        if name.isalpha() and name.isupper():
            room = one.url.partition("/{}")[0]
            return Piece(room.strip("/").capitalize(), room)
        return Piece(one.words.format(name), one.url.format(quote(name, safe="")))
    return Piece(command)

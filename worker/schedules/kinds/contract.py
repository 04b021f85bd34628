"""What a kind of step says of itself to those who read schedule files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from worker.config.validation import Finding
from worker.kernel.toml import Path_
from worker.schedules.fields import Shape

Found = Iterator[tuple[Path_, Finding]]
Table = Mapping[str, Any]
"""A [[steps]] table as it stands in the file, whatever is wrong with it."""


def nothing_wrong(step: Table, templates: Collection[str] | None) -> Found:
    """For a kind whose keys say all there is to say."""
    yield from ()


@dataclass(frozen=True, slots=True)
class StepKind:
    """A kind of step. ``keys`` are its own; the first names the kind: ``email = "…"``.

    ``check`` finds what is wrong with a table although each value may be right, with paths that
    count from the table; ``templates`` are the mails there are, or ``None`` to leave them
    unchecked. ``meet`` tells whether two steps of the kind would reach the same people.
    """

    name: str
    noun: str
    keys: type[Shape]
    meet: Callable[[Table, Table], bool]
    check: Callable[[Table, Collection[str] | None], Found] = nothing_wrong


def listed(value: object) -> list[Any]:
    """A list that stands in a table; nothing for what is none."""
    return value if isinstance(value, list) else []

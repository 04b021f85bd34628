"""What came of an import."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from worker.kernel.errors import Problem


class Managed(NamedTuple):
    """An account that got another manager (of the account or of its renewals): their keys."""

    account_id: int
    before: str
    after: str


@dataclass(slots=True)
class Counts:
    """Records of one entity, by what happened to them; ``rejected`` counts rows."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0


@dataclass(slots=True)
class Report:
    """What an import did, or in a dry run would have done.

    ``renewals`` to ``history`` count terms, ``ended`` licences that a full sync ended, ``removed``
    orders that it removed, ``erased`` contacts that were left out because their data was erased,
    ``rows`` and ``rejected_rows`` lines of the file. ``braked`` says why it stops all mails until a
    person has looked.
    """

    source: str
    file: str
    dry_run: bool = False
    entities: dict[str, Counts] = field(default_factory=dict)
    renewals: int = 0
    returns: int = 0
    corrections: int = 0
    history: int = 0
    ended: int = 0
    removed: int = 0
    erased: int = 0
    rows: int = 0
    rejected_rows: int = 0
    problems: Sequence[Problem] = ()
    rejects_path: Path | None = None
    notes: list[str] = field(default_factory=list)
    braked: str | None = None

    @property
    def wrote(self) -> bool:
        """Whether anything in the book is different now."""
        return bool(
            self.ended or self.removed or self.renewals or self.returns or self.history
        ) or any(counts.created or counts.updated for counts in self.entities.values())

    def record(self) -> dict[str, object]:
        """The report as other programs read it; problems are records of their own."""
        told = asdict(self)
        told["rejects_path"] = str(self.rejects_path) if self.rejects_path else None
        del told["problems"]
        return told

    def counts(self) -> dict[str, object]:
        """What is kept of it in the database."""
        kept = (
            "entities",
            "renewals",
            "returns",
            "corrections",
            "history",
            "ended",
            "removed",
            "erased",
        )
        told = asdict(self)
        return {name: told[name] for name in (*kept, "rows", "rejected_rows")}

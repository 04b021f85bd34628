"""How many statements a report sends."""

from __future__ import annotations

from sqlalchemy import event

from tests.indicators.conftest import YEAR, Town


def asked(town: Town, name: str) -> int:
    """The statements that reading the report ``name`` takes."""
    sent: list[str] = []

    def note(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    event.listen(town.engine, "before_cursor_execute", note)
    try:
        town.board(name, YEAR)
    finally:
        event.remove(town.engine, "before_cursor_execute", note)
    return len(sent)

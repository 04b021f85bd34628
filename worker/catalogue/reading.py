"""Rows of a file to values, all loads at once: a row is wholly good or wholly rejected."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from worker.catalogue.entities import ENTITIES
from worker.catalogue.laying import DATES, Cell, Laid, Part, RowError, RowProblemError
from worker.catalogue.mapping import Load
from worker.catalogue.values import BadValueError
from worker.kernel.errors import Problem, did_you_mean
from worker.kernel.show import Told
from worker.sources.contract import LONGEST_CELL, BadRow, Row, Source, SourceError, quoted

# Filled even if no load names them: a contact's key from its address, a status when it comes back.
# All of an order and of an answer, so that their parts have one shape.
_ALWAYS = {
    "contact": {"key", "account"},
    "licence": {"account", "status", *DATES},
    "order": {"account", "product_line", "ordered_on", "quantity", "amount", "currency"},
    "answer": {*ENTITIES["answer"].fields},
}
_SYNCED = ("licence", "order")

_BLOCK = 256  # rows that are read together


@dataclass(slots=True)
class Parsed:
    """What a file holds. A row is (line, part of the first load, part of the second, …)."""

    shapes: Mapping[str, Sequence[str]]
    loads: Sequence[Load]
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    rejected: dict[int, list[Problem]] = field(default_factory=dict)
    rejected_keys: dict[str, set[str]] = field(default_factory=lambda: {e: set() for e in _SYNCED})
    """Licences and orders that rejected rows speak of: they are not absent from the file."""
    keyless: Counter[str] = field(default_factory=Counter)
    """Rejected rows whose licence, or order, cannot be told."""
    total: int = 0


def read(source: Source, loads: Sequence[Load], name: str, progress: Told | None = None) -> Parsed:
    """Reads all rows of ``source``; ``name`` is the file in messages.

    ``progress`` is told the number of rows read and their share, now and then. Raises
    ``SourceError`` when the columns that the loads name are not all there, once each.
    """
    _check_header(source.header, loads, name)
    shapes = _shapes(loads)
    parsed = Parsed(shapes, loads)
    laid = [Laid(load, shapes[load.entity.name], source.header) for load in loads]
    block: list[Row] = []
    for row in source.rows():
        parsed.total += 1
        if isinstance(row, Row):
            block.append(row)
        else:
            _reject_bad(parsed, row, source.header, name)
        if len(block) == _BLOCK:
            _read_block(parsed, laid, block, name)
            block = []
        if progress is not None and parsed.total % 1000 == 0:
            progress(parsed.total, source.share)
    _read_block(parsed, laid, block, name)
    if not parsed.total:
        raise SourceError(Problem(name, 0, 0, "", "no-rows", "rows after the header", "none"))
    return parsed


def _read_block(parsed: Parsed, laid: Sequence[Laid], block: Sequence[Row], name: str) -> None:
    """Reads rows together where all are plain, which is fast; else half by half, to the odd one."""
    cells = [row.cells for row in block]
    joined = "".join(map("".join, cells))
    if joined.isprintable() and len(joined) <= LONGEST_CELL:
        try:
            parts = [each.parts(cells) for each in laid]
        except RowError:
            pass
        else:
            parsed.rows.extend(zip([row.line for row in block], *parts, strict=True))
            return
    if len(block) == 1:
        _read_slowly(parsed, laid, block[0], name)
    elif block:
        half = len(block) // 2
        _read_block(parsed, laid, block[:half], name)
        _read_block(parsed, laid, block[half:], name)


def _shapes(loads: Sequence[Load]) -> dict[str, list[str]]:
    """Per entity, the fields that any of its loads fills: the order of values in its parts."""
    shapes: dict[str, list[str]] = {}
    for load in loads:
        mapped = {each.name for each in load.fields}
        mapped |= _ALWAYS.get(load.entity.name, set())
        known = shapes.get(load.entity.name, [])
        shapes[load.entity.name] = [
            name for name in load.entity.fields if name in mapped or name in known
        ]
    return shapes


def _check_header(header: Sequence[str], loads: Sequence[Load], name: str) -> None:
    problems: dict[str, Problem] = {}
    for load in loads:
        for each in load.fields:
            for column in each.pattern.columns:
                told = len([1 for known in header if known == column])
                if told == 1 or column in problems:
                    continue
                used = f"{load.entity.name}.{each.name} is made of it"
                if told:
                    got, hint = f"{told} columns of that name", "name them differently"
                    code, expected = "doubled-column", "one column of that name"
                else:
                    got, code, expected = "none", "missing-column", "a column of this name"
                    listed = ", ".join(known for known in header if known)
                    hint = did_you_mean(column, header, otherwise=f"the file has {listed[:300]}")
                problem = Problem(name, 1, 0, column, code, expected, got, f"{used}; {hint}")
                problems[column] = problem
    if problems:
        raise SourceError(*problems.values())


def _read_slowly(parsed: Parsed, laid: Sequence[Laid], row: Row, name: str) -> None:
    """A row that is out of the ordinary: taken if it is sound, else rejected with all reasons."""
    parts: list[Part | None] = []
    problems: dict[tuple[int, str], Problem] = {}
    for each in laid:
        part, wrong = each.told(row.cells)
        parts.append(part)
        for cell, error, text in wrong:
            problem = _problem(name, row.line, cell, error, text)
            problems.setdefault((problem.column, problem.expected), problem)
    if not problems:
        parsed.rows.append((row.line, *parts))
        return
    parsed.rejected[row.line] = list(problems.values())
    _note_key(parsed, laid, row.cells)


def _problem(name: str, line: int, cell: Cell | None, error: BadValueError, text: str) -> Problem:
    got = error.got if isinstance(error, RowProblemError) else quoted(text)
    if cell is None:
        path = error.field if isinstance(error, RowProblemError) else ""
        return Problem(name, line, 0, path, error.code, error.expected, got, error.hint)
    path = " + ".join(cell.field.pattern.columns)
    return Problem(name, line, cell.column + 1, path, error.code, error.expected, got, error.hint)


def _note_key(parsed: Parsed, laid: Sequence[Laid], cells: Sequence[str]) -> None:
    for each in laid:
        entity = each.load.entity.name
        if entity not in _SYNCED:
            continue
        cell = next((c for c in each.cells if c.field.name == "key"), None)
        text = "" if cell is None else cells[cell.column]
        if cell is not None and cell.compose is not None:
            text = cell.compose(cells)
        if text.strip():
            parsed.rejected_keys[entity].add(text.strip())
        else:
            parsed.keyless[entity] += 1


def _reject_bad(parsed: Parsed, row: BadRow, header: Sequence[str], name: str) -> None:
    path = header[row.column - 1] if 0 < row.column <= len(header) else ""
    parsed.rejected[row.line] = [
        Problem(name, row.line, row.column, path, row.code, row.expected, row.got, row.hint)
    ]
    parsed.keyless.update(_SYNCED)

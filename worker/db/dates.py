"""Arithmetic of dates inside the database, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import Date, Float, Integer, Text
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class Days(FunctionElement[int]):
    """Whole days from the second date to the first."""

    type = Integer()
    inherit_cache = True


@compiles(Days, "postgresql")
def _days_between(element: Days, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({later} - {earlier})"


@compiles(Days, "sqlite")
def _days_julian(element: Days, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(julianday({later}) - julianday({earlier}) AS INTEGER)"


class DaysBefore(FunctionElement[date]):
    """The date so many days before a date."""

    type = Date()
    inherit_cache = True


@compiles(DaysBefore, "postgresql")
def _days_back(element: DaysBefore, compiler: SQLCompiler, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"({day} - CAST({days} AS INTEGER))"


@compiles(DaysBefore, "sqlite")
def _days_back_of_text(element: DaysBefore, compiler: SQLCompiler, **options: Any) -> str:
    day, days = (compiler.process(clause, **options) for clause in element.clauses)
    return f"date({day}, '-' || CAST({days} AS TEXT) || ' days')"


class Day(FunctionElement[date]):
    """The civil date of a moment in UTC."""

    type = Date()
    inherit_cache = True


@compiles(Day, "postgresql")
def _day_in_utc(element: Day, compiler: SQLCompiler, **options: Any) -> str:
    return f"CAST(timezone('UTC', {compiler.process(element.clauses, **options)}) AS DATE)"


@compiles(Day, "sqlite")
def _day_of_text(element: Day, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 10)"


class Seconds(FunctionElement[float]):
    """Seconds from the second moment to the first."""

    type = Float()
    inherit_cache = True


@compiles(Seconds, "postgresql")
def _seconds_between(element: Seconds, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"CAST(extract(epoch FROM {later} - {earlier}) AS FLOAT)"


@compiles(Seconds, "sqlite")
def _seconds_julian(element: Seconds, compiler: SQLCompiler, **options: Any) -> str:
    later, earlier = (compiler.process(clause, **options) for clause in element.clauses)
    return f"((julianday({later}) - julianday({earlier})) * 86400.0)"


class Month(FunctionElement[str]):
    """The month of a date: ``2026-11``."""

    type = Text()
    inherit_cache = True


@compiles(Month, "postgresql")
def _month_of_date(element: Month, compiler: SQLCompiler, **options: Any) -> str:
    return f"to_char({compiler.process(element.clauses, **options)}, 'YYYY-MM')"


@compiles(Month, "sqlite")
def _month_of_text(element: Month, compiler: SQLCompiler, **options: Any) -> str:
    return f"substr({compiler.process(element.clauses, **options)}, 1, 7)"


class Unindexed(FunctionElement[date]):
    """A date as it is, in whose index SQLite does not look: for where another one fits better."""

    type = Date()
    inherit_cache = True


@compiles(Unindexed, "postgresql")
def _as_it_is(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return str(compiler.process(element.clauses, **options))


@compiles(Unindexed, "sqlite")
def _with_a_plus(element: Unindexed, compiler: SQLCompiler, **options: Any) -> str:
    return f"+{compiler.process(element.clauses, **options)}"

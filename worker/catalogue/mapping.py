"""A source's ``load`` tables: checked once, then laid over a file's header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from worker.catalogue import numbers, values
from worker.catalogue.entities import ENTITIES, LISTED, Entity, Field
from worker.catalogue.patterns import Pattern, parse_pattern
from worker.catalogue.rules import Declared
from worker.catalogue.values import BadValueError, Convert
from worker.config.settings import SourceSettings
from worker.kernel.errors import Misfit, Problem, did_you_mean
from worker.sources.contract import Place, nowhere

_OPTIONS = ("entity", "values", "clear", "term", "same_key", "skip_blank")
_TERMS = ("renewal", "correction")
_VALUES = 'tables of words such as { status = { AAC = "cancelled" } }'
_OF_LOAD = "a field of this load"
_EXAMPLES = {"clear": "owner", "skip_blank": "account"}


class Cleared:
    """The one value that means: empty this field."""


CLEARED = Cleared()


@dataclass(frozen=True, slots=True)
class LoadField:
    """One field of a load: where its text comes from and how it becomes a value."""

    name: str
    what: Field
    pattern: Pattern
    convert: Convert | None
    foreign: Mapping[str, str]
    clears: bool


@dataclass(frozen=True, slots=True)
class Load:
    """One checked ``[[sources.NAME.load]]``."""

    entity: Entity
    fields: Sequence[LoadField]
    declared: Declared | None
    numbered: bool = False
    """Rows with one key are lines of one document, to be numbered."""
    needed: Sequence[str] = ()
    """Fields without which a row holds nothing for this load."""


def check_loads(
    name: str, source: SourceSettings, *, file: str = "config.toml", place: Place = nowhere
) -> tuple[list[Load], list[Problem]]:
    """The loads of ``[sources.name]`` and all that is wrong with them. Opens no file."""
    problems: list[Problem] = []
    loads = []
    for at, table in enumerate(source.load):
        reader = _Reader(name, source, table, at, file, place, problems)
        if (load := reader.load()) is not None:
            loads.append(load)
    if not source.load:
        hint = f"say what a row holds: [[sources.{name}.load]] with entity = …"
        line, column = place(("sources", name))
        shown = f"sources.{name}.load"
        problems.append(Misfit(file, line, column, shown, "missing", "a load", "nothing", hint))
    return loads, problems


@dataclass(slots=True)
class _Reader:
    """Reads one load table and tells what is wrong with it."""

    source_name: str
    source: SourceSettings
    table: Mapping[str, Any]
    at: int
    file: str
    place: Place
    problems: list[Problem]

    def tell(
        self, path: str | tuple[str, ...], code: str, expected: str, got: object, hint: str = ""
    ) -> None:
        """Adds a problem at ``path`` inside the table; ``got`` is shown as it was written."""
        inside = (path,) if isinstance(path, str) else path
        keys: tuple[str | int, ...] = ("sources", self.source_name, "load", self.at, *inside)
        line, column = self.place(keys)
        shown = ".".join([f"sources.{self.source_name}.load[{self.at}]", *inside])
        told, code = (repr(got), code) if got is not None else ("nothing", "missing")
        self.problems.append(Misfit(self.file, line, column, shown, code, expected, told, hint))

    def load(self) -> Load | None:
        """The load, as far as it can be made sense of."""
        named = self.table.get("entity")
        entity = ENTITIES.get(named) if isinstance(named, str) else None
        if entity is None:
            hint = did_you_mean(str(named), ENTITIES) if named is not None else ""
            self.tell("entity", "entity", LISTED, named, hint)
            return None
        self._check_keys(entity)
        clears = self._clears(entity)
        foreign = self._foreign(entity)
        named_fields = [name for name in entity.fields if name in self.table]
        made = [self._field(name, entity.fields[name], foreign, clears) for name in named_fields]
        return Load(
            entity,
            [field for field in made if field is not None],
            self._declared(),
            self._numbered(entity),
            self._fields("skip_blank", entity),
        )

    def _check_keys(self, entity: Entity) -> None:
        known = [*entity.fields, *_OPTIONS]
        for name in self.table:
            if name not in known:
                listed = f"known are {', '.join(entity.fields)}"
                hint = did_you_mean(name, known, otherwise=listed)
                self.tell(name, "unknown-field", f"a field of {entity.name}", name, hint)
        if entity.name == "answer":
            self._check_answer()
            return
        by_email = entity.name == "contact" and "email" in self.table
        if "key" not in self.table and not by_email:
            what = "key, or email" if entity.name == "contact" else "key"
            self.tell("key", "missing", what, None, "a second import knows a record by its key")

    def _check_answer(self) -> None:
        for name, what in (("score", "the score"), ("answered_on", "the day of the answer")):
            if name not in self.table:
                self.tell(name, "missing", what, None)
        if not {"account", "contact"} & {*self.table}:
            self.tell("account", "missing", "account, or contact", None, "say who answered")

    def _foreign(self, entity: Entity) -> dict[str, Mapping[str, str]]:
        given = self.table.get("values", {})
        if not isinstance(given, dict):
            self.tell("values", "type", _VALUES, given)
            return {}
        for name, words in given.items():
            if not self._is_field(name, entity):
                self.tell(("values", name), "unknown-field", _OF_LOAD, name, self._near(name))
            elif not isinstance(words, dict) or not all(isinstance(w, str) for w in words.values()):
                self.tell(("values", name), "type", _VALUES, words)
        return {name: words for name, words in given.items() if isinstance(words, dict)}

    def _clears(self, entity: Entity) -> frozenset[str]:
        given = self._fields("clear", entity)
        for name in given:
            if name in entity.fields and entity.fields[name].fixed:
                self.tell("clear", "fixed-field", "a field that may be blank", name)
        return frozenset(given)

    def _fields(self, option: str, entity: Entity) -> list[str]:
        """The fields of this load that an option lists."""
        given = self.table.get(option, [])
        if not isinstance(given, list) or not all(isinstance(name, str) for name in given):
            self.tell(option, "type", f'a list of fields such as ["{_EXAMPLES[option]}"]', given)
            return []
        for name in given:
            if not self._is_field(name, entity):
                self.tell(option, "unknown-field", _OF_LOAD, name, self._near(name))
        return [name for name in given if self._is_field(name, entity)]

    def _numbered(self, entity: Entity) -> bool:
        given = self.table.get("same_key")
        if given is None:
            return False
        if entity.name != "order":
            hint = "only orders have documents of several lines"
            self.tell("same_key", "unknown-field", f"a field of {entity.name}", "same_key", hint)
        elif given != "lines":
            hint = "leave it out where each row has a key of its own"
            self.tell("same_key", "same-key", '"lines"', given, hint)
        return bool(given == "lines")

    def _is_field(self, name: str, entity: Entity) -> bool:
        return name in entity.fields and name in self.table

    def _near(self, name: str) -> str:
        return did_you_mean(name, [key for key in self.table if key not in _OPTIONS])

    def _declared(self) -> Declared | None:
        given = self.table.get("term", self.source.term)
        if given is not None and given not in _TERMS:
            hint = did_you_mean(str(given), _TERMS, otherwise="leave it out to tell by the dates")
            self.tell("term", "term", '"renewal" or "correction"', given, hint)
            return None
        return cast('Literal["renewal", "correction"] | None', given)

    def _field(
        self,
        name: str,
        what: Field,
        foreign: Mapping[str, Mapping[str, str]],
        clears: frozenset[str],
    ) -> LoadField | None:
        """One field, with its pattern parsed and every text that is fixed in it tried out."""
        text = self.table[name]
        if not isinstance(text, str):
            self.tell(name, "type", "text, or a pattern, in quotes", text)
            return None
        try:
            pattern = parse_pattern(text)
        except ValueError as error:
            self.tell(name, "pattern", 'a pattern such as "{column}"', text, str(error))
            return None
        convert = self._converter(what)
        own = foreign.get(name, {})
        for word, meant in own.items():
            self._try(("values", name, word), meant, convert)
        if pattern.literal:
            self._try(name, own.get(pattern.literal, pattern.literal), convert)
        return LoadField(name, what, pattern, convert, own, name in clears)

    def _converter(self, what: Field) -> Convert | None:
        """How the field's text becomes a value, in the way of writing that the source declares."""
        if what.convert == "date":
            return values.dates(self.source.date_format)
        if what.convert == "amount":
            return numbers.amounts(self.source.decimal)
        if what.convert == "count":
            return numbers.counts(self.source.decimal)
        if what.convert == "line":
            return numbers.signed(self.source.decimal, places=2)
        if what.convert == "quantity":
            return numbers.signed(self.source.decimal, places=4)
        return what.convert

    def _try(self, path: str | tuple[str, ...], text: object, convert: Convert | None) -> None:
        if convert is None or not isinstance(text, str):
            return
        try:
            convert(text)
        except BadValueError as error:
            self.tell(path, error.code, error.expected, text, error.hint)

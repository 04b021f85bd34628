"""The JSON Schema is the one that the checks are made of, and an editor finds mistakes with it."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from worker.schedules.schema import FILE, schema_text

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads(schema_text())
TYPES = {
    "string": str,
    "number": (int, float),
    "boolean": bool,
    "array": list,
    "object": dict,
}
KNOWN = {
    "$ref", "$schema", "$defs", "title", "description", "default", "examples", "type", "enum",
    "pattern", "format", "maxLength", "properties", "required", "additionalProperties", "items",
    "minItems", "minProperties", "uniqueItems", "anyOf", "oneOf",
}  # fmt: skip


def fits(value: Any, schema: Mapping[str, Any]) -> bool:
    """The part of JSON Schema that ours uses; an unknown word fails the test."""
    assert set(schema) <= KNOWN
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rsplit("/")[-1]])
    if isinstance(value, date):
        value = value.isoformat()
    kind = schema.get("type")
    if kind and not isinstance(value, TYPES[kind]):
        return False
    if kind == "number" and isinstance(value, bool):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    return (
        all(fits_part(value, word, schema) for word in schema)
        and ("anyOf" not in schema or any(fits(value, one) for one in schema["anyOf"]))
        and ("oneOf" not in schema or sum(fits(value, one) for one in schema["oneOf"]) == 1)
    )


def fits_part(value: Any, word: str, schema: Mapping[str, Any]) -> bool:
    said = schema[word]
    if word == "pattern":
        return bool(re.search(said, value))
    if word == "maxLength":
        return len(value) <= said
    if word in ("minItems", "minProperties"):
        return len(value) >= said
    if word == "uniqueItems":
        return not said or len({json.dumps(item) for item in value}) == len(value)
    if word == "items":
        return all(fits(item, said) for item in value)
    if word == "required":
        return all(key in value for key in said)
    if word == "properties":
        return all(fits(value[key], inner) for key, inner in said.items() if key in value)
    if word == "additionalProperties":
        return said is not False or set(value) <= set(schema["properties"])
    return True


def renewal() -> dict[str, Any]:
    return tomllib.loads((ROOT / "schedules" / "renewal.toml").read_text(encoding="utf-8"))


def test_the_file_beside_the_schedules_is_up_to_date() -> None:
    committed = (ROOT / "schedules" / FILE).read_text(encoding="utf-8")
    assert committed == schema_text(), "run: perennial schema --write"


def test_the_schedule_that_comes_with_it_fits_its_schema() -> None:
    assert (ROOT / "schedules" / "renewal.toml").read_text().startswith(f"#:schema {FILE}")
    assert fits(renewal(), SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"trigger": "licence-expirey"},
        {"clas": "contractual"},
        {"steps": []},
        {"steps": [{"id": "a", "when": "7 daze", "task": "Call"}]},
        {"steps": [{"id": "a", "when": "0 days before", "task": "Call"}]},
        {"steps": [{"id": "A b", "when": "on the day", "task": "Call"}]},
        {"steps": [{"id": "a", "when": "on the day"}]},
        {"steps": [{"id": "a", "when": "on the day", "task": "Call", "email": "x"}]},
        {"calendar": {"hours": "9h"}},
        {"calendar": {"days": []}},
        {"calendar": {"days": ["monday"]}},
        {"calendar": {"holidays": "Poland"}},
        {"limits": {"valid_for": "2 business days"}},
        {"audience": [{"licence.amout": 5}]},
        {"audience": [{"licence.amount": "5"}]},
        {"audience": [{"account.segment": {"at_least": 5}}]},
        {"audience": [{"licence.auto_renew": "no"}]},
        {"name": 5},
    ],
)
def test_an_editor_finds_the_mistake(change: dict[str, Any]) -> None:
    assert not fits(renewal() | change, SCHEMA)


@pytest.mark.parametrize(
    "change",
    [
        {"steps": [{"id": "a", "when": "2 business days after", "task": "Call"}]},
        {"audience": [{"licence.amount": {"at_least": 5, "at_most": 6.5}}]},
        {"audience": [{"account.segment": ["a", "b"]}, {"account.segment": {"not": "c"}}]},
        {"calendar": {"extra_holidays": [date(2027, 5, 4)]}},
    ],
)
def test_an_editor_accepts_what_is_right(change: dict[str, Any]) -> None:
    assert fits(renewal() | change, SCHEMA)

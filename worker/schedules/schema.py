"""The JSON Schema of a schedule file, made from the same models that check it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from worker.schedules import conditions
from worker.schedules.kinds.table import NOUNS
from worker.schedules.shape import ScheduleShape

FILE = "schedule.schema.json"


class _ForEditors(GenerateJsonSchema):
    """Leaves out what says nothing to who writes TOML: null, titles, defaults that are no text."""

    def nullable_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        inner = self.generate_inner(schema["schema"])
        default = schema.get("default")
        return {**inner, "default": default} if isinstance(default, str) else inner

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema_text() -> str:
    """The schema as it stands in ``schedules/schedule.schema.json``; ends with a line break."""
    body = ScheduleShape.model_json_schema(
        by_alias=True, mode="validation", schema_generator=_ForEditors
    )
    parts = body["$defs"]
    for part in parts.values():
        part.pop("title", None)
    for kind in conditions.OPERATORS:
        parts[_name(kind)] = conditions.schema(kind)
    fields = conditions.FIELDS.items()
    parts["AudienceShape"]["properties"] = {
        name: {"$ref": f"#/$defs/{_name(kind)}"} for name, kind in fields
    }
    parts["StepShape"]["oneOf"] = [{"required": [kind]} for kind in NOUNS]
    body["properties"]["steps"]["minItems"] = 1
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **body,
        "title": "A Perennial schedule",
    }
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _name(kind: conditions.Kind) -> str:
    return f"{kind.capitalize()}Condition"


def write(folder: Path) -> Path:
    """Writes the schema beside the schedules, so that editors find it; returns its place."""
    path = folder / FILE
    path.write_text(schema_text(), encoding="utf-8")
    return path

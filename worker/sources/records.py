"""JSON to records: where the list is, and what stands in one of its elements. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from worker.kernel.errors import did_you_mean

_DEEPEST = 12
_MOST_OF_A_LIST = 20  # elements of a list inside a record that have a name of their own


class NotJsonError(ValueError):
    """Bytes that are no JSON, in words for ``got``."""


class NoPathError(LookupError):
    """A dotted path that leads nowhere: how far it went, what is there, what may be meant."""

    def __init__(self, found: str, hint: str) -> None:
        super().__init__(found)
        self.found, self.hint = found, hint


def parse(body: bytes) -> Any:
    """The value that ``body`` holds. Numbers with a fraction are exact; raises ``NotJsonError``."""
    try:
        return json.loads(
            body.removeprefix(b"\xef\xbb\xbf"),
            parse_int=_whole,
            parse_float=Decimal,
            parse_constant=_no_number,
        )
    except json.JSONDecodeError as error:
        raise NotJsonError(_nature(body, error)) from error
    except UnicodeDecodeError as error:
        raise NotJsonError(f"bytes that are not UTF-8, at byte {error.start + 1}") from error
    except RecursionError as error:
        raise NotJsonError("JSON that is nested too deeply") from error


def _whole(text: str) -> int | str:
    return int(text) if len(text) <= 30 else text


def _no_number(text: str) -> Any:
    return text  # NaN and the infinities are told of where a number is wanted


def _nature(body: bytes, error: json.JSONDecodeError) -> str:
    start = body[:500].lstrip().lower()
    if not start:
        return "an empty answer"
    if start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        return "HTML, as of a page for people or of a login"
    if start.startswith(b"<"):
        return "XML or HTML"
    return f"text that is not JSON: {error.msg}, line {error.lineno}, column {error.colno}"


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path such as ``data.items``; raises ``NoPathError``."""
    for part in path.split("."):
        if not isinstance(value, dict):
            raise NoPathError(f"{kind_of(value)} where {part!r} should be", "")
        if part not in value:
            hint = did_you_mean(part, value)
            listed = ", ".join(map(repr, list(value)[:10])) or "nothing"
            raise NoPathError(f"no {part!r} among {listed}", hint)
        value = value[part]
    return value


def kind_of(value: Any) -> str:
    """What a value is, for a message."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        keys = ", ".join(map(repr, list(value)[:10]))
        return f"an object with {keys}" if keys else "an empty object"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    if isinstance(value, str):
        return "text"
    return "true or false" if isinstance(value, bool) else "a number"


def flat(record: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The fields of a record with their dotted names: ``{"a": {"b": 1}}`` gives ``a.b``.

    A list of plain values is one field; the elements of another one are ``a.0``, ``a.1``, …
    """
    return _flat("", record, 0)


def _flat(name: str, value: Any, depth: int) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and depth < _DEEPEST:
        for key, inner in value.items():
            yield from _flat(f"{name}.{key}" if name else key, inner, depth + 1)
    elif isinstance(value, list) and any(isinstance(each, dict | list) for each in value):
        for place, inner in enumerate(value[:_MOST_OF_A_LIST] if depth < _DEEPEST else ()):
            yield from _flat(f"{name}.{place}", inner, depth + 1)
    elif not isinstance(value, dict):
        yield name, value

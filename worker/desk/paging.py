"""Pages of a list: a place in it travels in an address, and whoever changes it is told so. Pure."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import date
from typing import Any
from urllib.parse import urlencode

from worker.desk.frame import RefusedError

PAGE = 50
"""Rows of a page."""
_UNKNOWN = "The address names a place in the list that there is not. Begin at its first page."


def place(*values: Any) -> str:
    """A place in a list, as the part of an address that ``placed`` reads."""
    told = [value.isoformat() if isinstance(value, date) else value for value in values]
    return urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")


def placed(text: str, *kinds: type) -> tuple[Any, ...] | None:
    """The values of a place, each of its kind (``date``, ``int``, ``str``); ``None`` for the
    beginning. Raises ``RefusedError`` for what is none of ours."""
    if not text:
        return None
    try:
        told = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        return tuple(_read(value, kind) for value, kind in zip(told, kinds, strict=True))
    except (ValueError, TypeError, RecursionError) as error:
        raise RefusedError(400, "Not understood", _UNKNOWN) from error


def _read(value: Any, kind: type) -> Any:
    if kind is date:
        return date.fromisoformat(value)
    if type(value) is not kind:
        raise TypeError(value)
    if isinstance(value, int) and not 0 <= value < 2**63:
        raise ValueError(value)
    if isinstance(value, str) and "\0" in value.encode().decode():  # no text: a lone surrogate
        raise ValueError(value)
    return value


def address(path: str, asked: Mapping[str, object]) -> str:
    """The address of a list with these filters; those that are empty are left out."""
    kept = {name: value for name, value in asked.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(kept)}" if kept else path


def tidy(text: str, longest: int = 200) -> str:
    """What somebody typed or an address says: without blanks around it and without NUL, which
    PostgreSQL cannot be asked about."""
    return text.replace("\0", "").strip()[:longest]

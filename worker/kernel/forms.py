"""The fields of a form, as pages hand them to rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Fields = Mapping[str, Sequence[str]]
"""The fields of a form, each with all its values."""


def first(fields: Fields, name: str) -> str:
    """The first value of a field, without blanks around it; empty when there is none."""
    return next(iter(fields.get(name, ())), "").strip()

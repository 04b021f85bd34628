"""The lines of an audience: which fields there are, and what may be said of each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from worker.config.validation import Finding, UnfitError, shown
from worker.kernel.errors import did_you_mean
from worker.kernel.toml import Path_
from worker.schedules.model import Condition, Scalar

Kind = Literal["text", "number", "flag"]

# As the columns of the book are called; dates are the trigger's business.
FIELDS: dict[str, Kind] = {
    "licence.key": "text",
    "licence.product": "text",
    "licence.vendor": "text",
    "licence.quantity": "number",
    "licence.amount": "number",
    "licence.currency": "text",
    "licence.next_amount": "number",
    "licence.auto_renew": "flag",
    "licence.notice_days": "number",
    "licence.renew_url": "text",
    "licence.status": "text",
    "licence.owner": "text",
    "licence.term": "number",
    "licence.source": "text",
    "account.key": "text",
    "account.name": "text",
    "account.segment": "text",
    "account.country": "text",
    "account.timezone": "text",
    "account.language": "text",
    "account.account_manager": "text",
    "account.renewal_manager": "text",
    "account.reseller": "text",
    "account.tags": "text",
    "account.cost_to_serve": "number",
    "account.source": "text",
    "answer.score": "number",
    "answer.group": "text",  # promoter, passive, detractor
    "answer.schedule": "text",
}
OPERATORS: dict[Kind, tuple[str, ...]] = {
    "text": ("not", "like", "set"),
    "number": ("at_least", "at_most", "not", "set"),
    "flag": ("not", "set"),
}
_SAID = {
    "text": ("text", "put it in quotes"),
    "number": ("a number", "write it without quotes"),
    "flag": ("true or false", "write it without quotes"),
}


class Given(NamedTuple):
    """What stands behind one field of an audience: the conditions it came to, without the field."""

    conditions: tuple[Condition, ...]


def reader(kind: Kind) -> Any:
    """A function that reads a value, a list (any of), or a table of operators."""

    def read(value: object) -> object:
        if isinstance(value, Given):
            return value
        if not isinstance(value, dict):
            return Given((Condition("", any_of=_values(value, kind)),))
        findings = list(_wrong(value, kind))
        if findings:
            raise UnfitError(*findings)
        return Given(tuple(_conditions(value)))

    return read


def _values(value: object, kind: Kind, at: Path_ = ()) -> tuple[Scalar, ...]:
    findings = list(_misfits(value, kind, at))
    if findings:
        raise UnfitError(*findings)
    return tuple(value) if isinstance(value, list) else (value,)  # type: ignore[return-value]  # _misfits looked


def _misfits(value: object, kind: Kind, at: Path_ = ()) -> Iterator[Finding]:
    expected, hint = _SAID[kind]
    if value == []:
        yield Finding("empty", "a list that names something", "it would match nobody", at=at)
    for number, item in enumerate(value if isinstance(value, list) else [value]):
        if not _fits(item, kind):
            place = (*at, number) if isinstance(value, list) else at
            yield Finding("type", expected, hint, shown(item), place)


def _fits(value: object, kind: Kind) -> bool:
    if kind == "flag":
        return isinstance(value, bool)
    if kind == "number":
        finite = isinstance(value, int | float) and abs(value) < float("inf")
        return finite and not isinstance(value, bool)
    return isinstance(value, str)


def _wrong(table: dict[str, Any], kind: Kind) -> Iterator[Finding]:
    if not table:
        known = ", ".join(OPERATORS[kind])
        yield Finding("empty", "a condition", f"known here: {known}", "an empty table")
    for name, value in table.items():
        yield from _operand(name, value, kind)
    low, high = table.get("at_least"), table.get("at_most")
    if isinstance(low, int | float) and isinstance(high, int | float) and low > high:
        yield Finding(
            "range", f"at least {low}: nobody would match", got=shown(high), at=("at_most",)
        )
    if table.get("set") is False and len(table) > 1:
        yield Finding(
            "range", "a condition that somebody can meet", "keep 'set = false' alone", "this"
        )


def _operand(name: str, value: object, kind: Kind) -> Iterator[Finding]:
    if name not in OPERATORS[kind]:
        known = OPERATORS[kind]
        hint = did_you_mean(name, known, otherwise="known here: " + ", ".join(known))
        yield Finding("unknown-key", f"an operator for {_noun(kind)}", hint, repr(name), (name,))
    elif name == "not":
        yield from _misfits(value, kind, (name,))
    elif name == "set":
        yield from _misfits(value, "flag", (name,)) if not isinstance(value, list) else _one(name)
    elif isinstance(value, list):
        yield from _one(name)
    else:
        yield from _misfits(value, "text" if name == "like" else "number", (name,))


def _one(name: str) -> Iterator[Finding]:
    yield Finding("type", "a single value", got="a list", at=(name,))


def _noun(kind: Kind) -> str:
    return {"text": "a text", "number": "a number", "flag": "a yes-or-no field"}[kind]


def _conditions(table: dict[str, Any]) -> Iterator[Condition]:
    if "at_least" in table or "at_most" in table:
        yield Condition("", at_least=table.get("at_least"), at_most=table.get("at_most"))
    if "not" in table:
        value = table["not"]
        yield Condition("", none_of=tuple(value) if isinstance(value, list) else (value,))
    if "like" in table:
        yield Condition("", like=table["like"])
    if "set" in table:
        yield Condition("", is_set=table["set"])


def schema(kind: Kind) -> dict[str, Any]:
    """The JSON Schema of what may stand behind a field of this kind."""
    scalar = {"type": {"text": "string", "number": "number", "flag": "boolean"}[kind]}
    several = {"type": "array", "items": scalar, "minItems": 1}
    operands: dict[str, Any] = {
        "at_least": {"type": "number"},
        "at_most": {"type": "number"},
        "not": {"anyOf": [scalar, several]},
        "like": {"type": "string", "description": "* stands for anything, ? for one character"},
        "set": {"type": "boolean", "description": "whether the field has any value"},
    }
    table = {
        "type": "object",
        "properties": {name: operands[name] for name in OPERATORS[kind]},
        "additionalProperties": False,
        "minProperties": 1,
    }
    return {"anyOf": [scalar, several, table]}

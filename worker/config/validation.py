"""What pydantic finds wrong, told in the words and the places of the file that a person wrote."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Any, NamedTuple, cast, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from worker.kernel.errors import Misfit, Problem, did_you_mean, nearest
from worker.kernel.toml import Document, Path_

_PASSWORD = re.compile(r":(?!//)\S+@")
_UNQUOTE = "write it without quotes"
_TYPES = {
    "string_type": ("text", "put it in quotes"),
    "int_type": ("a whole number", _UNQUOTE),
    "int_from_float": ("a whole number", ""),
    "float_type": ("a number", _UNQUOTE),
    "bool_type": ("true or false", _UNQUOTE),
    "list_type": ("a list", 'put it in brackets, e.g. ["a", "b"]'),
    "tuple_type": ("a list", 'put it in brackets, e.g. ["a", "b"]'),
    "date_type": ("a date", "write it without quotes, e.g. 2027-05-01"),
    "date_from_datetime_inexact": ("a date", "write it without a time, e.g. 2027-05-01"),
    "dict_type": ("a table", "write [table] on a line of its own"),
    "model_type": ("a table", "write [table] on a line of its own"),
}


class Finding(NamedTuple):
    """What a validator says of a value; ``at`` leads to the part of the value that is meant."""

    code: str
    expected: str
    hint: str = ""
    got: str | None = None  # None: the value itself
    at: Path_ = ()


class UnfitError(ValueError):
    """What a validator raises; ``problems_of`` turns it into one problem for each finding."""

    def __init__(self, *findings: Finding) -> None:
        super().__init__("; ".join(finding.expected for finding in findings))
        self.findings = findings


def not_a(code: str, expected: str, hint: str = "", got: str | None = None) -> UnfitError:
    """The error of a validator with a single finding, about the whole value."""
    return UnfitError(Finding(code, expected, hint, got))


def masked(text: str) -> str:
    """``text`` with the passwords of its URLs replaced."""
    return _PASSWORD.sub(":***@", text)


def shown(value: object) -> str:
    """A value from a file or the environment, short enough for a message, without passwords."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        text = masked(value)
        return repr(text if len(text) <= 60 else text[:57] + "…")
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list" if value else "an empty list"
    return str(value)


def dotted(path: Path_) -> str:
    """``("steps", 1, "when")`` → ``steps[1].when``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def problems_of(
    error: ValidationError,
    document: Document,
    model: type[BaseModel],
    given: Mapping[Path_, str] | None = None,
) -> list[Problem]:
    """All problems of ``error``, in no particular order; see ``in_order``.

    ``given`` maps the paths of values that do not come from ``document`` to the name of their
    origin, such as an environment variable.
    """
    found: list[Problem] = []
    for details in error.errors(include_url=False):
        if details["type"] == "default_factory_not_called":
            continue  # a default that counts from a value which is wrong itself
        found.extend(_problems(cast("Mapping[str, Any]", details), document, model, given or {}))
    return found


def in_order(problems: Iterable[Problem], document: Document) -> list[Problem]:
    """Problems as they stand in the file, those from elsewhere behind; equal ones once."""
    once = dict.fromkeys(problems)
    return sorted(once, key=lambda p: (p.file != document.name, p.line, p.column))


def problem_at(
    document: Document,
    path: Path_,
    finding: Finding,
    *,
    given: Mapping[Path_, str] | None = None,
    at_key: bool = False,
) -> Misfit:
    """``finding`` at the place where ``path`` stands; ``at_key`` means the key, not its value."""
    origin = origin_of(path, given or {})
    if origin:
        file, line, column = origin, 0, 0
    else:
        file = document.name
        line, column = document.key_place(path) if at_key else document.place(path)
    return Misfit(
        file=file,
        line=line,
        column=column,
        path=dotted(path),
        code=finding.code,
        expected=finding.expected,
        got=finding.got or "",
        hint=finding.hint,
    )


def origin_of(path: Path_, given: Mapping[Path_, str]) -> str | None:
    """The origin of ``path`` or of the table that holds it, if it is not the file."""
    return next((given[path[:n]] for n in range(len(path), 0, -1) if path[:n] in given), None)


def _problems(
    details: Mapping[str, Any],
    document: Document,
    model: type[BaseModel],
    given: Mapping[Path_, str],
) -> list[Problem]:
    path = tuple(details["loc"])
    value = details["input"]
    unfit = details.get("ctx", {}).get("error")
    if isinstance(unfit, UnfitError):
        return [
            problem_at(document, (*path, *finding.at), _with_value(finding, value), given=given)
            for finding in unfit.findings
        ]
    if details["type"] == "extra_forbidden":
        finding = _unknown_key(str(path[-1]), known_keys(model, path[:-1]))
        return [problem_at(document, path, finding, given=given, at_key=True)]
    finding = _finding(details, model, path)
    if finding.code == "type" and origin_of(path, given):
        finding = finding._replace(hint="")  # quotes are a matter of the file
    return [problem_at(document, path, finding, given=given)]


def _with_value(finding: Finding, value: object) -> Finding:
    return finding if finding.got is not None else finding._replace(got=shown(value))


def _unknown_key(word: str, known: Sequence[str]) -> Finding:
    head = word[: word.find(".") + 1]  # "licence." must not lend its likeness to the rest
    tails = {key.removeprefix(head): key for key in known if key.startswith(head)}
    tails = tails or {key: key for key in known}
    near = nearest(word.removeprefix(head), tails)
    listed = "known here: " + ", ".join(tails.values()) if tails else ""
    hint = f"did you mean {tails[near]!r}?" if near else listed
    return Finding("unknown-key", "a known key", hint, repr(word))


def _finding(details: Mapping[str, Any], model: type[BaseModel], path: Path_) -> Finding:
    kind, got = details["type"], shown(details["input"])
    if kind == "missing":
        return Finding("missing", _described(model, path), got="")
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", details["ctx"]["expected"])
        return one_of(details["input"], allowed)
    if kind in _TYPES:
        expected, hint = _TYPES[kind]
        if hint == _UNQUOTE and not isinstance(details["input"], str):
            hint = ""
        if kind == "list_type" and _holds_tables(_kind_at(model, path)):
            name = ".".join(part for part in path if isinstance(part, str))
            hint = f"write [[{name}]] with double brackets"
        return Finding("type", expected, hint, got)
    return Finding(kind, details["msg"], got="")


def one_of(value: object, allowed: Sequence[str]) -> Finding:
    """The finding that ``value`` is none of the ``allowed`` words, with the nearest as a hint."""
    listed = ", ".join(map(repr, allowed))
    hint = did_you_mean(value, allowed) if isinstance(value, str) else ""
    return Finding("word", f"one of {listed}" if len(allowed) > 1 else listed, hint, shown(value))


def _described(model: type[BaseModel], path: Path_) -> str:
    field = _field(_kind_at(model, path[:-1]), path[-1])
    return field.description if field and field.description else "a value"


def known_keys(model: type[BaseModel], path: Path_) -> list[str]:
    """The keys that may stand in the table at ``path``, in the model's order."""
    kind = _kind_at(model, path)
    if not _is_model(kind):
        return []
    return [key_of(name, field) for name, field in kind.model_fields.items()]


def _kind_at(kind: Any, path: Path_) -> Any:
    """The annotation of the value at ``path``; ``None`` where the model knows of none."""
    kind = _bare(kind)
    for part in path:
        if _is_model(kind):
            field = _field(kind, part)
            kind = _bare(field.annotation) if field else None
        elif get_origin(kind) in (list, tuple, dict):
            kind = _bare(get_args(kind)[-1 if get_origin(kind) is dict else 0])
        else:
            return None
    return kind


def _bare(kind: Any) -> Any:
    """``Annotated[X, …]`` → X; of a union, the part that has keys or elements, else the first."""
    if hasattr(kind, "__metadata__"):
        return _bare(get_args(kind)[0])
    options = [_bare(option) for option in get_args(kind) if option is not type(None)]
    if get_origin(kind) in (list, tuple, dict, None) or not options:
        return kind
    return next(
        (option for option in options if _is_model(option) or get_origin(option)), options[0]
    )


def bare_kind(model: type[BaseModel], path: Path_) -> Any:
    """The type of the setting at ``path``, without ``Annotated`` and ``None``."""
    return _kind_at(model, path)


def _holds_tables(kind: Any) -> bool:
    inner = _bare(get_args(kind)[0]) if get_args(kind) else None
    return _is_model(inner) or get_origin(inner) is dict


def key_of(name: str, field: FieldInfo) -> str:
    """The key that stands for a field in the file: its alias, else its name."""
    return field.validation_alias if isinstance(field.validation_alias, str) else name


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _field(kind: Any, key: object) -> FieldInfo | None:
    if not _is_model(kind):
        return None
    fields: dict[str, FieldInfo] = kind.model_fields
    return next((field for name, field in fields.items() if key == key_of(name, field)), None)

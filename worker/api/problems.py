"""What goes wrong with a request, told as problem details (RFC 9457): all faults at once."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from fastapi import Response
from pydantic_core import ErrorDetails

from worker.kernel.errors import Problem

PROBLEM = "application/problem+json"
_LONGEST = 200  # signs of what came that are said back


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong: where, what was expected, what came, what to do."""

    where: str
    expected: str
    got: str = ""
    hint: str = ""

    def record(self) -> dict[str, str]:
        """It as other programs read it."""
        return {
            "where": self.where,
            "expected": self.expected,
            "got": self.got[:_LONGEST],
            "hint": self.hint,
        }


class RefusedError(Exception):
    """A request that is answered with a problem. ``detail`` says what to do."""

    def __init__(
        self,
        status: int,
        detail: str,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults = status, detail, faults
        self.headers: Mapping[str, str] = headers or {}


def missing(what: str) -> RefusedError:
    """``what`` is not there: raise it."""
    return RefusedError(404, f"There is no {what}; keys are written as the book has them.")


def unfit(faults: Sequence[Fault]) -> RefusedError:
    """The request was understood and cannot be done as it is: raise it."""
    count = "1 thing is" if len(faults) == 1 else f"{len(faults)} things are"
    return RefusedError(422, f"Nothing was changed: {count} wrong with the request.", faults)


def answer(error: RefusedError) -> Response:
    """The answer that tells of it."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(error.status).phrase,
        "status": error.status,
        "detail": error.detail,
    }
    if error.faults:
        body["errors"] = [fault.record() for fault in error.faults]
    content = json.dumps(body, ensure_ascii=True).encode()
    return Response(content, error.status, headers=dict(error.headers), media_type=PROBLEM)


def of_fields(found: Iterable[ErrorDetails], place: str) -> list[Fault]:
    """What pydantic finds wrong with a body; ``place`` stands before each path."""
    return [_of_field(one, place) for one in found]


def of_parameters(found: Iterable[Any]) -> list[Fault]:
    """What FastAPI finds wrong with the address of a request."""
    return [_of_field({**one, "loc": one["loc"][1:]}, f"{one['loc'][0]}: ") for one in found]


def _of_field(one: Any, place: str) -> Fault:
    parts = [str(part) for part in one["loc"]]
    path = place + "/".join(["", *parts] if place == "body: " else parts)
    kind, given = one["type"], one.get("input")
    if kind == "extra_forbidden":
        return Fault(path, "no field of this name", "", "see /api for those that there are")
    if kind == "missing":
        return Fault(path, "a value", "nothing", "this field is needed")
    said = str(one["msg"]).removeprefix("Value error, ")
    return Fault(path, said[:1].lower() + said[1:], shown(given))


def of_rows(found: Iterable[Problem], fields: Sequence[str]) -> list[Fault]:
    """What an import of the same row would say, field by field, in the order of ``fields``."""
    place = {name: at for at, name in enumerate(fields)}
    ordered = sorted(found, key=lambda one: place.get(one.path, len(place)))
    return [Fault(f"body: /{one.path}", one.expected, one.got, _hint(one)) for one in ordered]


def _hint(problem: Problem) -> str:
    """What to do, without what is said of files and the settings that read them."""
    of_files = any(word in problem.hint for word in ("declare", "values = ", "cell", "Excel"))
    return "send it in the one way that the document names" if of_files else problem.hint


def shown(value: object) -> str:
    """What came, on one line that nothing acts on."""
    if isinstance(value, bytes | dict | list):
        return f"a {'text' if isinstance(value, bytes) else 'JSON value'} of another kind"
    return ascii(value)[:_LONGEST]

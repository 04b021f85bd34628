"""What the API can do, for programs (OpenAPI) and for people (one plain page)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from worker import __version__
from worker.api.problems import PROBLEM
from worker.api.shapes import Problem

_ABOUT = (
    "Accounts, contacts, licences, orders, decisions, mails, tasks, silent clients and reports of "
    "a Perennial instance. Keys are those of your book. Amounts are decimals as text, dates are "
    "civil dates, moments are UTC. Errors are problem details (RFC 9457) that name every fault at "
    "once."
)
_REFUSALS: Mapping[str, str] = {
    "400": "The body was cut off.",
    "401": "No token, or none that stands.",
    "403": "The token lacks the scope.",
    "404": "There is no such thing.",
    "408": "The body came too slowly.",
    "409": "It does not go together with what stands now.",
    "412": "If-Match or If-None-Match name another state.",
    "413": "The body is too large.",
    "415": "The body is no JSON.",
    "422": "Something is wrong with the request; errors names every fault.",
    "503": "The database does not answer; try again.",
}
_READS = ("401", "403", "404", "422", "503")
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request gets the same answer, for 24 hours.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_MATCH = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of what you saw: 412 when it is another one now.",
    "schema": {"type": "string"},
}


def document(routes: Sequence[APIRoute], bodies: Mapping[str, type[BaseModel]]) -> dict[str, Any]:
    """The OpenAPI document; ``bodies`` are the models that operations take, by operation."""
    made = get_openapi(
        title="Perennial", version=__version__, description=_ABOUT, routes=list(routes)
    )
    models = [(model, "validation") for model in {*bodies.values(), Problem}]
    _, shapes = models_json_schema(models, ref_template="#/components/schemas/{model}")  # type: ignore[arg-type]  # a word of two
    parts = made.setdefault("components", {})
    known = parts.setdefault("schemas", {})
    known |= shapes["$defs"]
    for unused in ("HTTPValidationError", "ValidationError"):
        known.pop(unused, None)
    parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    made["security"] = [{"token": []}]
    for path in made["paths"].values():
        for method, operation in path.items():
            _complete(method, operation, bodies.get(operation["operationId"]))
    return made


def _complete(method: str, operation: dict[str, Any], model: type[BaseModel] | None) -> None:
    answers, writes = operation["responses"], method != "get"
    for status in _REFUSALS if writes else _READS:
        schema = {"$ref": f"#/components/schemas/{Problem.__name__}"}
        said = {"description": _REFUSALS[status], "content": {PROBLEM: {"schema": schema}}}
        answers[status] = said
    if not writes:
        return
    operation.setdefault("parameters", []).extend([_KEY, _MATCH])
    if method == "put":
        answers["201"] = answers["200"] | {"description": "It is new"}
    elif "201" in answers:
        answers["200"] = answers["201"] | {"description": "It was there already"}
    if model is not None:
        schema = {"$ref": f"#/components/schemas/{model.__name__}"}
        content = {"application/json": {"schema": schema}}
        operation["requestBody"] = {"required": True, "content": content}


def page(made: Mapping[str, Any]) -> str:
    """A page that lists the operations; it needs nothing from anywhere."""
    rows = "\n".join(_rows(made))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Perennial: API</title>
</head>
<body>
<main>
<h1>API</h1>
<p>{escape(_ABOUT)}</p>
<p>Send a token with each request: <code>Authorization: Bearer prn_…</code>. Whoever runs this
instance makes one. For programs, the same in full:
<a href="/api/openapi.json">openapi.json</a>.</p>
<dl>
{rows}
</dl>
</main>
</body>
</html>
"""


def _rows(made: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in made["paths"].items():
        for method, operation in methods.items():
            names = [one["name"] for one in operation.get("parameters", []) if one["in"] == "query"]
            asks = f" ?{' '.join(names)}" if names else ""
            yield f"<dt><code>{method.upper()} {escape(path)}{escape(asks)}</code></dt>"
            yield f"<dd>{escape(operation.get('description', ''))}</dd>"

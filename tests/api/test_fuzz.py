"""Schemathesis asks the running API whatever its own document allows, and what it does not: no
answer is a server's error, and each is one that the document tells of."""

from __future__ import annotations

import time
from collections import Counter
from contextlib import suppress

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.api.conftest import Api
from worker.access.rules import Scope

EXAMPLES, LEAST = 12, 3
"""Requests for each operation; the least of them however slow the machine."""
SECONDS = 25
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("seed", [20261126])
def test_no_request_brings_the_server_down_and_every_answer_is_documented(
    api: Api, seed: int
) -> None:
    schema = schemathesis.openapi.from_url(f"{api.base}/api/openapi.json")
    headers = {"Authorization": f"Bearer {api.token(Scope.READ, Scope.WRITE)}"}
    end, asked = time.monotonic() + SECONDS, Counter[str]()
    found = [result.ok() for result in schema.get_all_operations()]
    assert len(found) >= 19
    for operation in found:

        @seeded(seed)
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @_given(operation)
        def ask(case: schemathesis.Case) -> None:
            name = case.operation.label
            if asked[name] < LEAST or time.monotonic() < end:
                response = case.call(headers=headers, timeout=60)
                case.validate_response(response, checks=CHECKS, headers=headers)
                asked[name] += 1

        ask()
    assert len(asked) == len(found)
    reader = api.reader
    assert reader.get("/licences/L-1").status_code == 200


REAL = {"key": "L-1", "number": 1, "scope": "licence"}


def _given(operation):  # type: ignore[no-untyped-def]  # a decorator of Hypothesis
    """Requests that the document allows, those that it does not, and those about real rows."""
    names = {one.name for one in operation.path_parameters}
    real = {name: value for name, value in REAL.items() if name in names}
    cases = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    if real:
        cases |= operation.as_strategy(path_parameters=real)
    with suppress(Unsatisfiable, schemathesis.errors.SchemathesisError):
        cases |= operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)
    return given(case=cases)

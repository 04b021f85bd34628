"""The examples of the page about the API run, in the order of the page, against a real book."""

from __future__ import annotations

import json
import subprocess

from tests.api.conftest import Api
from tests.test_docs import ROOT, blocks
from worker.access.rules import Scope

PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")


def script(api: Api) -> str:
    """The shell of the page, with a token and an address of ours."""
    text = "\n".join(blocks(PAGE, "shell"))
    secret = api.token(Scope.READ, Scope.WRITE)
    text = text.replace("prn_…", secret).replace("http://127.0.0.1:8000", api.base)
    return text.replace("2026-12-01", "2099-12-01").replace("2027-01-15", "2099-01-15")


def test_every_example_of_the_page_is_answered_as_it_should_be(sqlite_api: Api) -> None:
    text = script(sqlite_api)
    examples = [line for line in text.splitlines() if line.startswith("ask ")]
    assert len(examples) > 14
    shell = "set -e\n" + text.replace("\nask ", "\necho; ask ")
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines() if line]
    assert len(answers) == len(examples)
    assert [one["outcome"] for one in answers if "outcome" in one and "item" in one] == [
        "created",
        "created",
        "created",
        "renewal",
        "created",
    ]


def test_the_problem_that_the_page_shows_is_the_one_that_comes(sqlite_api: Api) -> None:
    (shown,) = blocks(PAGE, "json")
    sent = {"expires_on": "31/12/2027", "currency": "EURO"}
    answer = sqlite_api.writer.put("/licences/L-1", json=sent)
    assert answer.json() == json.loads(shown)


def test_every_operation_is_on_the_page(sqlite_api: Api) -> None:
    document = sqlite_api.reader.get(f"{sqlite_api.base}/api/openapi.json").json()
    for path in document["paths"]:
        short = path.removeprefix("/api/v1").partition("{")[0].rstrip("/")
        assert short in PAGE, path


def test_the_document_is_a_sound_one(sqlite_api: Api) -> None:
    document = sqlite_api.reader.get(f"{sqlite_api.base}/api/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    named = set(document["components"]["schemas"])
    used = {
        part.partition('"')[0] for part in json.dumps(document).split("#/components/schemas/")[1:]
    }
    assert used <= named
    for methods in document["paths"].values():
        for method, operation in methods.items():
            assert operation["description"]
            assert ("requestBody" in operation) == (method in ("put", "post"))
            for status in ("401", "403", "422", "503"):
                assert status in operation["responses"]

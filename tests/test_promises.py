"""The page of promises: all are there, every test that it names exists, and each could fail."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "promises.md").read_text(encoding="utf-8")
SECTIONS = {
    int(number): body
    for number, body in re.findall(r"^## P(\d+)\. (.*?)(?=^## |\Z)", PAGE, re.M | re.S)
}
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
_BREAK = re.compile(r"^\| `(worker/[\w/]+\.py)` \| ([^|]+) \| ([^|]+) \|$", re.M)


@cache
def named_in(path: str) -> frozenset[str]:
    """What pytest collects from a file, without the cases of parameters."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    found = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return frozenset(name for name in found if name.startswith(("test_", "Test")))


def test_all_promises_are_there_in_order() -> None:
    assert list(SECTIONS) == list(range(1, 22))


@pytest.mark.parametrize("number", SECTIONS)
def test_every_promise_is_proven_by_tests_that_exist_or_says_that_it_is_not(number: int) -> None:
    named = _TEST.findall(SECTIONS[number])
    assert named or "Not proven" in SECTIONS[number]
    for path, name in named:
        assert (ROOT / path).is_file(), path
        assert name in named_in(path), f"{path}::{name}"


@pytest.mark.parametrize("number", SECTIONS)
def test_every_promise_was_broken_on_purpose_and_a_test_of_it_failed(number: int) -> None:
    broken = _BREAK.findall(SECTIONS[number])
    assert broken or "Not proven" in SECTIONS[number]
    for path, change, failed in broken:
        assert (ROOT / path).is_file(), path
        assert change.strip()
        assert _TEST.fullmatch(failed.strip()), failed


def test_whatever_is_not_proven_stands_in_the_list_at_the_top() -> None:
    top = PAGE.partition("\n## ")[0]
    said = {int(number) for number in re.findall(r"\[P(\d+)\]", top)}
    assert said == {number for number, body in SECTIONS.items() if "Not proven" in body}

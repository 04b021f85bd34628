"""Load tables: what is wrong with them is told before any file is opened, all at once."""

from __future__ import annotations

from typing import Any

import pytest

from worker.catalogue.mapping import check_loads
from worker.catalogue.patterns import parse_pattern
from worker.config.settings import SourceSettings

ENTITIES_SAID = "account, contact, licence, order, staff or answer"


def told(*loads: dict[str, Any], **settings: Any) -> list[str]:
    source = SourceSettings(kind="csv", path="x.csv", load=list(loads), **settings)
    return [str(problem).removeprefix("config.toml: ") for problem in check_loads("s", source)[1]]


def test_a_sound_load_has_no_problems() -> None:
    loads, problems = check_loads(
        "s",
        SourceSettings(
            kind="csv",
            path="x.csv",
            term="renewal",
            load=[
                {
                    "entity": "licence",
                    "key": "{a}-{b}",
                    "expires_on": "{end}",
                    "status": "{s}",
                    "values": {"status": {"AAC": "cancelled"}},
                    "owner": "{o}",
                    "clear": ["owner"],
                }
            ],
        ),
    )
    assert problems == []
    assert loads[0].declared == "renewal"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    assert told(
        {
            "entity": "licence",
            "expiry": "{end}",
            "expires_on": 5,
            "status": "runing",
            "owner": "{o",
            "values": {"statu": {"A": "active"}, "status": {"A": "gone"}},
            "clear": ["ownr", "status"],
            "term": "renew",
        },
        {"entity": "licenze"},
        {"key": "{a}"},
        {"entity": "contact", "account": "{a}", "timezone": "{z}"},
        {"entity": "account", "key": "{a}", "timezone": "CET", "clear": "x", "values": "y"},
    ) == [
        "sources.s.load[0].expiry: 'expiry' is not a field of licence; did you mean 'expires_on'?",
        "sources.s.load[0].key: missing; expected key; a second import knows a record by its key",
        "sources.s.load[0].clear: 'ownr' is not a field of this load; did you mean 'owner'?",
        "sources.s.load[0].clear: 'status' is not a field that may be blank",
        "sources.s.load[0].values.statu: 'statu' is not a field of this load; "
        "did you mean 'status'?",
        "sources.s.load[0].values.status.A: 'gone' is not active, cancelled or ended; "
        "map other words with values = { FIELD = { … } }",
        "sources.s.load[0].status: 'runing' is not active, cancelled or ended; "
        "map other words with values = { FIELD = { … } }",
        "sources.s.load[0].owner: '{o' is not a pattern such as \"{column}\"; "
        "a brace without its partner in place 1",
        "sources.s.load[0].expires_on: 5 is not text, or a pattern, in quotes",
        'sources.s.load[0].term: \'renew\' is not "renewal" or "correction"; '
        "did you mean 'renewal'?",
        f"sources.s.load[1].entity: 'licenze' is not {ENTITIES_SAID}; did you mean 'licence'?",
        f"sources.s.load[2].entity: missing; expected {ENTITIES_SAID}",
        "sources.s.load[3].timezone: 'timezone' is not a field of contact; "
        "known are key, account, email, name, role, language, opt_out",
        "sources.s.load[3].key: missing; expected key, or email; "
        "a second import knows a record by its key",
        "sources.s.load[4].clear: 'x' is not a list of fields such as [\"owner\"]",
        "sources.s.load[4].values: 'y' is not tables of words such as "
        '{ status = { AAC = "cancelled" } }',
        "sources.s.load[4].timezone: 'CET' is not a time zone such as Europe/Warsaw",
    ]


def test_a_source_without_loads_says_what_is_missing() -> None:
    assert told() == [
        "sources.s.load: missing; expected a load; "
        "say what a row holds: [[sources.s.load]] with entity = …"
    ]


def test_a_problem_stands_where_its_line_of_the_file_stands() -> None:
    source = SourceSettings(
        kind="csv", path="x", load=[{"entity": "account", "key": "{a}", "nam": "{b}"}]
    )
    places = {("sources", "s", "load", 0, "nam"): (7, 1)}
    (problem,) = check_loads("s", source, place=lambda path: places.get(path, (0, 0)))[1]
    assert str(problem) == (
        "config.toml:7:1: sources.s.load[0].nam: 'nam' is not a field of account; "
        "did you mean 'name'?"
    )


@pytest.mark.parametrize(
    ("pattern", "cells", "code", "made"),
    [
        ("{a}", ["x", "y"], False, "x"),
        ("{a} {b}", ["x", "y"], False, "x y"),
        ("{a} {b}", ["", "y"], False, "y"),
        ("{a}-{b}", ["", "y"], True, ""),
        ("{a}-{b}", [" x ", "y"], True, "x-y"),
        ("{{{a}}} 100%", ["x", ""], False, "{x} 100%"),
        ("to {a}", ["", ""], False, ""),
    ],
)
def test_patterns_put_columns_and_text_together(
    pattern: str, cells: list[str], code: bool, made: str
) -> None:
    assert parse_pattern(pattern).composer(["a", "b"], code=code)(cells) == made


@pytest.mark.parametrize("pattern", ["{", "}", "{a", "a}", "{}", "{a}}"])
def test_a_stray_brace_is_told(pattern: str) -> None:
    with pytest.raises(ValueError, match="a brace without its partner"):
        parse_pattern(pattern)


def test_options_of_orders_are_told_when_they_are_none() -> None:
    order = {"entity": "order", "key": "{a}", "account": "{c}"}
    assert told(
        order | {"same_key": "line", "skip_blank": ["acount"]},
        {"entity": "account", "key": "{a}", "same_key": "lines", "skip_blank": "key"},
        order | {"same_key": "lines", "skip_blank": ["account"]},
    ) == [
        "sources.s.load[0].same_key: 'line' is not \"lines\"; leave it out where each row has a "
        "key of its own",
        "sources.s.load[0].skip_blank: 'acount' is not a field of this load; "
        "did you mean 'account'?",
        "sources.s.load[1].same_key: 'same_key' is not a field of account; only orders have "
        "documents of several lines",
        "sources.s.load[1].skip_blank: 'key' is not a list of fields such as [\"account\"]",
    ]

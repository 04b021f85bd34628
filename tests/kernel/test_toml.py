"""Every value in a TOML file has a place, and a broken file is told in one clear sentence."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from worker.kernel.toml import Path_, Place, TomlError, parse, read

SAMPLE = """\
# a comment with [brackets] and = signs
name = "Licence renewal"
dotted . "quoted.key" = [1, 2,
  # inside
  'three' , { four = 4, five.six = "]" },
]
when = 1979-05-27 07:32:00 # a space inside a date

[calendar]
days = ["mon"]

[[steps]]
id = "one"
text = \"\"\"
several "lines" \\\"\"\"
of text\"\"\"\"
after = '''x'''

[[steps]]
id = "two"
[steps.sub]
deep = true
[[steps.rows]]
n = 1
[[steps.rows]]
n = 2
"""


def place_of(path: Path_) -> Place:
    return parse(SAMPLE.encode(), "sample.toml").place(path)


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ((), (1, 1)),
        (("name",), (2, 8)),
        (("dotted",), (3, 1)),
        (("dotted", "quoted.key"), (3, 25)),
        (("dotted", "quoted.key", 1), (3, 29)),
        (("dotted", "quoted.key", 2), (5, 3)),
        (("dotted", "quoted.key", 3), (5, 13)),
        (("dotted", "quoted.key", 3, "four"), (5, 22)),
        (("dotted", "quoted.key", 3, "five", "six"), (5, 36)),
        (("when",), (7, 8)),
        (("calendar",), (9, 1)),
        (("calendar", "days", 0), (10, 9)),
        (("steps",), (12, 1)),
        (("steps", 0), (12, 1)),
        (("steps", 0, "text"), (14, 8)),
        (("steps", 0, "after"), (17, 9)),
        (("steps", 1), (19, 1)),
        (("steps", 1, "sub", "deep"), (22, 8)),
        (("steps", 1, "rows", 1, "n"), (26, 5)),
        (("steps", 1, "unknown"), (19, 1)),
    ],
)
def test_each_kind_of_value_has_its_place(path: Path_, place: tuple[int, int]) -> None:
    assert place_of(path) == place


def test_keys_have_a_place_of_their_own() -> None:
    document = parse(SAMPLE.encode(), "sample.toml")
    assert document.key_place(("dotted", "quoted.key")) == (3, 10)
    assert document.key_place(("steps", 1, "sub")) == (21, 8)
    assert document.key_place(("calendar",)) == (9, 2)


def test_an_explicit_table_wins_over_one_that_a_longer_header_implied() -> None:
    document = parse(b"[a.b]\nx = 1\n[a]\ny = 2\n", "t.toml")
    assert document.place(("a",)) == (3, 1)
    assert document.place(("a", "b")) == (1, 1)


def test_windows_line_ends_change_no_place() -> None:
    document = parse(b'a = """x\r\ny"""\r\n\r\nb = [\r\n 1]\r\n', "t.toml")
    assert document.place(("b", 0)) == (5, 2)


# --- against tomllib, on generated documents -------------------------------------------------

_plain = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=8)
_keys = st.one_of(st.from_regex(r"[A-Za-z0-9_-]{1,4}", fullmatch=True), _plain)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _quoted(text)


_scalars = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["true", "false", "inf", "-nan", "0x1F", "1_000", "3.5e+2"]),
    st.datetimes().map(lambda moment: moment.isoformat(sep=" ", timespec="seconds")),
    st.dates().map(str),
    st.times().map(lambda moment: moment.isoformat(timespec="seconds")),
    _plain.map(_quoted),
    _plain.filter(lambda text: "'" not in text).map(lambda text: f"'{text}'"),
    _plain.map(lambda text: '"""\n' + _quoted(text)[1:-1] + '\n# [x] = ""\n"""'),
    _plain.filter(lambda t: "'" not in t).map(lambda text: f"'''{text}'\n''''"),
)
_gap = st.sampled_from(["", " ", "\t", "\n", " # ] } , = \n"])


@st.composite
def _arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    items = draw(st.lists(values, max_size=3))
    body = ",".join(draw(_gap) + item + draw(_gap) for item in items)
    return "[" + body + ("," if items and draw(st.booleans()) else "") + draw(_gap) + "]"


@st.composite
def _inline(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    pairs = draw(st.lists(st.tuples(_keys, values), max_size=3, unique_by=lambda pair: pair[0]))
    return "{ " + ", ".join(f"{_key(key)} = {value}" for key, value in pairs) + " }"


_values = st.recursive(
    _scalars, lambda inner: st.one_of(_arrays(inner), _inline(inner)), max_leaves=6
)
_paths = st.lists(_keys, min_size=1, max_size=3).map(lambda parts: " . ".join(map(_key, parts)))
_lines = st.one_of(
    st.tuples(_paths, _values).map(lambda pair: f"{pair[0]} ={pair[1]}"),
    _paths.map(lambda path: f"[ {path} ]"),
    _paths.map(lambda path: f" [[{path}]]"),
    _plain.map(lambda text: f"# {text}"),
)


def _leaves(value: Any, path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    yield path, value
    pairs = value.items() if isinstance(value, dict) else []
    pairs = enumerate(value) if isinstance(value, list) else pairs
    for key, inner in pairs:
        yield from _leaves(inner, (*path, key))


def _starts_with(text: str, value: Any) -> bool:
    """Whether some beginning of ``text`` is TOML for exactly ``value``."""
    for end in range(1, len(text) + 1):
        try:
            found = tomllib.loads(f"x = {text[:end]}")["x"]
        except (tomllib.TOMLDecodeError, IndexError):
            continue
        if repr(found) == repr(value):
            return True
    return False


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(_lines, min_size=1, max_size=7), st.sampled_from(["\n", "\r\n"]))
def test_the_text_at_a_place_begins_with_the_value(lines: list[str], newline: str) -> None:
    text = newline.join(line.replace("\n", newline) for line in lines)
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError):
        assume(False)
    document = parse(text.encode(), "generated.toml")
    assert repr(document.data) == repr(data)
    rows = text.split("\n")
    for path, value in _leaves(data):
        assert document.has(path)
        line, column = document.place(path)
        rest = "\n".join([rows[line - 1][column - 1 :], *rows[line:]])
        if rest.startswith("[") and (isinstance(value, dict) or _of_tables(value)):
            continue  # a header
        if isinstance(value, dict) and not rest.startswith("{"):
            continue  # a dotted key
        assert _starts_with(rest, value)


def _of_tables(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


# --- what a person sees -----------------------------------------------------------------------

RESAVE = "save it as 'UTF-8' (without BOM) in your editor"


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (
            b"\xef\xbb\xbfa = 1",
            f"t.toml:1:1: the file begins with a byte order mark (BOM); {RESAVE}",
        ),
        ("a = 1".encode("utf-16"), f"t.toml:1:1: the file is UTF-16, not UTF-8; {RESAVE}"),
        ("a = 1".encode("utf-16-le"), f"t.toml:1:1: the file is UTF-16, not UTF-8; {RESAVE}"),
        (b'a = 1\nb = "\xb9"', f"t.toml:2:6: byte 0xb9 is not UTF-8; {RESAVE}"),
        (
            b"a = 1\nname = Licence\n",
            "t.toml:2:8: not valid TOML: Invalid value; "
            'text stands in quotes, e.g. name = "Licence renewal"',
        ),
        (
            b"a = 1\na = 2\n",
            "t.toml:2:6: not valid TOML: Cannot overwrite a value; "
            "this key is given twice; keep one of the two",
        ),
        (
            b"a = [1,\n",
            "t.toml:2:1: not valid TOML: Invalid value; "
            "the file ends too early: a bracket or a quote is not closed",
        ),
        (
            b"a 1\n",
            "t.toml:1:3: not valid TOML: Expected '=' after a key in a key/value pair; "
            "write key = value, one a line",
        ),
        (
            b"a",
            "t.toml:1:2: not valid TOML: Expected '=' after a key in a key/value pair; "
            "write key = value, one a line",
        ),
        (b"a = " + b"[" * 5000, "t.toml:1:1: tables or arrays are nested too deeply"),
    ],
)
def test_a_broken_file_is_told_where_what_and_what_to_do(raw: bytes, message: str) -> None:
    with pytest.raises(TomlError) as caught:
        parse(raw, "t.toml")
    assert [str(problem) for problem in caught.value.problems] == [message]


def test_a_number_with_thousands_of_digits_is_refused() -> None:
    with pytest.raises(TomlError, match=r"t\.toml:1:1: .*4300 digits"):
        parse(b"a = " + b"9" * 5000, "t.toml")


def test_a_file_of_many_megabytes_is_refused_unread() -> None:
    with pytest.raises(TomlError, match="the file is 2,000,001 bytes long, more than 2,000,000"):
        parse(b"#" * 2_000_001, "t.toml")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TomlError) as caught:
        read(tmp_path / "none.toml", name="schedules/none.toml")
    assert str(caught.value.problems[0]) == (
        "schedules/none.toml: cannot be read: No such file or directory"
    )

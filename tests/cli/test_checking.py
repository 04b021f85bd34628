"""``perennial check`` and ``perennial config show``, as a person and as a program see them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from worker.cli.main import run

ROOT = Path(__file__).parents[2]
Said = pytest.CaptureFixture[str]


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    """A copy of what comes with Perennial: config.toml, schedules/ and templates/."""
    shutil.copy(ROOT / "config.toml", tmp_path)
    for folder in ("schedules", "templates"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    return tmp_path


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_what_comes_with_it_has_no_problem(instance: Path, capsys: Said) -> None:
    assert run(["--root", str(instance), "check"], {}) == 0
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "no problems\n"


def test_all_files_are_checked_at_once_without_a_database(instance: Path, capsys: Said) -> None:
    edit(instance / "config.toml", "port = 8000", "prt = 8000")
    edit(instance / "schedules/renewal.toml", "60 days before", "60 daze before")
    body = instance / "templates/renewal/grace/en/body.txt"
    body.write_text("{{ nobody }}\n" + body.read_text(encoding="utf-8"), encoding="utf-8")
    assert run(["--root", str(instance), "check"], {}) == 1
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "config.toml:16:1: web.prt: 'prt' is not a known key; did you mean 'port'?"
    assert (
        "steps[0].when: '60 daze before' is not an offset; write e.g. '7 days before'" in lines[1]
    )
    assert any(line.startswith("templates/renewal/grace/en/body.txt:1") for line in lines[2:])
    assert shown.err == f"{len(lines)} problems\n"
    assert not (instance / "var").exists()


def test_the_mapping_of_a_source_is_checked_too(instance: Path, capsys: Said) -> None:
    with (instance / "config.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[sources.x]\nkind = "cvs"\npath = "x.csv"\n[[sources.x.load]]\nentity = "acount"\n'
        )
    assert run(["--root", str(instance), "check"], {}) == 1
    first, second = capsys.readouterr().out.splitlines()
    assert "sources.x.kind: 'cvs' is not one of 'csv', 'xlsx', 'http', 'sql'; " in first
    assert first.endswith("did you mean 'csv'?")
    assert "sources.x.load[0].entity: " in second
    assert "did you mean 'account'?" in second


def test_what_a_kind_of_source_needs_is_checked_at_its_place(instance: Path, capsys: Said) -> None:
    with (instance / "config.toml").open("a", encoding="utf-8") as file:
        file.write(
            '[sources.x]\nkind = "http"\npath = "x.json"\nauth = "token"\nevery = "10 seconds"\n'
            '[[sources.x.load]]\nentity = "account"\nkey = "{a}"\n'
        )
    assert run(["--root", str(instance), "check"], {}) == 1
    told = {line.split(": ")[1]: line for line in capsys.readouterr().out.splitlines()}
    assert set(told) == {f"sources.x.{key}" for key in ("path", "url", "token", "every")}
    assert "PERENNIAL_SOURCES__X__TOKEN" in told["sources.x.token"]
    first = (instance / "config.toml").read_text(encoding="utf-8").splitlines().index("[sources.x]")
    assert told["sources.x.path"].startswith(f"config.toml:{first + 3}:8: ")
    assert told["sources.x.every"].startswith(f"config.toml:{first + 5}:9: ")


def test_problems_are_records_for_other_programs(instance: Path, capsys: Said) -> None:
    edit(instance / "schedules/renewal.toml", "60 days before", "60 daze before")
    assert run(["--root", str(instance), "check", "--json"], {}) == 1
    (record,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert list(record) == ["file", "line", "column", "path", "code", "expected", "got", "hint"]
    assert record["file"] == "schedules/renewal.toml"
    assert record["path"] == "steps[0].when"
    assert isinstance(record["column"], int)


def test_notes_are_shown_and_are_no_problem(instance: Path, capsys: Said) -> None:
    edit(instance / "schedules/renewal.toml", 'group_by = "contact"', 'group_by = "licence"')
    assert run(["--root", str(instance), "check"], {}) == 0
    said = "limits.gather: licences are gathered only where group_by is 'contact'"
    assert said in capsys.readouterr().out


def test_config_show_says_where_each_setting_comes_from(instance: Path, capsys: Said) -> None:
    environ = {
        "PERENNIAL_DATABASE__URL": "postgresql://ann:hunter2@db/p",
        "PERENNIAL_WEB__METRICS_TOKEN": "0f" * 16,
    }
    args = ["--root", str(instance), "--set", "beat.every=1 minute", "config", "show"]
    assert run([*args, "--json"], environ) == 0
    text = capsys.readouterr().out
    shown = {record["setting"]: record for record in map(json.loads, text.splitlines())}
    assert shown["database.url"]["value"] == "postgresql://ann:***@db/p"
    assert shown["database.url"]["origin"] == "PERENNIAL_DATABASE__URL"
    assert shown["web.metrics_token"]["value"] == "***"
    assert shown["beat.every"] == {
        "setting": "beat.every",
        "value": "1 minute",
        "origin": "--set beat.every",
    }
    assert shown["web.port"]["origin"] == "config.toml:16"
    assert run(args, environ) == 0
    table = capsys.readouterr().out
    assert table.splitlines()[0].split() == ["SETTING", "VALUE", "ORIGIN"]
    for secret in ("hunter2", "0f0f"):
        assert secret not in text + table


def test_the_schema_is_printed_or_written(instance: Path, capsys: Said) -> None:
    assert run(["--root", str(instance), "schema"], {}) == 0
    printed = capsys.readouterr().out
    file = instance / "schedules/schedule.schema.json"
    file.unlink()
    assert run(["--root", str(instance), "schema", "--write"], {}) == 0
    assert file.read_text(encoding="utf-8") == printed

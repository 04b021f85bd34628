"""The door: quick help, errors in one line, and the exit code that fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import click
import pytest
from redis.exceptions import ConnectionError as RedisAway
from sqlalchemy.exc import OperationalError

from worker import __version__
from worker.cli.failures import told
from worker.cli.main import COMMANDS, run
from worker.kernel.errors import ConfigError, Problem

ROOT = Path(__file__).parents[2]
HEAVY = ("sqlalchemy", "fastapi", "pydantic", "structlog", "rich", "dramatiq", "holidays", "redis")

Said = pytest.CaptureFixture[str]


def test_help_needs_none_of_the_libraries_that_commands_need() -> None:
    asked = (
        "import sys; from worker.cli.main import run; code = run(['--help'], {}); "
        f"print([name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", asked], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert ended.stdout.splitlines()[-1] == "[] 0"


def test_help_lists_every_command_with_what_it_does(capsys: Said) -> None:
    assert run(["-h"], {}) == 0
    said = " ".join(capsys.readouterr().out.split())
    for name, (_, _, told_of) in COMMANDS.items():
        assert f"{name} {told_of}" in said


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_of_the_table_is_there(name: str) -> None:
    module, attribute, _ = COMMANDS[name]
    command = getattr(import_module(module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_the_version_is_that_of_the_package(capsys: Said) -> None:
    assert run(["--version"], {}) == 0
    assert capsys.readouterr().out == f"perennial, version {__version__}\n"


def test_python_m_worker_is_the_same_command() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "worker", "--version"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert ended.stdout == f"perennial, version {__version__}\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["chek"], "Error: there is no command 'chek'; did you mean 'check'?"),
        (["zzz"], "Error: there is no command 'zzz'; see: perennial --help"),
        (
            ["--root", "/none", "check"],
            "Error: Invalid value for '--root': Directory '/none' does not exist.",
        ),
        (
            ["--set", "web.port", "check"],
            "Error: Invalid value for '--set': 'web.port': write section.key=value, "
            "e.g. web.port=8080",
        ),
        (["check", "--jsn"], "Error: No such option '--jsn'. Did you mean '--json'?"),
    ],
)
def test_a_command_called_wrongly_says_how_and_ends_with_2(
    args: list[str], said: str, capsys: Said
) -> None:
    assert run(args, {}) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines()[-1] == said


def test_wrong_settings_end_every_command_with_3_and_no_traceback(
    tmp_path: Path, capsys: Said
) -> None:
    (tmp_path / "config.toml").write_text("[web]\nport = 'x'\n")
    assert run(["--root", str(tmp_path), "db", "current"], {"PERENNIAL_BEAT__EVRY": "1"}) == 3
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.splitlines() == [
        "config.toml:2:8: web.port: 'x' is not a whole number; write it without quotes",
        "PERENNIAL_BEAT__EVRY: no setting has this name; did you mean 'PERENNIAL_BEAT__EVERY'?",
        "2 problems in the configuration",
    ]


def test_the_root_may_come_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[web]\nport = 81\n")
    ended = subprocess.run(
        [sys.executable, "-m", "worker", "config", "show", "--json"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PERENNIAL_ROOT": str(tmp_path)},
    )
    shown = [json.loads(line) for line in ended.stdout.splitlines()]
    assert {"setting": "web.port", "value": 81, "origin": "config.toml:2"} in shown


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "worker", "schema"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""
        assert running.wait(30) in (0, 1)


# --- errors that nobody caught --------------------------------------------------------------------


def test_problems_are_told_before_the_sum_of_them(tmp_path: Path, capsys: Said) -> None:
    problem = Problem("a.csv", 3, 0, "expires_on", "date", "a date", "'soon'")
    assert told(ConfigError("1 problem", [problem]), tmp_path) == 3
    assert (
        capsys.readouterr().err == "a.csv:3: expires_on: expected a date, got 'soon'\n1 problem\n"
    )


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            OperationalError(
                "SELECT :email", {"email": "ann@example.com"}, Exception("refused\nx")
            ),
            "the database does not answer: refused",
        ),
        (
            RedisAway("Error 111 connecting to localhost:6379."),
            "Redis does not answer: Error 111 connecting to localhost:6379.",
        ),
        (
            OSError(28, "No space left on device"),
            "the output cannot be written: No space left on device",
        ),
        (PermissionError(13, "Permission denied", "/x/y"), "/x/y: Permission denied"),
    ],
)
def test_a_dependency_that_is_down_is_one_line_and_exit_code_4(
    error: Exception, said: str, tmp_path: Path, capsys: Said
) -> None:
    assert told(error, tmp_path) == 4
    assert capsys.readouterr().err == f"{said}\n"


def test_a_mistake_of_ours_is_one_line_and_a_file_that_only_its_owner_reads(
    tmp_path: Path, capsys: Said
) -> None:
    with pytest.raises(LookupError) as raised:
        raise LookupError("ann@example.com")
    assert told(raised.value, tmp_path) == 1
    (trace,) = (tmp_path / "var").glob("crash-*.log")
    assert capsys.readouterr().err == (
        f"internal error (LookupError); please report it with the details in {trace}\n"
    )
    assert "test_main.py" in trace.read_text()
    assert trace.stat().st_mode & 0o077 == 0


def test_ctrl_c_ends_a_command_quietly_with_130(tmp_path: Path, capsys: Said) -> None:
    assert told(click.exceptions.Abort(), tmp_path) == 130
    assert capsys.readouterr().err == ""


# --- completion -----------------------------------------------------------------------------------


def test_a_shell_completes_commands_without_loading_them() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "worker"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={
            **os.environ,
            "_PERENNIAL_COMPLETE": "bash_complete",
            "COMP_WORDS": "perennial re",
            "COMP_CWORD": "1",
        },
    )
    assert ended.stdout == "plain,rehearse\nplain,release\nplain,report\n"

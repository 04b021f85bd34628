"""What tests and benches leave in the temporary folders of a machine: nothing, however they end."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.folders import remove_abandoned, short_folder
from tests.servers import MissingServerError, find_redis
from tests.waiting import until

MAKES_A_FOLDER = """
import sys
from tests.folders import short_folder
print(short_folder(), flush=True)
sys.stdin.read()
"""
STARTS_A_SERVER = """
import sys
from tests.folders import short_folder
from tests.servers import Redis
server = Redis(short_folder())
server.start()
print(server.folder, server.process.pid, flush=True)
sys.stdin.read()
"""


@pytest.fixture
def machine() -> Iterator[Path]:
    """The temporary folder of a machine."""
    folder = short_folder()
    yield folder
    shutil.rmtree(folder)


@contextmanager
def run_of(program: str, machine: Path) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A run of its own, and the words that it said; killed when the block is left."""
    run = subprocess.Popen(
        [sys.executable, "-c", program],
        env=os.environ | {"TMPDIR": str(machine)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with run:
        assert run.stdout is not None
        yield run, run.stdout.readline().split()
        run.kill()


def runs(process: Path) -> bool:
    """Whether it is there, and not dead with nobody left to hear of it."""
    try:
        return (process / "stat").read_text().rpartition(") ")[2][0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_a_killed_run_left_behind_goes_when_the_next_one_starts(machine: Path) -> None:
    with run_of(MAKES_A_FOLDER, machine) as (_, said):
        folder = Path(said[0])
        (folder / "pg").mkdir()
    assert folder.parent == machine
    assert folder.exists()
    assert remove_abandoned(machine) == [folder]
    assert not folder.exists()


def test_the_folders_of_a_run_that_lives_stay(machine: Path) -> None:
    with run_of(MAKES_A_FOLDER, machine) as (_, said):
        assert remove_abandoned(machine) == []
        assert Path(said[0]).exists()


def test_a_folder_without_our_note_is_not_ours_to_remove(machine: Path) -> None:
    theirs = machine / "perennial-of-somebody"
    theirs.mkdir()
    assert remove_abandoned(machine) == []
    assert theirs.exists()


def test_a_server_that_outlived_its_run_ends_before_its_folder_goes(machine: Path) -> None:
    try:
        find_redis()
    except MissingServerError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))
    with run_of(STARTS_A_SERVER, machine) as (_, said):
        folder, server = Path(said[0]), Path("/proc") / said[1]
    assert runs(server)
    assert remove_abandoned(machine) == [folder]
    until(lambda: not runs(server), what="the end of the server")
    assert not folder.exists()

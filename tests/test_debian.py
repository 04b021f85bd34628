"""Programs from Debian's packages: brought once, without root, without touching the system."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests import debian
from tests.servers import MissingServerError


def test_a_program_of_this_machine_is_used_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "chromium"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert debian.find("chromium", tmp_path / "servers") == debian.Program(own)
    assert not (tmp_path / "servers").exists()


def test_a_mail_server_comes_with_all_that_it_needs_and_with_no_power() -> None:
    program = debian.needed("exim4")
    assert program.root is not None
    linked = subprocess.run(
        ["ldd", program.path],
        env=os.environ | program.variables,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "not found" not in linked.stdout
    powers = stat.S_ISUID | stat.S_ISGID
    assert [one for one in program.root.rglob("*") if one.lstat().st_mode & powers] == []


def test_without_packages_it_is_told_what_was_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingServerError, match=r"^exim4: not on PATH, and this machine has no"):
        debian.find("exim4", tmp_path / "servers")


def test_a_download_that_fails_leaves_nothing_behind_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "bin").mkdir()
    for name in ("apt-get", "dpkg"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho 'E: no such package' >&2\nexit 100\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    with pytest.raises(MissingServerError, match=r"apt-get failed:\nE: no such package$"):
        debian.find("exim4", tmp_path / "servers")
    assert [path.name for path in (tmp_path / "servers").iterdir()] == ["lock"]


def test_a_tree_that_lost_its_libraries_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "servers/exim4/usr/sbin").mkdir(parents=True)
    (tmp_path / "servers/exim4/usr/sbin/exim4").write_text("no program")
    monkeypatch.setattr(debian, "_bring", lambda *_: None)
    with pytest.raises(MissingServerError, match="do not run on this machine"):
        debian.find("exim4", tmp_path / "servers")

"""Commands, as people type them for a test's instance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.processes import write_config
from worker.cli.main import run

Type = Callable[..., tuple[int, str, str]]
"""Words -> the exit code, what was printed, and what was said on stderr."""


def typing_in(root: Path, database_url: str, capsys: pytest.CaptureFixture[str]) -> Type:
    """Types commands for the instance in ``root``, which gets a configuration."""
    write_config(root, database=database_url)

    def typed(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = run(["--root", str(root), *words], {})
        said = capsys.readouterr()
        return code, said.out, said.err

    return typed

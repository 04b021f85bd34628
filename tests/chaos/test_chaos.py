"""The short form of ``make chaos``: a few kills on each database, counted in the same way."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import naive
from tests.chaos.__main__ import Run, ours
from tests.chaos.count import Count

pytestmark = [
    pytest.mark.timeout(600),
    # Newer Pythons warn of forks beside threads; the child only works and dies.
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_processes_killed_again_and_again_lose_and_double_nothing(
    backend: str, tmp_path: Path
) -> None:
    came = ours(Run(backend, 1, 1.0), tmp_path, kills=12, clients=40, faulty=0.45)
    assert came.done["kill"] >= 12
    assert came.count.is_clean, came
    assert came.count.listed <= 2  # by chance three workers die over one mail: it is set aside


def test_where_evidence_never_comes_there_is_one_copy_more_at_most_and_it_is_listed(
    tmp_path: Path,
) -> None:
    came = ours(Run("sqlite", 2, 0.5), tmp_path, kills=6, clients=30, faulty=0.45)
    assert came.count.is_clean, came


def test_the_count_sees_what_two_other_policies_do(tmp_path: Path) -> None:
    """The same provider, the same kills: else clean figures would mean little."""
    again = naive.run(tmp_path / "again", "retry anything", 1, kills=12, mails=60, faulty=0.45)
    first = naive.run(tmp_path / "first", "mark first", 1, kills=12, mails=60, faulty=0.45)
    assert (again.lost, again.doubled > 0) == (0, True)
    assert (first.lost > 0, first.doubled) == (True, 0)
    assert first.lies == first.lost
    assert isinstance(again + first, Count)

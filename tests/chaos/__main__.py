"""``make chaos``: the long form. One run for each seed and database, and one table at the end.

    make chaos                                    # ten seeds, 200 kills each, on both databases
    make chaos ARGS="--seeds 1 --kills 20"        # to see it work
    make chaos ARGS="--seed 7 --backend sqlite"   # one run again

A run is told by its seed: which process is killed when, what the provider answers to which mail,
what it tells of it. What is left of a run that broke a promise stays in the folder it names.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from tests import folders
from tests.chaos import naive
from tests.chaos.count import Count, count
from tests.chaos.storm import Storm
from tests.chaos.town import Town

BACKENDS = ("postgresql", "sqlite")


@dataclass(frozen=True)
class Run:
    """One run to do. ``policy``: ours, or the name of one to compare with."""

    backend: str
    seed: int
    evidence: float
    policy: str = ""

    @property
    def row(self) -> str:
        """The row of the table that it belongs to."""
        if self.policy:
            return f"in its place: {self.policy}"
        if self.evidence < 1:
            return f"P4, {1 - self.evidence:.0%} of the evidence lost, {self.backend}"
        return f"P1–P4, P7, P8, {self.backend}"


@dataclass(frozen=True)
class Came:
    """What came of a run; ``recovered`` is in seconds, from the last blow on."""

    run: Run
    count: Count
    done: Counter[str]
    recovered: float


def ours(run: Run, folder: Path, kills: int, clients: int, faulty: float) -> Came:
    """Our own processes through one storm."""
    town = Town(folder, run.backend, run.seed, faulty, run.evidence)
    with town.standing():
        storm = Storm(town, kills, clients)
        storm.rage()
        recovered = storm.settle()
        while town.tomorrow_is_now():  # what is sent again in doubt leaves a day later
            storm.settle()
        return Came(run, count(town, storm.renewed), storm.done, recovered)


def main() -> int:
    """Runs what the arguments ask for; 1 when a promise was broken."""
    folders.live_in_memory()
    given, outside = _given(), tempfile.gettempdir()
    with folders.living_apart():
        came = _storms(given, Path(outside))
    Console(width=None if sys.stdout.isatty() else 140).print(_table(came))
    return int(any(not one.count.is_clean for one in came if not one.run.policy))


def _storms(given: argparse.Namespace, outside: Path) -> list[Came]:
    """What came of each run. Of one that broke a promise the folder is moved ``outside``."""
    runs = list(_runs(given))
    screen = Console(stderr=True)
    came: list[Came] = []
    with Progress(console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task("storms", total=len(runs))
        for run in runs:
            folder = Path(tempfile.mkdtemp(prefix="chaos-"))
            one = _done(run, folder, given)
            came.append(one)
            screen.print(_line(one), highlight=False)
            if one.count.is_clean or run.policy:
                shutil.rmtree(folder, ignore_errors=True)
            else:
                screen.print(f"left as it was: {shutil.move(folder, outside)}")
            bar.advance(task)
    return came


def _done(run: Run, folder: Path, given: argparse.Namespace) -> Came:
    if not run.policy:
        return ours(run, folder, given.kills, given.clients, given.faulty)
    found = naive.run(
        folder / "naive", run.policy, run.seed, given.kills, given.clients, given.faulty
    )
    return Came(run, found, Counter(kill=given.kills), 0.0)


def _given() -> argparse.Namespace:
    asked = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    asked.add_argument("--seeds", type=int, default=10)
    asked.add_argument("--seed", type=int, help="only this one")
    asked.add_argument("--backend", choices=BACKENDS)
    asked.add_argument("--kills", type=int, default=200)
    asked.add_argument("--clients", type=int, default=400)
    asked.add_argument("--faulty", type=float, default=0.45)
    asked.add_argument("--only", choices=("ours", "lost-evidence", "naive"))
    return asked.parse_args()


def _runs(given: argparse.Namespace) -> Iterator[Run]:
    seeds = [given.seed] if given.seed is not None else list(range(1, given.seeds + 1))
    backends = [given.backend] if given.backend else BACKENDS
    for evidence, name in ((1.0, "ours"), (0.9, "lost-evidence")):
        if given.only in (None, name):
            for seed in seeds:
                yield from (Run(backend, seed, evidence) for backend in backends)
    if given.only in (None, "naive"):
        for policy in naive.POLICIES:
            yield from (Run("", seed, 1.0, policy) for seed in seeds)


def _line(one: Came) -> str:
    told = {"row": one.run.row, "seed": one.run.seed, **asdict(one.count)}
    return json.dumps(told | {"recovered": round(one.recovered, 1), "done": dict(one.done)})


def _table(came: list[Came]) -> Table:
    table = Table(title="What came of it", title_justify="left")
    table.add_column("promise")
    for name in ("runs", "kills", "other blows", "mails", "lost", "doubled", "lies", "phantoms"):
        table.add_column(name, justify="right")
    table.add_column("copies, listed", justify="right")
    table.add_column("set aside", justify="right")
    table.add_column("recovered within", justify="right")
    for row in dict.fromkeys(one.run.row for one in came):
        mine = [one for one in came if one.run.row == row]
        found = sum((one.count for one in mine), Count())
        done = sum((one.done for one in mine), Counter[str]())
        slowest = max(one.recovered for one in mine)
        table.add_row(
            row,
            *map(str, (len(mine), done["kill"], done.total() - done["kill"], found.mails)),
            *map(str, (found.lost, found.doubled, found.lies, found.phantoms)),
            *map(str, (found.excused, found.listed)),
            f"{slowest:.0f} s" if slowest else "–",
        )
    return table


if __name__ == "__main__":
    sys.exit(main())

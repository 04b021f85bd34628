"""What a provider really did with each mail: written to disk before it answers.

One JSON object a line: ``mail`` (key), ``copy`` (12 digits of the address' digest), ``address``,
``message_id`` (the provider's own, or null), ``at`` (ISO 8601), ``accepted`` (bool), ``fault``.
Whoever is killed, a line that is whole is true, and a mail that was acknowledged has one.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random

from worker.kernel.clock import SystemClock

FILE = "truth.jsonl"


@dataclass(frozen=True)
class Taken:
    """One mail that a provider was asked to take, and whether it did."""

    mail: str
    copy: str
    address: str
    message_id: str | None
    at: str
    accepted: bool
    fault: str


class Truth:
    """The log of one provider, in ``folder``; goes on where an earlier one ended."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / FILE
        self._writing = threading.Lock()
        self._handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        whole = self.path.read_bytes().rpartition(b"\n")
        os.ftruncate(self._handle, len(whole[0] + whole[1]))  # half a line was never answered

    def write(
        self, mail: str, copy: str, address: str, message_id: str | None, accepted: bool, fault: str
    ) -> None:
        """Notes one mail; on disk when this returns."""
        at = SystemClock().now().isoformat()
        taken = Taken(mail, copy, address, message_id, at, accepted, fault)
        line = json.dumps(asdict(taken)).encode() + b"\n"
        with self._writing:
            os.write(self._handle, line)
            os.fsync(self._handle)

    def close(self) -> None:
        os.close(self._handle)


def read(folder: Path) -> list[Taken]:
    """Everything in the log of ``folder``, in the order in which it was done."""
    if not (folder / FILE).exists():
        return []
    whole = (folder / FILE).read_bytes().rpartition(b"\n")[0]
    return [Taken(**json.loads(line)) for line in whole.splitlines()]


def accepted(folder: Path) -> list[Taken]:
    """What was accepted: mails that are on their way, once for each line."""
    return [taken for taken in read(folder) if taken.accepted]


class Whims:
    """Which fault comes next: those of ``script`` in turn, then by chance.

    Chance depends on ``seed`` and on the mail and its attempt alone, so that workers that race
    change nothing. ``FOLDER/faulty`` with a number in it changes the rate while it runs.
    """

    def __init__(self, folder: Path, seed: int, faulty: float, faults: list[str]) -> None:
        self.script: list[str] = []
        self.faults = faults
        self._folder, self._seed, self._faulty = folder, seed, faulty
        self._tries: dict[str, int] = {}
        self._choosing = threading.Lock()

    def next(self, about: str, among: Sequence[str] | None = None) -> str:
        """The fault of the next attempt at ``about``, or ``""`` for none.

        ``among``: those that can happen at this point; the script waits for the point that it
        names, and ``""`` in it passes the point where every mail comes by.
        """
        possible = self.faults if among is None else [one for one in self.faults if one in among]
        with self._choosing:
            if self.script:
                fits = among is None or self.script[0] in among
                return self.script.pop(0) if fits else ""
            tried = self._tries[about] = self._tries.get(about, 0) + 1
        chance = Random(f"{self._seed}:{about}:{tried}")
        return chance.choice(possible) if possible and chance.random() < self._rate() else ""

    def _rate(self) -> float:
        try:
            return float((self._folder / "faulty").read_text())
        except (OSError, ValueError):
            return self._faulty

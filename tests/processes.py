"""Commands as real processes: started, watched by their logs, told to stop, or killed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.waiting import until


@dataclass
class Process:
    """One running ``perennial`` command."""

    process: subprocess.Popen[bytes]
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """What it logged so far: one mapping an event."""
        found = []
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                found.append(json.loads(line))
        return found

    def logged(self, name: str) -> list[dict[str, Any]]:
        """The events of that name."""
        return [event for event in self.events() if event["event"] == name]

    def wait_for(self, name: str, seconds: float = 90) -> None:
        """Waits until it has logged the event ``name``; fails when it ends before."""

        def ready() -> bool:
            assert self.process.poll() is None, f"it ended:\n{self.log.read_text()}"
            return bool(self.logged(name))

        until(ready, seconds, what=f"the event {name} in {self.log.name}")

    def stop(self, seconds: float = 10) -> float:
        """Sends TERM; the seconds it took to end, which must be cleanly and in time."""
        began = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        said = self.log.read_text()
        # One that has not said a word yet is still importing: it holds nothing to hand back.
        unborn = code == -signal.SIGTERM and not said
        assert code == 0 or unborn, f"exit code {code}:\n{said[-4000:]}"
        return time.monotonic() - began

    def kill(self) -> None:
        """kill -9."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment of a child: without settings of the one who runs the tests."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PERENNIAL_")}
    return kept | {"PERENNIAL_LOG__FORMAT": "json"} | dict(extra or {})


@contextmanager
def running(
    root: Path,
    *words: str,
    name: str = "",
    env: Mapping[str, str] | None = None,
    module: str = "worker",
    first: str = "",
) -> Iterator[Process]:
    """``perennial --root ROOT WORDS…`` in a process of its own, killed when the block is left.

    Another ``module`` may stand for ``perennial``; it is given ``first`` before all else.
    """
    given = [first] if first else []
    log = root / f"{name or words[0]}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, *given, "--root", str(root), *words],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=environment(env),
        )
    started = Process(process, log)
    try:
        yield started
    finally:
        started.kill()


def free_port() -> int:
    """A port of localhost that nobody uses at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def write_config(
    root: Path, *, database: str | None = None, broker: str = "memory", beat: str = "1 second"
) -> int:
    """A ``config.toml`` for ``root`` on a free port of localhost, which it returns."""
    port = free_port()
    url = f'url = "{database}"\n' if database else ""
    (root / "config.toml").write_text(
        f"[database]\n{url}"
        f'[jobs]\nbroker = "{broker}"\n'
        f"[web]\nport = {port}\n"
        f'[beat]\nevery = "{beat}"\n'
    )
    return port

"""How much memory a whole instance takes: idle, and in a tick over a large book.

``python -m bench.memory FOLDER`` is that tick, under a clock that stands where the book wants
it; it reads sources, sweeps, foresees and proves as every tick does.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import sleep

from sqlalchemy import Engine

from bench.engine import TICK, Heartbeat
from bench.peak import watched
from tests.processes import running, write_config
from worker.bootstrap import App
from worker.kernel.clock import VirtualClock

IDLE_REACH, TICK_REACH = 160, 350


def idle(seconds: float = 15) -> float:
    """MB of ``perennial up`` and its children, after some beats in an empty instance."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_config(root)
        with running(root, "up") as up:
            up.wait_for("web.started")
            sleep(seconds)
            return sum(map(_resident, [up.process.pid, *_children(up.process.pid)]))


def _children(pid: int) -> list[int]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    found = [int(child) for child in listed]
    return found + [below for child in found for below in _children(child)]


def _resident(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (size,) = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(size) / 1024


def tick(fresh: Callable[[], Engine], count: int, due: int) -> float:
    """The peak of a tick in MB, in a process of its own, with ``due`` of ``count`` licences due."""
    engine = fresh()
    Heartbeat(engine, count, due)
    with tempfile.TemporaryDirectory() as folder:
        url = engine.url.render_as_string(hide_password=False)
        write_config(Path(folder), database=url)
        command = [sys.executable, "-m", "bench.memory", folder]
        told, peak = watched(command)
    engine.dispose()
    handled, sent = told.split()
    assert int(handled) >= due, told
    assert int(sent) >= due, told
    return peak


def _tick(root: Path) -> None:
    app = App.open(root, {}, clock=VirtualClock(TICK))
    planned, sent, _ = app.tick()
    app.close()
    print(planned, sent)


if __name__ == "__main__":
    _tick(Path(sys.argv[1]))

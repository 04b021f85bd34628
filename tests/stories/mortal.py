"""A process that ends, or stands still, at one chosen instant of planning and sending.

It does the work that it was given; the ``number``-th time that it comes to ``label`` it gets a
signal. Labels are those of the way out (claimed, started, sent, recorded, swept), ``os.link`` and
``os.remove`` for the instants before and after a mail appears in the folder, ``statement`` for the
instant before the database is asked, and ``commit`` for the one before a transaction ends.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, event

from tests.waiting import until
from worker.cadence import machine
from worker.cadence.letterhead import Letterhead
from worker.cadence.library import Defaults
from worker.cadence.machine import Machine
from worker.channels.folder import FolderChannel
from worker.db.engine import make_engine
from worker.kernel.clock import Clock, SystemClock

Pause = Callable[[str], None]
Work = Callable[[Engine, Pause], None]
"""What a process does, on an engine of its own; it says where it is."""


def a_machine(
    engine: Engine, folder: Path, clock: Clock, lease: float = 1, pause: Pause = lambda label: None
) -> Machine:
    """The production machine; only ``pause`` and the clock are chosen."""
    return machine.build(
        engine,
        clock,
        FolderChannel(folder),
        defaults=Defaults(),
        letterhead=Letterhead("Renewals <renewals@example.com>"),
        lease=timedelta(seconds=lease),
        pause=pause,
    )


def finish(built: Machine) -> None:
    """Does everything that is due."""
    built.sweep()
    while built.plan_batch() or built.send_batch():
        pass


def mailing(folder: Path, lease: float) -> Work:
    """The work of whoever mails into ``folder``, on the clock of the world."""
    return lambda engine, pause: finish(a_machine(engine, folder, SystemClock(), lease, pause))


@dataclass(frozen=True)
class Fate:
    """Which signal comes, and when."""

    label: str
    number: int = 1
    sign: signal.Signals = signal.SIGKILL


class Mortal:
    """The process: a fork of this one, which saves it a start of Python."""

    def __init__(self, url: str, work: Work, fate: Fate) -> None:
        self.status: int | None = None
        self.pid = os.fork()
        if self.pid == 0:
            _live(url, work, fate)

    def wait(self, seconds: float = 60) -> int:
        """Waits for its end; its exit code, or minus the signal that ended it."""
        until(lambda: self._looked_at(os.WNOHANG), seconds, what="the end of the process")
        assert self.status is not None
        return os.waitstatus_to_exitcode(self.status)

    def wait_until_it_stands_still(self, seconds: float = 60) -> None:
        """Waits for the SIGSTOP."""
        looking = os.WNOHANG | os.WUNTRACED
        until(lambda: self._looked_at(looking), seconds, what="the stop of the process")
        assert self.status is not None
        assert os.WIFSTOPPED(self.status), f"it ended before: {self.status}"
        self.status = None

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """Ends it, whatever it does."""
        if self.status is None:
            os.kill(self.pid, signal.SIGKILL)
            self.wait()

    def _looked_at(self, options: int) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, options)
            self.status = status if pid else None
        return self.status is not None


def _live(url: str, work: Work, fate: Fate) -> None:
    """The whole life of the child; it never comes back into the tests."""
    code = 1
    try:
        _run(url, work, fate)
        code = 0
    except BaseException:  # noqa: BLE001 -- told, and not let out of the child
        traceback.print_exc()
    finally:
        os._exit(code)


def _run(url: str, work: Work, fate: Fate) -> None:
    seen: Counter[str] = Counter()

    def reached(name: str, *_: object) -> None:
        if name == fate.label:
            seen[name] += 1
            if seen[name] == fate.number:
                os.kill(os.getpid(), fate.sign)

    engine = make_engine(url)
    event.listen(engine, "commit", lambda _conn: reached("commit"))
    event.listen(engine, "before_cursor_execute", lambda *_given: reached("statement"))
    sys.addaudithook(lambda name, _args: reached(name) if name.startswith("os.") else None)
    work(engine, reached)

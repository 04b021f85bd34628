"""Temporary folders that do not outlive those who made them, however these end.

Each holds a note, locked for as long as its maker lives: the lock ends with the process, also when
that is killed, and no other process can be mistaken for it. Who starts next removes what is left.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

MEMORY = Path("/dev/shm")
ROOMY = 4 * 1024**3
NOTE = "held"
PREFIX = "perennial-"
# PostgreSQL gives its shared memory back. The other might have been told to ignore what can be
# ignored, as whatever a shell started in the background is.
SERVERS = {"postgres": signal.SIGQUIT, "redis-server": signal.SIGKILL}


class NoFolderError(Exception):
    """No temporary folder will do; says what was looked for."""


def live_in_memory() -> None:
    """Has temporary files of this process and its children made in memory, where there is room.

    Tests kill processes, never the machine's power, so what is flushed to a disk proves nothing
    more; and a disk takes fifty times as long for it.
    """
    chosen = "TMPDIR" in os.environ
    if not chosen and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ROOMY:
        live_in(MEMORY)


def live_in(folder: Path) -> None:
    """Has temporary files of this process and its children made in ``folder``."""
    os.environ["TMPDIR"] = str(folder)
    tempfile.tempdir = None  # asks anew


def short_folder() -> Path:
    """A new folder that any user may enter, with a name short enough for unix sockets."""
    for base in _bases():
        if len(str(base)) < 60 and base.is_dir() and os.access(base, os.W_OK) and open_to_all(base):
            folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
            folder.chmod(0o755)
            _hold(folder)
            return folder
    raise NoFolderError("no temporary folder that other users may enter")


@contextlib.contextmanager
def living_apart() -> Iterator[None]:
    """Removes what killed runs left behind, and has all temporary files of this one in a folder
    that goes with it."""
    remove_abandoned()
    folder = short_folder()
    live_in(folder)
    try:
        yield
    finally:
        live_in(folder.parent)
        shutil.rmtree(folder, ignore_errors=True)


def remove_abandoned(*bases: Path) -> list[Path]:
    """Removes our folders whose makers are gone, once their servers have ended; which they were.

    Looks into all temporary folders unless told which. What holds no note is not ours to judge.
    """
    found = {folder for base in bases or _bases() for folder in base.glob(f"{PREFIX}*/")}
    abandoned = sorted(folder for folder in found if _is_abandoned(folder / NOTE))
    for folder in abandoned:
        _end_servers(folder)
        shutil.rmtree(folder, ignore_errors=True)
    return abandoned


def open_to_all(path: Path) -> bool:
    """Whether users other than its owner may enter it."""
    return all(place.stat().st_mode & 0o001 for place in (path, *path.parents))


def _bases() -> tuple[Path, ...]:
    return (Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp"), MEMORY)


def _hold(folder: Path) -> None:
    draft = folder / "holding"
    note = os.open(draft, os.O_WRONLY | os.O_CREAT, 0o644)  # closed by the end of this process
    fcntl.flock(note, fcntl.LOCK_EX)
    draft.rename(folder / NOTE)  # there is no note that is not locked yet


def _is_abandoned(note: Path) -> bool:
    with contextlib.suppress(OSError), note.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _end_servers(folder: Path) -> None:
    """Ends servers that go on in a folder although whoever started them is gone."""
    deadline = time.monotonic() + 10
    while (left := list(_servers_in(folder))) and time.monotonic() < deadline:
        for pid, end in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, end)
                os.kill(pid, signal.SIGCONT)  # a frozen one hears it too
        time.sleep(0.1)


def _servers_in(folder: Path) -> Iterator[tuple[int, signal.Signals]]:
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            name, where = (process / "comm").read_text().strip(), (process / "cwd").readlink()
            if name in SERVERS and where.is_relative_to(folder):
                yield int(process.name), SERVERS[name]

"""How much memory a command takes, with all that it starts."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import sleep


def watched(command: Sequence[str]) -> tuple[str, float]:
    """Runs a command; what it printed, and the sum of its processes' peaks in MB. Raises
    ``CalledProcessError`` when it ends badly.

    What the kernel tells of ended children is no use: it counts in what their parent was when they
    began, and ours has just filled a book.
    """
    peaks: dict[int, int] = {}
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, stdout=said) as process:
            while process.poll() is None:
                peaks |= dict(_peaks(process.pid))
                sleep(0.05)
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)
        said.seek(0)
        return said.read(), sum(peaks.values()) / 1024


def _peaks(pid: int) -> Iterator[tuple[int, int]]:
    """The most memory so far, in KiB, of a process and of all that it started."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    except (FileNotFoundError, ProcessLookupError):  # it has just ended
        return
    for line in status.splitlines():
        if line.startswith("VmHWM:"):
            yield pid, int(line.split()[1])
    for child in children.split():
        yield from _peaks(int(child))

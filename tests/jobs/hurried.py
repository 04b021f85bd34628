"""``perennial`` with its minutes made seconds, as a process: ``python -m tests.jobs.hurried 4 …``.

What is called a stall after three minutes is one after so many seconds, and the ping that comes
once a minute comes three times in them; a part that is silent or hangs is noticed in the same time.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta

from worker import vitals
from worker.cli.main import run
from worker.jobs import broker, watching


def main(seconds: str, *words: str) -> int:
    """Runs a command of ours in a hurry; its exit code."""
    vitals.STALLED_AFTER = timedelta(seconds=int(seconds))
    vitals.PING_EVERY = vitals.STALLED_AFTER / 3
    broker.NOTE_EVERY_SECONDS = 0.5
    watching.LOOK_EVERY_SECONDS = 0.5
    watching.HUNG_SECONDS = float(seconds)
    return run(list(words), dict(os.environ))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

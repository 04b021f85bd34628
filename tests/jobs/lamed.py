"""``perennial`` whose listener for the bell ``plan`` dies: ``python -m tests.jobs.lamed …``."""

from __future__ import annotations

import os
import sys

from worker.cli.main import run
from worker.jobs import broker, watching


class _Lamed(broker._Broker):
    @property
    def consumer_class(self):  # type: ignore[no-untyped-def]
        class Dying(super().consumer_class):  # type: ignore[misc]
            def __next__(self):  # type: ignore[no-untyped-def]
                if self.queue_name == "plan":
                    raise SystemExit
                return super().__next__()

        return Dying


if __name__ == "__main__":
    broker._Broker = _Lamed  # type: ignore[misc]
    watching.LOOK_EVERY_SECONDS = 0.2
    sys.exit(run(sys.argv[1:], dict(os.environ)))

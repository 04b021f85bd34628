"""Ten schedulers and jobs that come five times make no difference (P7); a rolling restart under
load abandons no claim (P18). The evidence is the folder of mails."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from tests.processes import running
from tests.stories.instance import Instance, Ledger, account_for, many
from tests.waiting import until
from worker.bootstrap import App
from worker.db.engine import make_engine
from worker.jobs.broker import brokered, ring
from worker.jobs.scheduler import beating
from worker.jobs.worker import working

pytestmark = pytest.mark.timeout(900)

MAILS = 120
SOON = timedelta(seconds=0.2)


def _expected() -> set[tuple[str, str]]:
    return {(f"L-{number:04}", "heads-up") for number in range(MAILS)}


def test_ten_schedulers_and_every_job_five_times_send_each_mail_once(
    root: Path, database_url: str, redis_url: str
) -> None:
    instance = Instance(root, database=database_url, broker=redis_url, short_mails=True)
    instance.load(*many(instance, MAILS))
    done = threading.Event()
    engine = make_engine(database_url)
    with ExitStack() as stack:
        for number in range(10):
            app = App.open(root, {})
            stack.callback(app.close)
            broker = stack.enter_context(brokered(redis_url, app))
            if number < 3:
                stack.enter_context(working(app, broker))
            stack.enter_context(beating(app, broker, SOON))

        def double() -> None:
            while not done.wait(0.02):
                for name in ("plan", "send"):
                    ring(broker, name, 5)

        doubling = threading.Thread(target=double)
        doubling.start()
        try:
            until(lambda: Ledger.of(engine).states() == {"accepted": MAILS}, 120)
        finally:
            done.set()
            doubling.join()
    account_for(engine, instance, _expected())
    engine.dispose()


def test_a_rolling_restart_under_load_stops_each_in_time_and_abandons_no_claim(
    root: Path, postgresql_url: str, redis_url: str
) -> None:
    """With a lease of an hour, whatever was abandoned would not be sent before the test ends."""
    instance = Instance(
        root, database=postgresql_url, broker=redis_url, lease="1 hour", short_mails=True
    )
    engine = make_engine(postgresql_url)
    instance.load(*many(instance, MAILS))
    with ExitStack() as stack:
        crew = {}

        def start(name: str, command: str) -> None:
            crew[name] = stack.enter_context(running(root, command, name=name))

        start("scheduler", "scheduler")
        start("worker-0", "worker")
        for life in range(1, 4):
            until(lambda life=life: len(instance.files()) >= life * 15, 90, what="some mails")
            start(f"worker-{life}", "worker")
            assert crew[f"worker-{life - 1}"].stop() < 10
        start("scheduler-2", "scheduler")
        assert crew["scheduler"].stop() < 10
        until(lambda: Ledger.of(engine).states() == {"accepted": MAILS}, 120)
        assert crew["worker-3"].stop() < 10
        assert crew["scheduler-2"].stop() < 10
    account_for(engine, instance, _expected())
    engine.dispose()

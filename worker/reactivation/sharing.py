"""A large book is judged by two processes side by side, one on each of two cores.

The verdict on a client looks at no other client, so it does not matter who makes it. The helper
takes parts of the book from its end, we from its beginning, and where we meet all is done. A helper
that comes late or dies costs nothing but its share of the time: whatever it has not told, we judge.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from multiprocessing import get_context, parent_process
from threading import Thread

from worker.reactivation.history import Book
from worker.reactivation.rules import Measure, Verdict, verdicts

WORTH_IT = 20_000
"""Accounts from which on two processes are quicker than one."""
PART = 1_000
"""Accounts that are judged at a time."""


def judged(book: Book, cut: int, by: Measure, worth_it: int = WORTH_IT) -> list[Verdict]:
    """The verdicts on all clients that have one, by account; a book of ``worth_it`` accounts or
    more is shared with another process, where there is a core for it."""
    if len(book.spans) < worth_it or _cores() < 2:
        return _judge(book, cut, by)
    # Nothing is forked: other threads of this process may hold locks.
    try:
        with ProcessPoolExecutor(1, get_context("spawn"), _make_ready) as helper:
            parts = list(book.parts(PART))
            told = [helper.submit(_judge, part, cut, by) for part in reversed(parts)]
            return _together(parts, told[::-1], cut, by)
    except OSError:  # no further process is allowed here
        return _judge(book, cut, by)


def _together(
    parts: Iterable[Book], told: Iterable[Future[list[Verdict]]], cut: int, by: Measure
) -> list[Verdict]:
    found: list[Verdict] = []
    for part, verdicts_ in zip(parts, told, strict=True):
        if verdicts_.cancel():  # the helper is not there yet
            found += _judge(part, cut, by)
            continue
        try:
            found += verdicts_.result()
        except BrokenExecutor:
            found += _judge(part, cut, by)
    return found


def _judge(part: Book, cut: int, by: Measure) -> list[Verdict]:
    return list(verdicts(part.clients(cut), by))


def _cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _make_ready() -> None:
    """Readies the helper: it keeps what it makes for a moment only, and ends with who asked it."""
    gc.disable()
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)

"""What was there when a long piece of work began is looked through again once it is over."""

from __future__ import annotations

import gc
import weakref

from worker.kernel.memory import settled


class _Ring:
    """Something that only the collector frees."""

    def __init__(self) -> None:
        self.me = self


def test_what_is_there_for_good_is_left_alone_until_the_work_is_over() -> None:
    ring = _Ring()
    gone = weakref.ref(ring)
    with settled():
        assert gc.get_freeze_count() > 0
        del ring
        gc.collect()
        assert gone() is not None
        fresh = weakref.ref(_Ring())
        gc.collect()
        assert fresh() is None
    gc.collect()
    assert gone() is None
    assert gc.get_freeze_count() == 0

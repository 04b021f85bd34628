"""What the collector of garbage need not look through again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def settled() -> Iterator[None]:
    """For a long piece of work: what is there when it begins counts as there for good. Looking
    through modules and tables would take tens of milliseconds, while somebody waits. Of several
    works, the first to end gives everything back.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()

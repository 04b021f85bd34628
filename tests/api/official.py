"""Delighted's own client for Python, as it is. It warns that Delighted is gone: that is why we are
here."""

from __future__ import annotations

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import delighted

__all__ = ["delighted"]

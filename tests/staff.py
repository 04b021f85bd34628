"""Whoever acts in tests that are not about who acts."""

from __future__ import annotations

from worker.access.audit import Actor

OFFICE = Actor("office", "command")

"""What each kind of step does: ``KIND`` of the module that bears its name, beside this one."""

from __future__ import annotations

from importlib import import_module

from worker.cadence.kinds.contract import Kind
from worker.schedules.kinds import table as named

KINDS: dict[str, Kind] = {
    name: import_module(f"worker.cadence.kinds.{name}").KIND for name in named.KINDS
}

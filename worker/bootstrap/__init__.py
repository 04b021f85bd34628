"""The wired application: configuration in, everything else out. The one room that knows everybody.

``app.py`` is the application and what it consists of, by name. How the larger parts are put
together stands in modules that are loaded when they are asked for: ``database.py``, ``wiring.py``
(the machine), ``duties.py`` (what the beat rings for), ``ties.py`` (what rooms tell each other) and
``probing.py`` (what does not answer).
"""

from worker.bootstrap.app import App

__all__ = ["App"]

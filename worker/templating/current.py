"""The templates as they lie in their folder now, for letters that no version pins.

A mail that the folder does not have is taken from those that came with this release, so that an
older folder need not be mended before a new kind of letter can leave.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import worker
from worker.templating import texts
from worker.templating.render import Renderer

_Print = tuple[tuple[str, int, int], ...]


class Current:
    """Makes a renderer of the folder ``templates`` and keeps it until a file there changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: tuple[_Print, Renderer] | None = None

    def __call__(self) -> Renderer:
        """Raises ``TemplatesError`` when a file cannot be read."""
        seen = tuple(_print(self._folder))
        if self._made is None or self._made[0] != seen:
            self._made = seen, Renderer(_together(self._folder))
        return self._made[1]


def shipped() -> Path:
    """The folder of templates that an installed package carries; in a checkout it stands beside
    the package."""
    package = Path(worker.__file__).parent
    carried = package / "cli" / "sample" / "templates"
    return carried if carried.is_dir() else package.parent / "templates"


def _print(folder: Path) -> Iterator[tuple[str, int, int]]:
    for path in texts.paths(folder):
        known = path.stat()
        yield str(path), known.st_mtime_ns, known.st_size


def _together(folder: Path) -> dict[str, str]:
    """The folder's own texts, and of the shipped ones the mails and shared files it lacks."""
    own, ours = texts.read_folder(folder), texts.read_folder(shipped())
    mails = texts.mails(own)
    lacking = {name: text for name, text in ours.items() if name.rsplit("/", 2)[0] not in mails}
    return lacking | own

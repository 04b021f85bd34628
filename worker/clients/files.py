"""The mails of an erased person that lie in the folder of the file channel."""

from __future__ import annotations

from pathlib import Path

from worker.channels.folder import FolderChannel
from worker.clients.erasing import Gone
from worker.config.settings import Settings


def clear_folder(root: Path, settings: Settings, gone: Gone) -> list[Path]:
    """Removes them; those that would not go."""
    channel = FolderChannel(root / settings.mail.file.folder)
    stuck = []
    for envelope in gone.envelopes:
        path = channel.path(envelope)
        try:
            path.unlink(missing_ok=True)
        except OSError:
            stuck.append(path)
    return stuck

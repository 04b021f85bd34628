"""The channels there are, by the name used in ``[mail] channel``, and who hears what becomes of
their mails."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from worker.channels.contract import Channel
from worker.channels.folder import FolderChannel
from worker.channels.sendgrid import SendGridChannel
from worker.channels.sendgrid_events import SendgridEar
from worker.channels.smtp import SmtpChannel
from worker.channels.told import Ear
from worker.config.settings import Settings

KINDS: dict[str, Callable[[Settings, Path], Channel]] = {
    "file": lambda settings, root: FolderChannel(root / settings.mail.file.folder),
    "smtp": lambda settings, root: SmtpChannel(settings.mail),
    "sendgrid": lambda settings, root: SendGridChannel(settings.mail),
}

EARS: dict[str, Callable[[Settings], Ear | None]] = {
    "sendgrid": lambda settings: (
        SendgridEar(settings.mail.sendgrid.event_key) if settings.mail.sendgrid.event_key else None
    ),
}
"""``None``: nothing can be heard, because the key is missing that events are verified with."""

"""The ``file`` channel: a folder of .eml files, one per mail, made whole or not at all."""

from __future__ import annotations

import os
import re
import secrets
from datetime import datetime
from pathlib import Path

from worker.channels.contract import Envelope, Mail, Outcome, Result
from worker.kernel.keys import digest

_UNSAFE = re.compile(r"[^A-Za-z0-9@.+_=-]")


class FolderChannel:
    """Writes ``FOLDER/2027-03-31/heads-up_anna@example.com_<mail key>.eml``.

    The name depends on the message alone, so a second attempt finds the first one's file. The
    file appears by a hard link, which either succeeds as a whole or fails because the mail is
    there already. That makes the folder proof of what was sent, and of what was not.
    """

    name = "file"
    burst = 50
    in_parts = False
    proves = True

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, envelope: Envelope) -> Path:
        """Where this copy of the mail lies once it has been accepted."""
        address = _UNSAFE.sub("_", envelope.address)[:120]
        if address != envelope.address:  # two addresses must never share a name
            address = f"{address[:100]}-{digest(envelope.address)[:8]}"
        name = f"{envelope.step}_{address}_{envelope.mail_key}.eml"
        return self.folder / envelope.day.isoformat() / name

    def wants_text(self, envelope: Envelope) -> bool:
        return True

    def send(self, envelope: Envelope, mail: Mail | None, now: datetime) -> Result:
        target = self.path(envelope)
        if mail is None:
            raise ValueError("the file channel writes the mail's text and was given none")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._write(target, mail.raw)
        except OSError as error:
            return Result(Outcome.NOT_SENT, detail=f"{target.parent}: {error.strerror}")
        return Result(Outcome.ACCEPTED, target.name, "" if fresh else "was already there")

    def _write(self, target: Path, raw: bytes) -> bool:
        """Makes the file; false when it was there already."""
        draft = target.parent / f".{target.name[:80]}.{secrets.token_hex(4)}"
        try:
            with draft.open("xb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            return _linked(draft, target)
        finally:
            draft.unlink(missing_ok=True)

    def evidence(self, envelope: Envelope) -> Outcome | None:
        try:
            self.path(envelope).stat()
        except FileNotFoundError:
            return Outcome.NOT_SENT
        except OSError:  # a folder that cannot be looked into proves nothing
            return None
        return Outcome.ACCEPTED

    def check(self) -> str | None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            probe = self.folder / f".probe-{secrets.token_hex(4)}"
            probe.write_bytes(b"")
            os.link(probe, self.folder / f"{probe.name}-linked")
            (self.folder / f"{probe.name}-linked").unlink()
            probe.unlink()
        except OSError as error:
            return f"mail.file.folder: {self.folder} cannot be written to: {error.strerror}"
        return None

    def close(self) -> None:
        pass  # nothing stays open


def _linked(draft: Path, target: Path) -> bool:
    try:
        os.link(draft, target)
    except FileExistsError:
        return False
    return True

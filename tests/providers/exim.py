"""A real mail server: Exim from Debian's packages, which delivers everything into a Maildir, and
sends back what is for ``gone``."""

from __future__ import annotations

import os
import pwd
import shutil
import smtplib
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.debian import Program

_CONFIG = """
primary_hostname = mail.example.com
exim_path = {program}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path = {folder}/exim.pid
daemon_smtp_ports = {port}
local_interfaces = 127.0.0.1
deliver_drop_privilege = true
host_lookup =
rfc1413_hosts =
keep_environment = LD_LIBRARY_PATH : LD_PRELOAD : NSS_WRAPPER_PASSWD : NSS_WRAPPER_GROUP
tls_advertise_hosts = *
tls_certificate = {folder}/certificate.pem
tls_privatekey = {folder}/certificate.pem
acl_smtp_rcpt = recipients
acl_smtp_data = whole
message_size_limit = 5M
smtp_accept_queue_per_connection = 0
begin acl
recipients:
  deny local_parts = nobody
       message = no such mailbox
  defer local_parts = busy
       message = mailbox busy
  accept
whole:
  deny condition = ${{if match{{$h_subject:}}{{VIRUS}}}}
       message = no such things here
  accept
begin routers
gone:
  driver = redirect
  local_parts = gone
  allow_fail
  data = :fail: no such person here
everybody:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = {folder}/mail
  create_directory
  envelope_to_add
  return_path_add
  user = Debian-exim
"""


@dataclass
class Exim:
    """One server in ``folder`` (short, new), as an unprivileged user, on a free port."""

    folder: Path
    program: Program
    certificate: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    _user: dict[str, Any] = field(default_factory=dict)

    def start(self) -> None:
        """Returns when it answers."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._lay_out()
        self.start_again()

    def start_again(self) -> None:
        """After ``stop``, on the same port with the same mails."""
        with (self.folder / "output").open("ab") as output:
            self.process = subprocess.Popen(
                [str(self._binary), "-C", str(self.folder / "exim.conf"), "-bdf", "-q1m"],
                cwd=self.folder,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **self._user,
            )
        self._wait()

    def stop(self) -> None:
        """Ends the daemon; a child that talks to somebody goes on until that is done."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(30)
            self.process = None

    def delivered(self, count: int, seconds: float = 20) -> list[bytes]:
        """The mails of the Maildir in the order of their coming, when there are ``count``."""
        deadline = time.monotonic() + seconds
        while True:
            found = sorted(
                (self.folder / "mail/new").glob("*"), key=lambda one: one.stat().st_mtime
            )
            if len(found) >= count or time.monotonic() > deadline:
                return [path.read_bytes() for path in found]
            time.sleep(0.05)

    @property
    def _root(self) -> Path:
        """Where the packages lie: copied, where only root may enter the checkout."""
        assert self.program.root is not None
        return self.folder / "root" if os.getuid() == 0 else self.program.root

    @property
    def _binary(self) -> Path:
        assert self.program.root is not None
        return self._root / self.program.path.relative_to(self.program.root)

    def _lay_out(self) -> None:
        assert self.program.root is not None
        user, group = os.getuid(), os.getgid()
        if user == 0:
            nobody = pwd.getpwnam("nobody")
            user, group = nobody.pw_uid, nobody.pw_gid
            self._user = {"user": user, "group": group, "extra_groups": []}
            shutil.copytree(self.program.root, self._root, symlinks=True)
        config = _CONFIG.format(program=self._binary, folder=self.folder, port=self.port)
        (self.folder / "exim.conf").write_text(config)
        shutil.copy(self.certificate, self.folder / "certificate.pem")
        # It knows one user by name, whom an installed one would have got from its package.
        (self.folder / "passwd").write_text(
            f"root:x:0:0::/:/bin/sh\nDebian-exim:x:{user}:{group}::/:/bin/false\n"
        )
        (self.folder / "group").write_text(f"root:x:0:\nDebian-exim:x:{group}:\n")
        for name in ("spool", "log", "mail"):
            (self.folder / name).mkdir()
        if self._user:
            for path in (self.folder, *self.folder.glob("*")):
                os.chown(path, user, group)

    def _environment(self) -> dict[str, str]:
        assert self.program.root is not None
        root, libraries = str(self.program.root), self.program.variables["LD_LIBRARY_PATH"]
        libraries = libraries.replace(root, str(self._root))
        (wrapper,) = self._root.rglob("libnss_wrapper.so")
        return {
            "PATH": os.defpath,
            "LD_LIBRARY_PATH": libraries,
            "LD_PRELOAD": str(wrapper),
            "NSS_WRAPPER_PASSWD": str(self.folder / "passwd"),
            "NSS_WRAPPER_GROUP": str(self.folder / "group"),
        }

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                smtplib.SMTP("127.0.0.1", self.port, "localhost", timeout=5).quit()
            except OSError as error:
                assert self.process is not None
                if self.process.poll() is not None or time.monotonic() > deadline:
                    said = (self.folder / "output").read_text()
                    raise RuntimeError(f"exim does not answer: {error}\n{said}") from error
                time.sleep(0.05)
            else:
                return

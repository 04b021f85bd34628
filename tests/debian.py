"""Programs that tests need, from PATH or from Debian's packages, without root.

What is not on PATH is downloaded with apt-get in folders of our own, unpacked below ``.servers/``
of the checkout and run from there; the system is read and never changed. By hand:
``python -m tests.debian exim4``.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.servers import MissingServerError

FOLDER = Path(__file__).parents[1] / ".servers"
SECONDS = 280
"""How long one step of a download may take."""

_PLACES = ("/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin")
_TRIPLETS = ("x86_64-linux-gnu", "aarch64-linux-gnu")

# The hooks of a machine may tidy its own caches.
_APT = """
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
Dir::State "{apt}/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
APT::Sandbox::User "";
APT::Install-Recommends "false";
Acquire::Languages "none";
Acquire::Retries "3";
Acquire::http::Timeout "30";
Acquire::https::Timeout "30";
Debug::NoLocking "true";
"""
_FONTS = """<fontconfig>
<dir>{root}/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>{root}/fonts</cachedir>
</fontconfig>
"""


@dataclass(frozen=True, slots=True)
class Program:
    """Where a program is, and the variables that it needs beside those of the caller.

    ``root`` is the folder that it was unpacked in, ``None`` for one of this machine.
    """

    path: Path
    root: Path | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """``names`` on PATH; else ``packages``, which bring ``binary``."""

    names: Sequence[str]
    packages: Sequence[str]
    binary: str


_KNOWN = {
    # An installed one is of no use: it is set-user-ID and belongs to a user whom we are not.
    "exim4": _Wanted((), ("exim4-daemon-light", "libnss-wrapper"), "usr/sbin/exim4"),
    # The package's own /usr/bin/chromium is a script that knows absolute paths.
    "chromium": _Wanted(
        ("chromium", "chromium-browser"),
        ("chromium", "chromium-common", "fonts-dejavu-core"),
        "usr/lib/chromium/chromium",
    ),
}


def find(name: str, folder: Path = FOLDER) -> Program:
    """The program ``exim4`` or ``chromium``, brought into ``folder`` if need be.

    Raises ``MissingServerError`` that says what was looked for, and what the download said.
    """
    wanted = _KNOWN[name]
    search = os.pathsep.join([os.environ.get("PATH", ""), *_PLACES])
    for one in wanted.names:
        if installed := shutil.which(one, path=search):
            return Program(Path(installed))
    with _locked(folder):
        brought = _program(folder / name, wanted)
        if brought is None:
            _bring(name, wanted, folder)
            brought = _program(folder / name, wanted)
    if brought is None:
        raise MissingServerError(f"{name}: its packages came and do not run on this machine")
    return brought


def needed(name: str) -> Program:
    """``find`` for a test: where there is none, that is an error in CI and a skip elsewhere."""
    try:
        return find(name)
    except MissingServerError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(missing))


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One process at a time brings programs; the others find what it brought."""
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _program(root: Path, wanted: _Wanted) -> Program | None:
    """What lies in ``root``, if it is there and finds all its libraries."""
    path = root / wanted.binary
    if not path.exists():
        return None
    places = [path.parent] if path.parent.name != "sbin" else []
    for triplet in _TRIPLETS:
        for base in (root / "usr/lib" / triplet, root / "lib" / triplet):
            places += _libraries(base)
    variables = {"LD_LIBRARY_PATH": os.pathsep.join(map(str, places))}
    if (root / "fonts.conf").exists():
        variables["FONTCONFIG_FILE"] = str(root / "fonts.conf")
    linked = subprocess.run(
        ["ldd", str(path)], env=os.environ | variables, capture_output=True, text=True, check=False
    )
    if linked.returncode or "not found" in linked.stdout:
        return None
    return Program(path, root, variables)


def _libraries(base: Path) -> list[Path]:
    """``base`` and its folders of libraries, which those beside them look for by absolute paths."""
    if not base.is_dir():
        return []
    inner = sorted(one for one in base.iterdir() if one.is_dir() and any(one.glob("lib*.so*")))
    return [base, *inner]


def _bring(name: str, wanted: _Wanted, folder: Path) -> None:
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        raise MissingServerError(f"{name}: not on PATH, and this machine has no Debian packages")
    with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=folder) as work:
        config = _configured(Path(work))
        # One source of many that does not answer is no failure: the packages decide.
        _run(["apt-get", "-c", str(config), "update"], name, may_fail=True)
        asked = ["install", "--yes", "--download-only", "--reinstall", *wanted.packages]
        _run(["apt-get", "-c", str(config), *asked], name)
        root = Path(work) / "root"
        for package in sorted((Path(work) / "cache/archives").glob("*.deb")):
            _run(["dpkg", "--extract", str(package), str(root)], name)
        _made_harmless(root)
        shutil.rmtree(folder / name, ignore_errors=True)
        if (root / "usr/share/fonts").exists():
            (root / "fonts.conf").write_text(_FONTS.format(root=folder / name))
        root.rename(folder / name)


def _configured(work: Path) -> Path:
    for one in ("state/lists/partial", "cache/archives/partial", "log", "root"):
        (work / one).mkdir(parents=True)
    (work / "apt.conf").write_text(_APT.format(apt=work))
    return work / "apt.conf"


def _made_harmless(root: Path) -> None:
    """No file in a checkout may run as another user; and the owner may remove it all."""
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode & 0o777 | 0o200)


def _run(command: list[str], name: str, may_fail: bool = False) -> None:
    quiet = os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=quiet,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise MissingServerError(f"{name}: {command[0]} took longer than {SECONDS} s") from None
    if done.returncode and not may_fail:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise MissingServerError(f"{name}: not on PATH, and {command[0]} failed:\n{said}")


if __name__ == "__main__":
    print(find(sys.argv[1]))

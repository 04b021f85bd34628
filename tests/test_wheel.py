"""The wheel: built as the image builds it, it holds all that runs where there is no checkout."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from zipfile import ZipFile

import httpx
import pytest

from tests.processes import Process, environment, free_port
from tests.test_deploy import said
from worker import __version__

ROOT = Path(__file__).parents[1]

# Building and installing fetches what is in no cache yet, on machines that have other work.
pytestmark = pytest.mark.timeout(2400)


def do(*words: str | Path, cwd: Path) -> str:
    """What a program says; it must succeed. It sees no setting of the one who runs the tests."""
    told = environment()
    told.pop("PYTHONPATH", None)
    told.pop("VIRTUAL_ENV", None)
    done = subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env=told,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{words}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def uv() -> Path:
    """The program that the Makefile brings along."""
    found = shutil.which("uv", path=f"{ROOT / '.uv/bin'}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("there is no uv: run make .venv/dev.stamp")
        pytest.skip("there is no uv: run make .venv/dev.stamp")
    return Path(found)


@pytest.fixture(scope="module")
def wheel(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from the files that the image definition takes, and no other."""
    folder = tmp_path_factory.mktemp("wheel")
    for words in said("COPY"):
        *sources, target = words.split()
        if words.startswith("--from"):
            continue
        for source in sources:
            if (ROOT / source).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / source, folder / "src" / target, ignore=ignored)
            else:
                (folder / "src").mkdir(exist_ok=True)
                shutil.copy(ROOT / source, folder / "src" / target)
    do(uv, "build", "--quiet", "--wheel", "--out-dir", folder / "made", "src", cwd=folder)
    return folder / "made" / f"perennial-{__version__}-py3-none-any.whl"


@pytest.fixture(scope="module")
def perennial(uv: Path, wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, installed from the wheel into an environment that holds nothing else."""
    folder = tmp_path_factory.mktemp("installed")
    do(uv, "venv", "--quiet", "venv", cwd=folder)
    into = [uv, "pip", "install", "--quiet", "--python", folder / "venv"]
    do(*into, "--require-hashes", "-r", ROOT / "requirements.lock", cwd=folder)
    do(*into, "--no-deps", wheel, cwd=folder)
    return folder / "venv" / "bin" / "perennial"


def in_the_tree() -> set[str]:
    """Every file that an installed program may need, by its name in the wheel."""
    ours = [*(ROOT / "worker").rglob("*")]
    sample = [one for name in ("schedules", "templates") for one in (ROOT / name).rglob("*")]
    found = {
        prefix + path.relative_to(ROOT).as_posix()
        for prefix, paths in (("", ours), ("worker/cli/sample/", sample))
        for path in paths
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(found) > 300
    return found


def test_the_wheel_holds_every_file_of_the_program_and_says_what_it_needs(wheel: Path) -> None:
    about = f"perennial-{__version__}.dist-info"
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        told = archive.read(f"{about}/METADATA").decode()
    assert {name for name in names if not name.startswith(about)} == in_the_tree()
    assert {f"{about}/licenses/LICENSE", f"{about}/licenses/NOTICE"} <= names
    assert "Requires-Python: >=3.11" in told
    assert re.search(r"^Requires-Dist: authlib.*extra == 'oidc'$", told, re.M)


@contextmanager
def pages(perennial: Path, root: Path) -> Iterator[httpx.Client]:
    """A client of the pages that the installed program serves."""
    port, log = free_port(), root / "web.log"
    words = [str(perennial), "--root", str(root), "--set", f"web.port={port}", "web"]
    with log.open("wb") as out:
        process = subprocess.Popen(words, stdout=out, stderr=out, cwd=root, env=environment())
    web = Process(process, log)
    try:
        web.wait_for("web.started")
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            yield client
        web.stop()
    finally:
        web.kill()


def test_an_installed_program_shows_the_demo_and_serves_its_pages(
    perennial: Path, tmp_path: Path
) -> None:
    # One test, so that one process of a run that is spread over many installs it.
    demo = tmp_path / "var" / "demo"
    told = json.loads(do(perennial, "demo", "--once", "--json", cwd=tmp_path))
    assert told["rows"] == 200
    assert len(list((demo / "var" / "outbox").glob("*/*.eml"))) > 10
    python = perennial.with_name("python")
    where = do(python, "-c", "import worker; print(worker.__file__)", cwd=demo).strip()
    assert Path(where).is_relative_to(perennial.parents[1]), "not the checkout's"
    do(perennial, "check", cwd=demo)
    with pages(perennial, demo) as client:
        serves_staff(client)
        answer = client.get("/a/no-token", headers={"Accept-Language": "pl"})
        assert (answer.status_code, 'lang="pl"' in answer.text) == (404, True), answer.text
        assert client.get("/api/openapi.json").status_code == 200


def serves_staff(client: httpx.Client) -> None:
    """The page to sign in, with all that it looks like."""
    page = client.get("/sign-in")
    assert (page.status_code, "<h1" in page.text) == (200, True)
    looks = re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)
    assert {"css", "js"} <= {name.partition("?")[0].rpartition(".")[2] for name in looks}
    for name in looks:
        got = client.get(name)
        assert (got.status_code, len(got.content) > 100) == (200, True), name
    assert client.get("/").is_redirect, "nobody is signed in"

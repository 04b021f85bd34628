"""What runs it for good: the units, the image, the compose file name what there is."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from worker import __version__
from worker.cli.main import run
from worker.config.loading import load
from worker.config.settings import Settings

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
HARDENING = DEPLOY / "systemd" / "perennial-.service.d" / "hardening.conf"
OPERATING = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
INSTALLED = "/srv/perennial/.venv/bin/perennial"
Said = pytest.CaptureFixture[str]


def is_a_command(words: list[str], capsys: Said) -> None:
    """It is one of perennial's, options included, as its own help has it."""
    assert run([*words, "--help"], {}) == 0, words
    assert capsys.readouterr().out.startswith(f"Usage: perennial {' '.join(words)} ")


def read_unit(path: Path) -> configparser.ConfigParser:
    unit = configparser.ConfigParser(interpolation=None, strict=False, delimiters=("=",))
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # the documented way
    unit.read_string(path.read_text(encoding="utf-8"))
    return unit


# --- systemd --------------------------------------------------------------------------------------


def test_there_is_a_unit_for_every_process_that_runs_for_good() -> None:
    assert [unit.name for unit in UNITS] == [
        "perennial-scheduler.service",
        "perennial-up.service",
        "perennial-web.service",
        "perennial-worker@.service",
    ]
    assert all(f"(../deploy/systemd/{unit.name})" in OPERATING for unit in UNITS)


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_a_unit_runs_a_command_as_a_user_with_a_file_of_variables(path: Path, capsys: Said) -> None:
    service = read_unit(path)["Service"]
    program, *words = shlex.split(service["ExecStart"])
    assert program == INSTALLED
    is_a_command(words, capsys)
    assert path.name.startswith(f"perennial-{words[0]}")
    assert service["User"] == service["Group"] == "perennial"
    assert service["EnvironmentFile"] == "-/etc/perennial/environment"
    assert service["WorkingDirectory"] == "/srv/perennial"
    assert (service["Restart"], service["RestartPreventExitStatus"]) == ("on-failure", "2 3")
    assert int(service["TimeoutStopSec"]) > 10, "it ends cleanly within 10 seconds"


def test_units_may_write_where_the_settings_say_that_it_writes_and_nowhere_else() -> None:
    shut = read_unit(HARDENING)["Service"]
    assert (shut["ProtectSystem"], shut["NoNewPrivileges"]) == ("strict", "yes")
    assert shut["CapabilityBoundingSet"] == ""
    writable = [Path(one.removeprefix("-")) for one in shut["ReadWritePaths"].split()]
    assert writable == [Path("/srv/perennial/var"), Path("/srv/perennial/schedules")]
    settings = Settings()
    file = settings.database.resolved(Path("/srv/perennial")).removeprefix("sqlite:///")
    for written in (Path(file), Path("/srv/perennial") / settings.mail.file.folder):
        assert any(written.is_relative_to(folder) for folder in writable), written


def test_systemd_takes_the_units_and_finds_them_shut_in(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("this machine has no systemd-analyze; the units were read without it")
    shutil.copytree(DEPLOY / "systemd", tmp_path, dirs_exist_ok=True)
    for unit in tmp_path.glob("*.service"):
        text = unit.read_text(encoding="utf-8")
        unit.write_text(text.replace(INSTALLED, sys.executable), encoding="utf-8")
    for path in UNITS:
        asked = str(tmp_path / path.name.replace("@.", "@1."))
        ask = [analyze, "verify", "--man=no", asked]
        done = subprocess.run(ask, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, ""), path.name
    offline = [analyze, "security", "--offline=true", "--threshold=20", str(tmp_path / path.name)]
    done = subprocess.run(offline, capture_output=True, text=True, check=False)
    if "unrecognized option" not in done.stderr:
        assert done.returncode == 0, done.stdout[-2000:]


def test_the_environment_file_of_the_page_holds_settings_that_there_are(tmp_path: Path) -> None:
    (block,) = [
        body
        for body in re.findall(r"^```sh\n(.*?)^```$", OPERATING, re.M | re.S)
        if body.startswith("PERENNIAL_")
    ]
    given = dict(line.split("=", 1) for line in block.splitlines())
    settings = load(tmp_path, with_secrets(given, tmp_path)).settings
    assert settings.beat.ping_url == given["PERENNIAL_BEAT__PING_URL"]
    assert settings.web.link_key is not None


def with_secrets(given: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The same variables, with files of secrets that are there."""
    there = dict(given)
    for name, value in given.items():
        if name.endswith("_FILE"):
            secret = folder / Path(value).name
            url = "postgresql+psycopg://perennial:0f1e@postgres/perennial"
            secret.write_text(url if "DATABASE" in name else "0123456789abcdef" * 4)
            there[name] = str(secret)
    return there


# --- containers -----------------------------------------------------------------------------------

COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"].startswith("perennial:")}


def instructions() -> list[tuple[str, str]]:
    """The image definition: each instruction with its words, lines joined."""
    text = (DEPLOY / "Containerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(line.split(None, 1)[0], line.split(None, 1)[1]) for line in lines]


def said(name: str) -> list[str]:
    return [words for found, words in instructions() if found == name]


def test_the_compose_file_runs_two_workers_and_one_of_everything_else() -> None:
    assert set(SERVICES) == {"postgres", "redis", "scheduler", "worker", "web"}
    assert {name: one.get("deploy", {}).get("replicas", 1) for name, one in OURS.items()} == {
        "scheduler": 1,
        "worker": 2,
        "web": 1,
    }


@pytest.mark.parametrize("name", OURS)
def test_a_service_of_ours_runs_a_command_with_settings_that_load(
    name: str, tmp_path: Path, capsys: Said
) -> None:
    service = OURS[name]
    is_a_command(service["command"], capsys)
    assert service["image"] == f"perennial:{__version__}"
    shutil.copy(ROOT / "config.toml", tmp_path)
    settings = load(tmp_path, with_secrets(service["environment"], tmp_path)).settings
    assert settings.jobs.broker == "redis://redis:6379"
    assert settings.web.host == "0.0.0.0"
    assert set(service["depends_on"]) == {"postgres", "redis"}
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]


def test_what_services_need_of_each_other_is_there() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            assert how == {"condition": "service_healthy"}
            assert SERVICES[other]["healthcheck"]["test"], other
        for secret in service.get("secrets", ()):
            assert COMPOSE["secrets"][secret]["file"] == f"./secrets/{secret}"
        for value in service.get("environment", {}).values():
            if value.startswith("/run/secrets/"):
                assert value.removeprefix("/run/secrets/") in service["secrets"], (name, value)
        for volume in service.get("volumes", ()):
            source = volume.split(":")[0]
            in_checkout = source.startswith("../")
            assert in_checkout or source in COMPOSE["volumes"], volume
    assert set(COMPOSE["secrets"]) == {
        one for each in SERVICES.values() for one in each.get("secrets", ())
    }


def test_secrets_of_containers_are_never_committed() -> None:
    assert "deploy/secrets/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert not re.search(r'(PASSWORD|SECRET|KEY|TOKEN|DATABASE__URL)": ', json.dumps(COMPOSE))


def test_ports_are_those_of_the_settings_and_open_to_this_machine_alone() -> None:
    port = Settings().web.port
    published = {name: one["ports"] for name, one in SERVICES.items() if "ports" in one}
    assert published == {"web": [f"127.0.0.1:{port}:{port}"]}
    assert said("EXPOSE") == [str(port)]
    (health,) = said("HEALTHCHECK")
    assert f"http://127.0.0.1:{port}/healthz" in health


def test_the_image_takes_what_there_is_and_installs_the_wheel_that_is_built() -> None:
    copied = [words.split() for words in said("COPY") if not words.startswith("--from")]
    sources = [source for *found, _ in copied for source in found]
    assert [source for source in sources if not (ROOT / source).exists()] == []
    (recipe,) = [words for words in said("RUN") if "pip wheel" in words]
    (wheel,) = re.findall(r"/made/(\S+\.whl)", recipe)
    assert fnmatch.fnmatch(f"perennial-{__version__}-py3-none-any.whl", wheel)
    assert "--require-hashes -r requirements.lock" in recipe
    assert (DEPLOY / COMPOSE["x-perennial"]["build"]["context"]).resolve() == ROOT
    assert (ROOT / COMPOSE["x-perennial"]["build"]["dockerfile"]).is_file()


def test_the_image_is_small_and_its_user_has_no_power(capsys: Said) -> None:
    steps = instructions()
    last = max(index for index, (name, _) in enumerate(steps) if name == "FROM")
    final = steps[last:]
    assert steps[last][1].endswith("debian:bookworm-slim")
    assert [words for name, words in final if name == "USER"] == ["perennial"]
    installed = " ".join(words for name, words in final if name == "RUN")
    assert not re.search(r"venv|pip|gcc|build-essential|python3-dev", installed)
    assert "--uid 10001" in installed
    assert [words for name, words in final if name == "COPY"] == [
        "--from=made /opt/perennial /opt/perennial"
    ]
    assert said("ENTRYPOINT") == ['["perennial"]']
    (command,) = said("CMD")
    is_a_command(json.loads(command), capsys)


def test_the_commands_that_the_page_shows_for_containers_are_perennials(capsys: Said) -> None:
    asked = re.findall(r"run --rm web (.+)$", OPERATING, re.M)
    assert asked == ["db upgrade", "import licences", "apply"]
    for words in (["db", "upgrade"], ["import"], ["apply"]):
        assert run([*words, "--help"], {}) == 0
    capsys.readouterr()

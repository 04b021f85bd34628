"""The documents: what they show runs, what they name exists, and what exists they name."""

from __future__ import annotations

import re
import shlex
import shutil
from collections.abc import Iterator
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from importlib import import_module
from pathlib import Path

import click
import pytest

from worker.catalogue.mapping import check_loads
from worker.cli.main import COMMANDS, cli, run
from worker.config.loading import leaves, load
from worker.config.settings import EVENTS, EndpointSettings, Settings, SourceSettings
from worker.config.values import span_text
from worker.desk.writing import ROOMS
from worker.schedules.loader import load_folder
from worker.sources.declared import check_source
from worker.sources.table import KINDS

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
README = (ROOT / "README.md").read_text(encoding="utf-8")
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)#:]+)\)")

Said = pytest.CaptureFixture[str]


def blocks(text: str, kind: str) -> list[str]:
    return [body for found, body in _BLOCK.findall(text) if found == kind]


def starting(kind: str, first: str) -> str:
    """The README's block of that kind whose text starts like this."""
    (found,) = [body for body in blocks(README, kind) if body.startswith(first)]
    return found


def consoles(text: str) -> Iterator[tuple[list[str], str]]:
    """Every command of the console blocks, in words, with the output that is shown below it."""
    for block in blocks(text, "console"):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            line, _, output = part.partition("\n")
            yield shlex.split(line, comments=True), output


# --- commands -------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by its full name."""
    for name, (module, attribute, _) in COMMANDS.items():
        command = getattr(import_module(module), attribute)
        if isinstance(command, click.Group) and command.invoke_without_command:
            yield name, command
        if isinstance(command, click.Group):
            for inner, found in command.commands.items():
                yield f"{name} {inner}", found
        else:
            yield name, command


def options(command: click.Command) -> set[str]:
    """The long options of a command."""
    named = [opt for param in command.params for opt in (*param.opts, *param.secondary_opts)]
    return {opt for opt in named if opt.startswith("--")} | {"--help"}


KNOWN = {name: options(command) for name, command in commands()}


def called(text: str) -> Iterator[list[str]]:
    """Every call of perennial that a page shows, in words."""
    for words, _ in consoles(text):
        if words and Path(words[0]).name == "perennial":
            yield words[1:]
    for block in blocks(text, "cron"):
        for line in block.splitlines():
            yield shlex.split(line.partition("bin/perennial ")[2])
    for inline in re.findall(r"`perennial ([^`]+)`", _BLOCK.sub("", text)):
        yield inline.split()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_and_option_that_a_page_shows_exists(page: Path) -> None:
    for words in called(page.read_text(encoding="utf-8")):
        rest = list(words)
        while rest and rest[0].startswith("--"):
            flag = rest.pop(0)
            assert flag in options(cli), words
            if flag in ("--root", "--set"):
                rest.pop(0)
        if not rest or rest[0].isupper():
            continue
        assert rest[0] in COMMANDS, words
        whole = " ".join(rest[:2])
        name = whole if whole in KNOWN else rest[0]
        assert name in KNOWN, words
        given = {word.partition("=")[0] for word in rest if word.startswith("--")}
        assert given <= KNOWN[name], words


@pytest.mark.parametrize("name", KNOWN)
def test_every_command_is_documented_with_all_its_options_and_no_other(name: str) -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    first = name.partition(" ")[0]
    sections = re.split(r"^### ", text, flags=re.M)[1:]
    (section,) = [
        body
        for body in sections
        if name in (heading := body.partition("\n")[0].split(", ")) or first in heading
    ]
    assert f"`perennial {name}" in section
    documented = set(re.findall(r"^\| `(--[a-z-]+)", section, re.M))
    together = set.union(*(known for other, known in KNOWN.items() if other.startswith(first)))
    assert documented >= KNOWN[name] - {"--help"}
    assert documented <= together


def test_commands_that_are_made_of_several_are_told_one_by_one() -> None:
    of = {first: [name for name in KNOWN if name.startswith(f"{first} ")] for first in COMMANDS}
    for first, least in {
        "user": 5,
        "token": 3,
        "mail": 4,
        "report": 2,
        "db": 1,
        "config": 1,
    }.items():
        assert len(of[first]) >= least, first
    assert "report promises" in of["report"]


def test_the_options_before_the_command_are_documented() -> None:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8").partition("\n## ")[0]
    assert set(re.findall(r"^\| `(--[a-z-]+)", text, re.M)) == options(cli) - {"--help"}


# --- settings -------------------------------------------------------------------------------------


def documented_settings() -> dict[str, tuple[str, str]]:
    """Setting -> default and variable, as the page has them."""
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| `(PERENNIAL_\w+)` \|", text, re.M)
    return {name: (value.strip("`"), variable) for name, value, variable in rows}


def test_every_setting_is_documented_with_its_default_and_its_variable() -> None:
    found = {}
    for path, value in leaves(Settings()):
        parts = [str(part) for part in path]
        shown = span_text(value) if hasattr(value, "total_seconds") else value
        variable = "PERENNIAL_" + "__".join(parts).upper()
        found[".".join(parts)] = ("none" if shown in (None, "") else str(shown), variable)
    assert documented_settings() == found


def test_every_key_of_a_source_is_documented() -> None:
    text = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("## Sources")[2]
    assert set(re.findall(r"^\| `(\w+)` \|", text, re.M)) == set(SourceSettings.model_fields)


def test_every_key_of_an_endpoint_is_documented_with_all_that_it_may_hear_of() -> None:
    _, _, after = (
        (ROOT / "docs" / "settings.md").read_text(encoding="utf-8").partition("## Endpoints")
    )
    part = after.partition("\n## ")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", part, re.M)) == set(EndpointSettings.model_fields)
    assert set(re.findall(r"`([a-z]+\.[a-z]+)`", part)) - {"webhooks.secret"} == set(EVENTS)


@pytest.mark.parametrize("section", ["web.oidc.", "worklist.", "webhooks."])
def test_the_settings_of_a_part_are_among_those_that_are_told(section: str) -> None:
    known = {".".join(map(str, path)) for path, _ in leaves(Settings())}
    mine = {name for name in known if name.startswith(section)}
    assert len(mine) > 1
    assert mine <= set(documented_settings())


def test_the_settings_file_that_ships_says_the_defaults() -> None:
    shipped = dict(leaves(load(ROOT, {}).settings))
    assert shipped == dict(leaves(Settings()))


def test_two_settings_move_it_to_many_machines(tmp_path: Path) -> None:
    block = starting("toml", "[database]")
    (tmp_path / "config.toml").write_text(block)
    settings = load(tmp_path, {}).settings
    assert settings.database.url.startswith("postgresql+psycopg://")
    assert settings.jobs.broker.startswith("redis://")
    assert len([line for line in block.splitlines() if "=" in line]) == 2


MAPPINGS = blocks((ROOT / "docs" / "import.md").read_text(encoding="utf-8"), "toml")


@pytest.mark.parametrize("mapping", MAPPINGS, ids=["csv", "http", "sql", "orders"])
def test_every_mapping_of_the_import_page_is_a_valid_one(tmp_path: Path, mapping: str) -> None:
    (tmp_path / "config.toml").write_text(mapping, encoding="utf-8")
    secret = {"PERENNIAL_SOURCES__ERP__TOKEN": "t0ken"} if 'auth = "token"' in mapping else {}
    ((name, source),) = load(tmp_path, secret).settings.sources.items()
    loads, problems = check_loads(name, source)
    assert [*problems, *check_source(name, source, KINDS)] == []
    loaded = {each.entity.name for each in loads}
    assert loaded == {"order"} or {"account", "licence"} <= loaded


# --- the README, followed from top to bottom ------------------------------------------------------


def test_the_schedule_has_twelve_lines_and_is_a_good_one(tmp_path: Path) -> None:
    schedule = starting("toml", 'name = "Licence renewal"')
    assert len([line for line in schedule.splitlines() if line]) <= 12
    (tmp_path / "renewal.toml").write_text(schedule)
    loaded = load_folder(tmp_path, ROOT / "templates")
    assert loaded.problems == []
    assert [step.id for step in loaded.schedules["renewal"].steps] == ["heads-up", "grace"]


def test_the_cadence_of_the_guide_is_one_that_loads(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "first-cadence.md").read_text(encoding="utf-8")
    (tmp_path / "support.toml").write_text("".join(blocks(guide, "toml")), encoding="utf-8")
    loaded = load_folder(tmp_path, ROOT / "templates")
    assert (loaded.problems, loaded.notes) == ([], [])
    assert [step.id for step in loaded.schedules["support"].steps] == ["heads-up", "call", "grace"]


@pytest.fixture
def newcomer(root: Path) -> Path:
    """A checkout after the steps of the README: its file, its mapping, its schedule."""
    shutil.copytree(ROOT / "templates", root / "templates")
    (root / "schedules").mkdir()
    (root / "schedules" / "renewal.toml").write_text(starting("toml", 'name = "Licence renewal"'))
    (root / "data").mkdir()
    (root / "data" / "licences.csv").write_text(blocks(README, "csv")[0])
    config = (ROOT / "config.toml").read_text(encoding="utf-8")
    sender = 'from = "Renewals <renewals@example.com>"'
    assert sender in config
    config = config.replace(sender, 'from = "Anna Nowak <renewals@example.com>"')
    (root / "config.toml").write_text(config + starting("toml", "[sources"), encoding="utf-8")
    return root


def test_what_the_readme_shows_is_what_a_newcomer_sees(
    newcomer: Path, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(newcomer)
    shown = 0
    own_file, asked = README.index("## Your own file"), README.index("## Run it for good")
    for words, output in consoles(README[own_file:asked]):
        if "--root" in words:  # the demo's dates move with the day
            continue
        run(words[1:], {})
        said = capsys.readouterr()
        seen = re.sub(r"in \d+\.\d s", "in 0.3 s", said.out + said.err)
        if output.strip():
            assert seen.strip() == output.strip(), words
            shown += 1
    assert shown >= 5


def test_the_mail_of_the_readme_is_the_one_that_the_schedule_makes(
    newcomer: Path, capsys: Said
) -> None:
    at = ["--root", str(newcomer)]
    run([*at, "db", "upgrade"], {})
    run([*at, "import", "licences"], {})
    assert run([*at, "rehearse", "--from", "2025-12-01", "--to", "2026-03-31", "--mails"], {}) == 0
    capsys.readouterr()
    found = newcomer / "var" / "rehearsals" / "2025-12-01_2026-03-31" / "mails"
    (path,) = found.glob("2025-12-30_heads-up_*.eml")
    mail = message_from_bytes(path.read_bytes(), policy=default)
    assert isinstance(mail, EmailMessage)
    text = mail.get_body(("plain",))
    assert text is not None
    head = "".join(f"{name}: {mail[name]}\n" for name in ("From", "To", "Subject"))
    said = f"{head}\n{text.get_content()}"
    assert said.strip().splitlines() == blocks(README, "text")[0].strip().splitlines()


def test_the_commands_to_run_it_for_good_do_so(newcomer: Path, capsys: Said) -> None:
    part = README[README.index("## Run it for good") : README.index("## Signing in")]
    ran = []
    for words, _ in consoles(part):
        if words[1] != "up":
            yes = ["--yes"] if words[1] == "apply" else []
            code = run(["--root", str(newcomer), *words[1:], *yes], {})
            assert code == (1 if words[1] == "import" else 0), capsys.readouterr().err
            ran.append(words[1])
    assert ran == ["check", "db", "import", "plan", "apply"]
    assert run(["--root", str(newcomer), "tick"], {}) == 0


def test_the_commands_to_sign_in_add_two_who_may(newcomer: Path, capsys: Said) -> None:
    part = README[README.index("## Signing in") : README.index("## On many machines")]
    assert run(["--root", str(newcomer), "db", "upgrade"], {}) == 0
    for words, _ in consoles(part):
        asks_nothing = [] if "--link" in words else ["--link"]  # there is no terminal here
        assert run(["--root", str(newcomer), *words[1:], *asks_nothing], {}) == 0
    capsys.readouterr()
    run(["--root", str(newcomer), "user", "list"], {})
    told = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]]
    assert told == ["anna", "olaf"]


# --- what the pages point at ----------------------------------------------------------------------


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_link_and_picture_of_a_page_is_there(page: Path) -> None:
    for target in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_every_room_of_the_pages_for_staff_is_told_by_its_address_and_its_name() -> None:
    told = "".join(
        (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in ("pages", "worklist")
    )
    for address, name, _, _ in ROOMS:
        assert f"`{address}`" in told or f"`{address}/" in told, address
        assert name.split()[0].lower() in told.lower(), name


def test_the_index_lists_every_page() -> None:
    text = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in PAGES[1:]} - {"README.md"} <= set(_LINK.findall(text))


def test_every_file_that_the_architecture_names_exists() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text))
    assert len(named) > 8
    assert [name for name in sorted(named) if not (ROOT / "worker" / name).is_file()] == []


def test_every_make_target_and_test_that_the_readme_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"\bmake ([a-z]+)(?=[` ]+(?:ARGS|#|prints|$))", README, re.M):
        assert re.search(rf"^{target}:", makefile, re.M), target
    tested = re.findall(r"\btests/[\w/.]+", README)
    assert len(tested) > 5
    assert [path for path in tested if not (ROOT / path).exists()] == []

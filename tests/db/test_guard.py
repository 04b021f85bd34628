"""A database that would be damaged, or shared by mistake, is refused in plain words."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import Engine

from tests.processes import write_config
from worker.bootstrap import App
from worker.db.guard import file_system, require_environment, require_usable_file
from worker.kernel.errors import ConfigError

NOW = datetime(2027, 3, 31, 12, tzinfo=UTC)


def test_a_folder_that_cannot_be_written_to_is_refused() -> None:
    with pytest.raises(ConfigError) as told:
        require_usable_file("sqlite:////proc/perennial/perennial.db")
    assert str(told.value) == (
        "config.toml: database.url: expected a folder that can be written to, "
        "got /proc/perennial (No such file or directory); "
        "give perennial a folder that it may write to, for its journal lies beside the file\n"
        "The database cannot be used."
    )


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "smb3", "9p", "fuse.sshfs"])
def test_a_network_folder_is_refused_for_sqlite(tmp_path: Path, kind: str) -> None:
    mounts = f"/dev/sda1 / ext4 rw 0 0\nserver:/share {tmp_path} {kind} rw 0 0\n"
    with pytest.raises(ConfigError) as told:
        require_usable_file(
            f"sqlite:///{tmp_path}/data/p.db", origin="PERENNIAL_DATABASE__URL", mounts=mounts
        )
    assert str(told.value) == (
        "PERENNIAL_DATABASE__URL: database.url: expected a folder on a local disk, "
        f"got {tmp_path}/data ({kind}); "
        'keep it on a local disk, or set url = "postgresql+psycopg://…"\n'
        "The database cannot be used."
    )


def test_the_nearest_mount_decides_and_spaces_in_its_name_do_not_hide_it(tmp_path: Path) -> None:
    folder = tmp_path / "my share"
    folder.mkdir()
    escaped = str(folder).replace(" ", "\\040")
    mounts = f"/dev/sda1 / ext4 rw 0 0\nserver:/share {escaped} nfs rw 0 0\nproc /proc proc rw 0 0"
    assert file_system(folder / "p.db", mounts) == "nfs"
    assert file_system(tmp_path / "p.db", mounts) == "ext4"


def test_the_folder_of_a_new_database_is_made(tmp_path: Path) -> None:
    require_usable_file(f"sqlite:///{tmp_path}/var/deep/perennial.db", mounts="")
    assert (tmp_path / "var/deep").is_dir()


def test_postgresql_needs_no_folder() -> None:
    require_usable_file("postgresql+psycopg://perennial@db/perennial")


def test_two_environments_on_one_database_are_refused(engine: Engine) -> None:
    require_environment(engine, "main", NOW)
    require_environment(engine, "main", NOW)
    with pytest.raises(ConfigError) as told:
        require_environment(engine, "staging", NOW)
    assert str(told.value) == (
        "This database belongs to the environment 'main', and this one is 'staging': "
        "two environments on one database would mail each other's clients. "
        "Give each a database of its own, or correct environment under [database]."
    )


def test_an_instance_refuses_the_database_of_another_environment(
    root: Path, database_url: str
) -> None:
    write_config(root, database=database_url)
    mine = App.open(root, {})
    assert mine.engine is mine.engine
    mine.close()
    other = App.open(root, {"PERENNIAL_DATABASE__ENVIRONMENT": "staging"})
    with pytest.raises(ConfigError, match="belongs to the environment 'main'"):
        other.engine  # noqa: B018 -- the first use checks it


def test_an_empty_database_gets_its_tables_only_when_asked(root: Path) -> None:
    write_config(root)
    app = App.open(root, {})
    with pytest.raises(ConfigError, match="Run: perennial db upgrade"):
        app.engine  # noqa: B018
    app.create_tables_if_none()
    assert app.database_problem() is None
    assert (root / "var/perennial.db").exists()
    app.close()

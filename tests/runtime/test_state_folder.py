from __future__ import annotations

import fcntl
import os
import stat
from pathlib import Path

import platformdirs
import pytest

from holdfast.errors import ConfigError
from holdfast.runtime.state_folder import StateFolder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# Which folder


def test_the_variable_names_the_folder(tmp_path: Path) -> None:
    folder = StateFolder.open(environ={"HOLDFAST_STATE_DIR": str(tmp_path / "a" / "state")})

    assert folder.root == tmp_path / "a" / "state"
    assert folder.root.is_dir()


def test_an_explicit_path_outranks_the_variable(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "here", environ={"HOLDFAST_STATE_DIR": str(tmp_path / "there")})

    assert folder.root == tmp_path / "here"
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize("environ", [{}, {"HOLDFAST_STATE_DIR": ""}])
def test_without_either_it_is_the_users_own_state_folder(
    tmp_path: Path, environ: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platformdirs, "user_state_dir", lambda name, appauthor: str(tmp_path / name))

    assert StateFolder.open(environ={"HOME": "/", **environ}).root == tmp_path / "holdfast"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))

    assert StateFolder.open("~/state").root == tmp_path / "state"


# Who may look into it


def test_what_is_made_is_ours_alone(tmp_path: Path) -> None:
    old_mask = os.umask(0)
    try:
        folder = StateFolder.open(tmp_path / "state")
        made = folder.database_path(environment="production", name="kraken-master")
        folder.lane_path("ab12")
        folder.owner_lock_path("ab12")
    finally:
        os.umask(old_mask)

    assert made == tmp_path / "state" / "brokers" / "production" / "kraken-master" / "holdfast.db"
    assert {mode(each) for each in (tmp_path / "state").rglob("*")} | {mode(folder.root)} == {0o700}


def test_an_empty_folder_that_is_open_to_others_is_narrowed(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    (tmp_path / "state").chmod(0o755)

    folder = StateFolder.open(tmp_path / "state")

    assert mode(folder.root) == 0o700


def test_a_shared_folder_with_other_things_in_it_is_refused_and_not_narrowed(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    (shared / "photos").mkdir()

    with pytest.raises(ConfigError, match=r"photos.*HOLDFAST_STATE_DIR"):
        StateFolder.open(shared)

    assert mode(shared) == 0o755


def test_a_subfolder_that_was_opened_to_others_is_narrowed(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")
    (folder.root / "lanes").mkdir()
    (folder.root / "lanes").chmod(0o777)

    folder.lane_path("ab12")

    assert mode(folder.root / "lanes") == 0o700


def test_a_link_inside_the_state_folder_is_not_followed(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")
    (tmp_path / "elsewhere").mkdir()
    (folder.root / "locks").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(ConfigError, match="symbolic link"):
        folder.owner_lock_path("ab12")


def test_a_link_to_the_state_folder_itself_is_the_users_choice(tmp_path: Path) -> None:
    (tmp_path / "big-disk").mkdir(mode=0o700)
    (tmp_path / "state").symlink_to(tmp_path / "big-disk")

    assert StateFolder.open(tmp_path / "state").root == tmp_path / "big-disk"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("")

    with pytest.raises(ConfigError, match="state"):
        StateFolder.open(tmp_path / "state")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to somebody else")
def test_somebody_elses_folder_is_refused(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    os.chown(theirs, 65534, 65534)

    with pytest.raises(ConfigError, match="belongs to user 65534"):
        StateFolder.open(theirs)


# Names


@pytest.mark.parametrize("name", ["..", "a/b", "", ".hidden", "x" * 65, "a\0b", "naïve", "-dash"])
def test_a_name_that_could_lead_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    folder = StateFolder.open(tmp_path / "state")

    with pytest.raises(ConfigError, match="cannot name a folder"):
        folder.broker_folder(environment="production", name=name)
    with pytest.raises(ConfigError, match="cannot name a folder"):
        folder.lane_path(name)


def test_environments_and_brokers_are_kept_apart(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")

    paths = {
        folder.database_path(environment=environment, name=name)
        for environment in ("production", "simulated")
        for name in ("a", "b")
    }

    assert len(paths) == 4
    assert folder.journal_mark_path(environment="simulated", name="a").parent in {path.parent for path in paths}


# Locks


def test_locks_that_exclude_pass_and_leave_nothing(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")

    folder.check_locks()

    assert list((folder.root / "locks").iterdir()) == []


def test_locks_that_everyone_gets_are_refused_with_the_folder_and_the_way_out(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")

    with pytest.raises(ConfigError, match=r"state/locks.*HOLDFAST_STATE_DIR"):
        folder.check_locks(flock=lambda fd, how: None)

    assert list((folder.root / "locks").iterdir()) == []


def test_locks_that_nobody_gets_are_refused(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")

    def refuse(fd: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    with pytest.raises(ConfigError, match="not supported"):
        folder.check_locks(flock=refuse)


def test_locks_that_are_never_let_go_are_refused(tmp_path: Path) -> None:
    folder = StateFolder.open(tmp_path / "state")

    def never_let_go(fd: int, how: int) -> None:
        if how != fcntl.LOCK_UN:
            fcntl.flock(fd, how)

    with pytest.raises(ConfigError, match="do not exclude"):
        folder.check_locks(flock=never_let_go)

"""Connections to a venue's host are counted over all processes of a machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from holdfast.runtime.connections import SharedBudget


def budget(path: Path, *, limit: int = 3, window_s: float = 600.0) -> SharedBudget:
    return SharedBudget(path, limit=limit, window_s=window_s)


def test_attempts_of_others_count(tmp_path: Path) -> None:
    ours, theirs = budget(tmp_path / "c"), budget(tmp_path / "c")
    ours.spend(now_s=1000.0)
    theirs.spend(now_s=1001.0)
    assert ours.wait_s(now_s=1002.0) == 0
    theirs.spend(now_s=1002.0)
    assert ours.wait_s(now_s=1003.0) == pytest.approx(597.0)
    assert ours.wait_s(now_s=1600.0) == 0


def test_a_restart_remembers(tmp_path: Path) -> None:
    for at_s in range(3):
        budget(tmp_path / "c").spend(now_s=float(at_s))
    assert budget(tmp_path / "c").wait_s(now_s=3.0) > 590


def test_moments_from_before_a_reboot_do_not_count(tmp_path: Path) -> None:
    before = budget(tmp_path / "c")
    for at_s in (9000.0, 9001.0, 9002.0):
        before.spend(now_s=at_s)
    assert budget(tmp_path / "c").wait_s(now_s=10.0) == 0


def test_a_file_that_cannot_be_used_leaves_our_own_count(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    alone = budget(tmp_path / "c")
    for at_s in (1.0, 2.0, 3.0):
        alone.spend(now_s=at_s)
    assert alone.wait_s(now_s=4.0) > 590


def test_a_torn_file_is_read_as_far_as_it_is_whole(tmp_path: Path) -> None:
    budget(tmp_path / "c").spend(now_s=1000.0)
    with (tmp_path / "c").open("ab") as file:
        file.write(b"\x00\x01\x02")
    assert budget(tmp_path / "c", limit=1).wait_s(now_s=1001.0) > 590


def test_the_file_stays_small_and_private(tmp_path: Path) -> None:
    shared = budget(tmp_path / "c", limit=150)
    for number in range(20_000):
        shared.spend(now_s=float(number))
    assert (tmp_path / "c").stat().st_size < 70_000
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600
    assert budget(tmp_path / "c", limit=150).wait_s(now_s=20_000.0) > 0


@pytest.mark.processes
def test_processes_share_it(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from holdfast.runtime.connections import SharedBudget; "
        "SharedBudget(Path(sys.argv[1]), limit=3, window_s=600.0).spend(now_s=float(sys.argv[2]))"
    )
    children = [
        subprocess.Popen([sys.executable, "-c", script, tmp_path / "c", str(1000 + number)], env=os.environ)
        for number in range(3)
    ]
    assert [child.wait(30) for child in children] == [0, 0, 0]
    assert budget(tmp_path / "c").wait_s(now_s=1003.0) == pytest.approx(597.0)

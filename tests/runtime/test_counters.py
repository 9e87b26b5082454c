"""A venue's call counter is one counter for every process of a machine, and no reason for any to stand still."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from holdfast.core.limits import DecayingCounter
from holdfast.runtime.counters import SharedCounter


def counter(path: Path, *, now_s: float = 1000.0, maximum: float = 15.0) -> SharedCounter:
    return SharedCounter(path, maximum=maximum, decay_per_s=0.5, now_s=now_s)


def test_points_of_others_count_as_ours(tmp_path: Path) -> None:
    ours, theirs = counter(tmp_path / "c"), counter(tmp_path / "c")
    for _ in range(7):
        ours.spend(1, now_s=1000.0)
        theirs.spend(1, now_s=1000.0)
    assert (ours.level(now_s=1000.0), theirs.level(now_s=1000.0)) == (14.0, 14.0)
    assert ours.wait_s(1, now_s=1000.0) == 0.0
    theirs.spend(1, now_s=1000.0)
    assert ours.wait_s(1, now_s=1000.0) == 2.0
    assert ours.wait_s(1, now_s=1002.0) == 0.0


def test_a_process_that_begins_finds_what_was_used_up(tmp_path: Path) -> None:
    counter(tmp_path / "c").spend(12, now_s=1000.0)
    assert counter(tmp_path / "c", now_s=1004.0).level(now_s=1004.0) == 10.0


def test_a_refusal_silences_everybody_for_its_time(tmp_path: Path) -> None:
    ours, theirs = counter(tmp_path / "c"), counter(tmp_path / "c")
    theirs.refused(now_s=1000.0, quiet_s=15.0)
    assert ours.level(now_s=1000.0) == 15.0
    assert ours.wait_s(0, now_s=1000.0) == 15.0
    ours.spend(0, now_s=1001.0)
    assert theirs.wait_s(0, now_s=1001.0) == 14.0


def test_levels_from_before_a_reboot_count_from_now_and_silences_do_not(tmp_path: Path) -> None:
    before = counter(tmp_path / "c", now_s=90_000.0)
    before.spend(10, now_s=90_000.0)
    before.refused(now_s=90_000.0, quiet_s=60.0)
    after = counter(tmp_path / "c", now_s=10.0)
    assert after.wait_s(1, now_s=10.0) == 2.0
    assert after.wait_s(1, now_s=12.0) == 0.0


@pytest.mark.parametrize("raw", [b"", b"\x00" * 28, b"x" * 28, bytes(range(28)), b"\xff" * 5000])
def test_a_file_that_is_not_whole_says_nothing_and_is_written_anew(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "c").write_bytes(raw)
    ours = counter(tmp_path / "c")
    assert ours.level(now_s=1000.0) == 0.0
    ours.spend(3, now_s=1000.0)
    assert ours.level(now_s=1000.0) == 3.0
    if len(raw) <= 28:
        assert counter(tmp_path / "c").level(now_s=1000.0) == 3.0


def test_a_file_that_cannot_be_used_leaves_our_own_count(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    alone = counter(tmp_path / "c")
    alone.spend(15, now_s=1000.0)
    assert alone.wait_s(1, now_s=1000.0) == 2.0
    alone.refused(now_s=1000.0, quiet_s=15.0)
    assert alone.wait_s(1, now_s=1000.0) == 15.0


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_bytes(b"precious")
    (tmp_path / "c").symlink_to(tmp_path / "theirs")
    counter(tmp_path / "c").spend(5, now_s=1000.0)
    assert (tmp_path / "theirs").read_bytes() == b"precious"


def test_a_stopped_process_that_keeps_the_lock_stops_nobody(tmp_path: Path) -> None:
    ours = counter(tmp_path / "c")
    ours.spend(1, now_s=1000.0)
    with (tmp_path / "c").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        ours.spend(1, now_s=1000.0)
    assert counter(tmp_path / "c").level(now_s=1000.0) == 2.0


def test_the_file_is_private(tmp_path: Path) -> None:
    counter(tmp_path / "c").spend(1, now_s=1000.0)
    assert (tmp_path / "c").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "c").stat().st_size == 28


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    steps=st.lists(
        st.tuples(
            st.integers(0, 2),
            st.floats(0, 5),
            st.sampled_from(["spend", "refused", "look"]),
            st.sampled_from([0, 1, 2]),
        ),
        max_size=40,
    )
)
def test_several_processes_together_are_one_counter(
    steps: list[tuple[int, float, str, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("counter") / "c"
    processes = [counter(path, now_s=0.0) for _ in range(3)]
    one = DecayingCounter(maximum=15.0, decay_per_s=0.5, now_s=0.0)
    now_s = 0.0
    for who, passed_s, what, cost in steps:
        now_s += passed_s
        for each in (processes[who], one):
            if what == "spend":
                each.spend(cost, now_s=now_s)
            elif what == "refused":
                each.refused(now_s=now_s, quiet_s=3.0)
        assert processes[who].level(now_s=now_s) == pytest.approx(min(one.level(now_s=now_s), 30.0), abs=1e-6)
        assert processes[who].wait_s(1, now_s=now_s) == pytest.approx(one.wait_s(1, now_s=now_s), abs=1e-6)

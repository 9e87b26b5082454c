"""What a doctor concludes from figures it was given."""

from __future__ import annotations

import pytest

from holdfast.core.checkup import CheckState, DoctorReport, clock_check, disk_check, failed, passed, skipped, warned

GIB = 1024**3


@pytest.mark.parametrize(("offset_s", "is_ok"), [(0.0, True), (-1.0, True), (1.0, True), (1.1, False), (-30.0, False)])
def test_a_clock_is_good_within_a_second(offset_s: float, is_ok: bool) -> None:
    check = clock_check(offset_s)

    assert (check.state is CheckState.OK) is is_ok
    assert check.exit_code == (0 if is_ok else 3)


def test_a_clock_that_is_off_says_in_which_direction() -> None:
    assert "ahead of the venue's" in clock_check(-30.0).found
    assert "behind the venue's" in clock_check(30.0).found


@pytest.mark.parametrize(
    ("free", "files", "state"),
    [
        (10 * GIB, 10**6, CheckState.OK),
        (10 * GIB, None, CheckState.OK),
        (GIB // 2, None, CheckState.WARNING),
        (1024, None, CheckState.FAILED),
        (10 * GIB, 3, CheckState.FAILED),
    ],
)
def test_a_disk_is_judged_by_its_room_and_its_files(free: int, files: int | None, state: CheckState) -> None:
    assert disk_check("/x", free_bytes=free, free_files=files).state is state


def test_a_report_is_well_where_nothing_failed() -> None:
    fine = (passed("a", "good"), warned("b", "note", "do"), skipped("c", "no"))

    assert DoctorReport(broker="b", checks=fine).is_well
    assert not DoctorReport(broker="b", checks=(*fine, failed("d", "bad", exit_code=6))).is_well

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.seams import JournalRow
from holdfast.store.rows import Segment, begins_segment, day_of, droppable, is_repeated, states_figures
from tests.store.rows import DAY_US, MINUTE_US, NOON_US, confirmation, money, notice


def segment(number: int, day: int, rows: int = 1) -> Segment:
    return Segment(number=number, day=day, first_seq=number * 100, last_seq=number * 100 + rows - 1)


def test_a_row_without_an_asset_or_without_amounts_states_no_figures() -> None:
    assert states_figures(money("USD", "0"))
    assert not states_figures(notice("{}", asset="USD", kind="snapshot"))
    assert not states_figures(msgspec.structs.replace(money("USD", "1"), asset=None))
    assert not states_figures(msgspec.structs.replace(money("USD", "1"), kind="discrepancy"))


def test_a_row_is_repeated_only_within_the_same_clock_minute() -> None:
    start = NOON_US // MINUTE_US * MINUTE_US
    known = money("USD", "1", wall_us=start)

    assert is_repeated(confirmation("USD", "1", wall_us=start + MINUTE_US - 1), known)
    assert not is_repeated(confirmation("USD", "1", wall_us=start + MINUTE_US), known)
    assert not is_repeated(confirmation("USD", "1", wall_us=start - 1), known)
    assert not is_repeated(confirmation("USD", "1", wall_us=start), None)


def test_a_row_that_moves_money_is_never_repeated() -> None:
    assert not is_repeated(money("USD", "1"), money("USD", "1"))


def test_any_difference_in_the_figures_makes_a_row_worth_keeping() -> None:
    known = confirmation("USD", "1")
    for change in ({"total": "1.0"}, {"held": None}, {"available": "2"}):
        assert not is_repeated(msgspec.structs.replace(known, **change), known)


def test_a_later_day_begins_a_segment_and_a_small_step_back_does_not() -> None:
    today = segment(1, day_of(NOON_US))

    assert not begins_segment(money("USD", "1"), today)
    assert begins_segment(money("USD", "1"), None)
    assert begins_segment(money("USD", "1", wall_us=NOON_US + DAY_US), today)
    assert not begins_segment(money("USD", "1", wall_us=NOON_US - DAY_US), today)
    assert begins_segment(money("USD", "1", wall_us=NOON_US - 2 * DAY_US), today)


def test_droppable_counts_whole_days_and_spares_the_last_segment() -> None:
    days = [segment(number, 100 + number) for number in range(1, 6)]

    assert droppable(days, wall_us=104 * DAY_US, keep_days=2) == days[:1]
    assert droppable(days, wall_us=104 * DAY_US, keep_days=3) == []
    assert droppable(days, wall_us=900 * DAY_US, keep_days=0) == days[:4]
    assert droppable([], wall_us=0, keep_days=0) == []


@given(st.lists(st.integers(0, 400), max_size=20), st.integers(0, 500), st.integers(0, 100))
def test_what_is_droppable_is_a_prefix_that_ends_in_an_old_day(days: list[int], today: int, keep: int) -> None:
    segments = [segment(number, day) for number, day in enumerate(days, start=1)]

    found = droppable(segments, wall_us=today * DAY_US, keep_days=keep)

    assert found == segments[: len(found)]
    assert len(found) < max(1, len(segments))
    assert not found or found[-1].day < today - keep
    assert all(each.day >= today - keep for each in segments[len(found) : -1])


rows = st.builds(
    JournalRow,
    wall_us=st.integers(0, 3 * MINUTE_US),
    kind=st.sampled_from(["snapshot", "delta", "notice"]),
    asset=st.sampled_from(["USD", None]),
    total=st.sampled_from(["1", "2", None]),
    held=st.just("0"),
    available=st.sampled_from(["1", None]),
    source=st.none(),
    cause=st.just("{}"),
    is_money=st.booleans(),
)


@given(rows, rows)
def test_a_row_that_is_left_out_says_nothing_that_the_kept_one_does_not(row: JournalRow, known: JournalRow) -> None:
    if is_repeated(row, known):
        assert (row.total, row.held, row.available) == (known.total, known.held, known.available)
        assert abs(row.wall_us - known.wall_us) < MINUTE_US
        assert not row.is_money

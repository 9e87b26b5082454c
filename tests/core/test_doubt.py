"""When an order whose answer was lost may be called absent: by evidence, and by nothing else."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.doubt import QUERIES, Doubt

LAG_S = 60.0
VALID_UNTIL_S = 5_000.0
"""UTC seconds on the venue's clock."""


def doubt(*, valid_until_s: float | None = VALID_UNTIL_S) -> Doubt:
    """An order whose answer was given up at 100 s on our clock."""
    return Doubt(began_s=100.0, valid_until_s=valid_until_s, lag_s=LAG_S)


def told(each: Doubt, *, asked_s: float, queries: Iterable[str] = QUERIES) -> Doubt:
    for query in queries:
        each.negative(query, asked_s=asked_s)
    return each


# The evidence


def test_absent_takes_the_validity_passed_on_the_venues_clock_and_every_list_asked_later_than_the_lag() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    assert found.missing() == QUERIES
    told(found, asked_s=106.0 + LAG_S)
    assert found.missing() == ()
    assert found.is_absent()


def test_time_that_merely_goes_by_is_no_evidence() -> None:
    found = told(doubt(), asked_s=1e9)
    assert not found.is_absent()
    assert found.missing() == ("validity",)


def test_a_venue_clock_one_moment_short_of_the_validity_is_no_evidence() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S - 0.001, received_s=1e6)
    told(found, asked_s=1e9)
    assert found.missing() == ("validity",)


@pytest.mark.parametrize("missing", QUERIES)
def test_each_of_the_lists_is_needed(missing: str) -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    told(found, asked_s=1e9, queries=[query for query in QUERIES if query != missing])
    assert not found.is_absent()
    assert found.missing() == (missing,)


@pytest.mark.parametrize("early", QUERIES)
def test_a_list_asked_within_the_lag_says_nothing_of_absence(early: str) -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    for query in QUERIES:
        found.negative(query, asked_s=106.0 + LAG_S - (0.001 if query == early else 0.0))
    assert found.missing() == (early,)


def test_lists_that_were_negative_before_the_validity_had_passed_have_to_be_asked_again() -> None:
    found = told(doubt(), asked_s=105.0)
    found.heard_time(venue_time_s=VALID_UNTIL_S + 1, received_s=400.0)
    assert found.missing() == QUERIES


def test_an_older_negative_answer_that_arrives_late_takes_nothing_back() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    told(found, asked_s=200.0)
    told(found, asked_s=101.0)
    assert found.is_absent()


def test_the_first_word_of_the_passed_validity_counts_and_a_clock_that_goes_back_changes_nothing() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    found.heard_time(venue_time_s=VALID_UNTIL_S + 60, received_s=166.0)
    found.heard_time(venue_time_s=VALID_UNTIL_S - 3600, received_s=170.0)
    assert found.passed_s == 106.0


def test_an_order_without_a_validity_is_never_called_absent() -> None:
    found = doubt(valid_until_s=None)
    found.heard_time(venue_time_s=1e12, received_s=1e6)
    told(found, asked_s=1e9)
    assert found.missing() == ("validity",)
    assert not found.is_absent()


# What is asked, and when


def test_the_lists_are_asked_early_in_the_hope_of_finding_it() -> None:
    found = doubt()
    asked = []
    for tenth in range(1000, 1400):
        now_s = tenth / 10
        wants = found.wants(now_s=now_s)
        if "open" in wants or "closed" in wants:
            asked.append(now_s)
        if wants:
            found.asked(now_s=now_s)
    assert asked == [100.5, 102.0, 106.0, 115.0, 130.0]


def test_the_venues_clock_is_asked_until_it_says_that_the_validity_has_passed() -> None:
    found = doubt()
    assert found.wants(now_s=100.5) == ("open", "closed", "time")
    found.asked(now_s=100.5)
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=100.6)
    assert found.wants(now_s=102.0) == ("open", "closed")


def test_exactly_what_the_evidence_lacks_is_asked_once_it_can_count() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    found.asked(now_s=160.0)
    assert found.wants(now_s=165.9) == ()
    assert found.next_s() == 166.0
    assert found.wants(now_s=166.0) == QUERIES
    found.negative("open", asked_s=166.0)
    found.asked(now_s=166.0)
    assert found.wants(now_s=167.0) == ()
    assert found.wants(now_s=171.0) == ("closed", "fills")


def test_a_query_that_failed_is_asked_again_after_a_pause_and_not_at_once() -> None:
    found = doubt()
    found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=106.0)
    found.asked(now_s=170.0)
    assert found.next_s() == 175.0
    assert found.wants(now_s=174.9) == ()


def test_a_machine_that_slept_through_every_early_question_asks_once_and_not_five_times() -> None:
    found = doubt()
    assert found.wants(now_s=5_000.0) == ("open", "closed", "time")
    found.asked(now_s=5_000.0)
    assert found.wants(now_s=5_000.1) == ()


@given(
    valid_until_s=st.sampled_from([None, VALID_UNTIL_S]),
    steps=st.lists(
        st.tuples(
            st.floats(min_value=0.0, max_value=40.0, allow_nan=False),
            st.booleans(),
            st.sampled_from(["nothing", "time_before", "time_after", "open", "closed", "fills"]),
        ),
        max_size=40,
    ),
)
def test_whatever_happens_there_is_a_next_time_to_look_and_nothing_is_asked_twice_at_once(
    valid_until_s: float | None, steps: list[tuple[float, bool, str]]
) -> None:
    """The next look lies ahead wherever nothing is wanted now: a loop that follows it never spins."""
    found, now_s, asked_s = doubt(valid_until_s=valid_until_s), 100.0, -1.0
    for pause_s, looks, event in steps:
        now_s += pause_s
        if event == "time_before":
            found.heard_time(venue_time_s=VALID_UNTIL_S - 1, received_s=now_s)
        elif event == "time_after":
            found.heard_time(venue_time_s=VALID_UNTIL_S + 1, received_s=now_s)
        elif event != "nothing":
            found.negative(event, asked_s=now_s)
        wants = found.wants(now_s=now_s)
        if wants and looks:
            assert now_s > asked_s
            found.asked(now_s=now_s)
            asked_s = now_s
            wants = found.wants(now_s=now_s)
            assert wants == ()
        if not wants and not found.is_absent():
            assert found.next_s() > now_s


@given(
    steps=st.lists(
        st.tuples(
            st.floats(min_value=0.0, max_value=90.0, allow_nan=False),
            st.sampled_from(["time_before", "time_after", *QUERIES]),
        ),
        max_size=30,
    )
)
def test_absent_means_that_each_list_was_asked_later_than_the_lag_after_the_validity_had_passed(
    steps: list[tuple[float, str]],
) -> None:
    found, now_s, passed_s = doubt(), 100.0, None
    asked: dict[str, float] = {}
    for pause_s, event in steps:
        now_s += pause_s
        if event == "time_before":
            found.heard_time(venue_time_s=VALID_UNTIL_S - 1, received_s=now_s)
        elif event == "time_after":
            found.heard_time(venue_time_s=VALID_UNTIL_S, received_s=now_s)
            passed_s = now_s if passed_s is None else passed_s
        else:
            found.negative(event, asked_s=now_s)
            asked[event] = now_s
        proven = passed_s is not None and all(asked.get(query, 0.0) >= passed_s + LAG_S for query in QUERIES)
        assert found.is_absent() is proven

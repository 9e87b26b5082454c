"""Candles: a series is believed whole or not at all, is cut to what was asked for, and says how far it reaches."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from holdfast.core.candles import (
    CANDLES_MAX,
    CandleSeries,
    check_limit,
    interval_text,
    parse_interval,
    parse_since,
    series_of,
)
from holdfast.core.instruments import Candle
from holdfast.errors import OrderInputError, PayloadError

START_S = 1_790_000_040
NOW_S = START_S + 9 * 60 + 30.0  # Half a minute into the tenth.


def candle(number: int, *, is_final: bool | None = None, start_s: int | None = None, **prices: str) -> Candle:
    facts = {"open": "100.0", "high": "101.50", "low": "99.5", "close": "101", "volume": "3.25", **prices}
    return Candle(
        start_s=START_S + 60 * number if start_s is None else start_s,
        is_final=number < 9 if is_final is None else is_final,
        **{name: Decimal(text) for name, text in facts.items()},
    )


TEN = [candle(number) for number in range(10)]


def series(candles: list[Candle], **more: Any) -> CandleSeries:
    facts: dict[str, Any] = {
        "broker": "acme-master",
        "symbol": "BTC-USD",
        "interval_s": 60,
        "limit": None,
        "since_s": None,
        "venue_now_s": NOW_S,
        "age_s": 0.2,
    }
    return series_of(candles, **{**facts, **more})


# What is asked for


@pytest.mark.parametrize(
    ("text", "seconds"), [("1m", 60), ("15m", 900), ("4h", 14_400), ("1d", 86_400), ("1D", 86_400), ("2W", 1_209_600)]
)
def test_interval_is_text_or_seconds(text: str, seconds: int) -> None:
    assert parse_interval(text) == seconds
    assert parse_interval(seconds) == seconds
    assert parse_interval(interval_text(seconds)) == seconds


@pytest.mark.parametrize("wrong", ["", "0m", "1M", "m", "1 m", "1.5h", "1y", "-1m", 0, -60, True, 60.0, None, b"1m"])
def test_what_is_no_interval_is_refused_by_its_name(wrong: Any) -> None:
    with pytest.raises(OrderInputError) as caught:
        parse_interval(wrong)
    assert caught.value.field == "interval"


def test_a_moment_is_unix_seconds_or_a_time_with_its_zone() -> None:
    assert parse_since(None) is None
    assert parse_since(START_S) == parse_since(START_S + 0.9) == START_S
    assert parse_since(datetime.fromtimestamp(START_S, tz=UTC)) == START_S


@pytest.mark.parametrize("wrong", [-1, True, 1e10, 1_790_000_040_000, float("nan"), "2026-01-01", datetime(2026, 1, 1)])  # noqa: DTZ001
def test_what_is_no_moment_is_refused_by_its_name(wrong: Any) -> None:
    with pytest.raises(OrderInputError) as caught:
        parse_since(wrong)
    assert caught.value.field == "since"


@pytest.mark.parametrize("wrong", [0, -1, CANDLES_MAX + 1, True, 1.0, "5"])
def test_what_is_no_count_is_refused_by_its_name(wrong: Any) -> None:
    check_limit(None)
    check_limit(CANDLES_MAX)
    with pytest.raises(OrderInputError) as caught:
        check_limit(wrong)
    assert caught.value.field == "limit"


# What is told


def test_all_of_them_are_told_oldest_first_with_the_last_one_forming() -> None:
    found = series(TEN)
    assert found.candles == tuple(TEN)
    assert found.closed == tuple(TEN[:-1])
    assert found.forming is TEN[-1]
    assert (found.behind_s, found.missing, found.age_s, len(found)) == (0.0, 0, 0.2, 10)
    assert found.is_complete
    assert found.note is None


def test_the_newest_are_told_where_a_number_is_asked_for_and_the_first_ones_after_a_moment() -> None:
    assert series(TEN, limit=3).candles == tuple(TEN[-3:])
    since = series(TEN, limit=3, since_s=TEN[2].start_s)
    assert since.candles == tuple(TEN[2:5])
    assert since.forming is None
    assert since.behind_s == NOW_S - TEN[5].start_s
    assert series(TEN, since_s=TEN[2].start_s - 59).candles == tuple(TEN[2:])


def test_buckets_that_the_venue_leaves_out_are_counted() -> None:
    found = series([TEN[0], TEN[3], TEN[9]])
    assert found.missing == 7
    assert found.is_complete


def test_an_answer_that_is_behind_the_venues_clock_says_by_how_much() -> None:
    found = series(TEN, venue_now_s=NOW_S + 600)
    assert found.behind_s == pytest.approx(570.0)
    assert series([]).behind_s is None


@pytest.mark.parametrize(
    ("candles", "asked", "words"),
    [
        ([], {"limit": 5}, "no candles of that time"),
        (TEN, {"limit": 20, "kept": 10}, "keeps 10 candles of 1m"),
        (TEN, {"limit": 20}, "told 10 candles"),
        (TEN, {"since_s": START_S - 600, "kept": 10}, f"none before {START_S}"),
        (TEN, {"since_s": START_S - 600}, "the market is younger"),
    ],
)
def test_a_series_that_does_not_reach_back_as_far_as_asked_says_why(
    candles: list[Candle], asked: dict[str, Any], words: str
) -> None:
    found = series(candles, **asked)
    assert not found.is_complete
    assert words in (found.note or "")


def test_a_series_that_begins_within_the_interval_of_the_moment_is_complete() -> None:
    assert series(TEN, since_s=START_S - 59).is_complete
    assert not series(TEN, since_s=START_S - 60).is_complete
    assert series(TEN, limit=10).is_complete


# What is refused


@pytest.mark.parametrize(
    ("candles", "words"),
    [
        ([TEN[1], TEN[0]], "is followed by"),
        ([TEN[0], TEN[0]], "is followed by"),
        ([TEN[0], candle(1, start_s=START_S + 90)], "is followed by"),
        ([candle(0, is_final=False), TEN[1]], "is not over"),
        ([candle(0, high="100.5", close="101")], "not between"),
        ([candle(0, low="100.5")], "not between"),
        ([candle(0, open="102")], "not between"),
        ([candle(0, low="0", open="0")], "a low of"),
        ([candle(0, low="-1")], "a low of"),
        ([candle(0, volume="-0.1")], "a volume of"),
        ([*TEN, candle(10, is_final=False, start_s=START_S + 660)], "is not over"),
        ([candle(0, is_final=False, start_s=START_S + 660)], "from now"),
    ],
)
def test_rows_that_cannot_be_are_refused_whole(candles: list[Candle], words: str) -> None:
    with pytest.raises(PayloadError, match=words):
        series(candles)


def test_a_candle_may_begin_as_far_ahead_as_clocks_differ_and_no_further() -> None:
    ahead = candle(10, is_final=False)
    assert series([ahead], venue_now_s=ahead.start_s - 5.0).behind_s == 0
    with pytest.raises(PayloadError, match="from now"):
        series([ahead], venue_now_s=ahead.start_s - 5.1)


def test_a_market_that_stood_still_is_believed() -> None:
    still = candle(0, open="100", high="100", low="100", close="100", volume="0")
    assert series([still]).candles == (still,)

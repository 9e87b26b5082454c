"""Rounding that no bot's decimal context can change."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.simulators.core.arithmetic import divide, multiply, to_step
from holdfast.simulators.core.fees import FeeSchedule
from holdfast.simulators.core.lazily import Lazily
from holdfast.simulators.core.pages import page, window

HOSTILE = decimal.Context(prec=3, rounding=decimal.ROUND_UP, traps=[decimal.Inexact, decimal.Rounded])
amounts = st.decimals(min_value=0, max_value=10**12, places=8)


@given(amounts, st.decimals(min_value="0.00000001", max_value=10**9, places=8), st.integers(0, 12))
def test_quotient_is_rounded_toward_zero_and_by_less_than_its_last_place(
    value: Decimal, by: Decimal, places: int
) -> None:
    with decimal.localcontext(HOSTILE):
        quotient = divide(value, by, places=places)
    with decimal.localcontext(decimal.Context(prec=200)):
        assert quotient * by <= value < (quotient + Decimal(1).scaleb(-places)) * by


@given(amounts, amounts)
def test_product_is_exact(left: Decimal, right: Decimal) -> None:
    with decimal.localcontext(HOSTILE):
        product = multiply(left, right)
    with decimal.localcontext(decimal.Context(prec=200)):
        assert product == left * right


@pytest.mark.parametrize(("value", "step", "steps"), [("40000.04", "0.1", 400_000), ("0.15", "0.1", 2), ("7", "2", 4)])
def test_steps_are_the_nearest(value: str, step: str, steps: int) -> None:
    assert to_step(Decimal(value), Decimal(step)) == steps


def test_fee_follows_the_volume() -> None:
    fees = FeeSchedule((("0", "0.40", "0.25"), ("10000", "0.35", "0.20")))
    assert fees.rate(Decimal(9999), is_maker=False) == Decimal("0.0040")
    assert fees.rate(Decimal(10000), is_maker=False) == Decimal("0.0035")
    assert fees.rate(Decimal(10000), is_maker=True) == Decimal("0.0020")
    assert fees.after(fees.tiers[0]) is fees.tiers[1]
    assert fees.after(fees.tiers[1]) is None


def test_window_excludes_its_start_and_includes_its_end() -> None:
    assert window([1, 2, 3, 4], at_us=int, after_us=1, until_us=3) == [2, 3]
    assert window([1, 2], at_us=int) == [1, 2]


def test_page_beyond_the_end_is_empty() -> None:
    assert page([1, 2, 3], offset=2, size=2) == [3]
    assert page([1, 2, 3], offset=9, size=2) == []


def test_lazy_values_are_made_once_and_only_when_asked_for() -> None:
    made: list[str] = []

    def make(key: str) -> int:
        made.append(key)
        return len(key)

    lazily = Lazily(make)
    assert list(lazily) == []
    assert (lazily["abc"], lazily["abc"]) == (3, 3)
    assert made == ["abc"]

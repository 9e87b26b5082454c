"""Money text: one strict way in, one way out, and no digit lost in between."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest

from holdfast.core.amounts import (
    MAX_DIGITS,
    MAX_EXPONENT,
    ZERO,
    add,
    exact,
    format_amount,
    parse_amount,
    round_down,
    round_up,
    subtract,
    total_of,
)
from holdfast.errors import AmountError, PayloadError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("1500.2500", "1500.25"),
        ("0.4000000000", "0.4"),
        ("-3.5", "-3.5"),
        ("1e-08", "0.00000001"),
        ("1E+3", "1000"),
        ("12.5e2", "1250"),
        ("007", "7"),
        ("9" * 60, "9" * 60),
        ("0." + "0" * 29 + "1", "1e-30"),
        ("1" + "0" * 30, "1e30"),
        ("1e40", "1e40"),
        ("1e-40", "1e-40"),
        ("1234567890123456789012.345678901234567890", "1234567890123456789012.34567890123456789"),
    ],
)
def test_plain_and_exponent_forms_are_read_exactly(text: str, value: str) -> None:
    assert parse_amount(text) == Decimal(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        " 1",
        "1 ",
        "1\n",
        "\t1",
        "1 000",
        "1_000",
        "1,000",
        "1.",
        ".5",
        "+1",
        "--1",
        "- 1",
        "1e",
        "1e5.5",
        "1e 5",
        "e5",
        "0x10",
        "0b1",
        "NaN",
        "nan",
        "-NaN",
        "sNaN",
        "NaN123",
        "Infinity",
        "-Infinity",
        "inf",
        "1e400",
        "1E+50000000",
        "1e-41",
        "1e41",
        "1" + "0" * 60,
        "0." + "0" * 60 + "1",
        "1." + "0" * 60,
        "٣",
        "1٣",
        "１",
        "௧",
        "1.5\u00a0",
        "\ufeff1",
        "1\x00",
        "true",
        "null",
        "1;2",
        "1/2",
        "$1",
        "0" * 100_000,
        "1e" + "9" * 100_000,
    ],
)
def test_everything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(AmountError) as refusal:
        parse_amount(text)

    assert isinstance(refusal.value, PayloadError)
    assert len(str(refusal.value)) < 250
    assert str(refusal.value).isascii() or "±" in str(refusal.value)


@pytest.mark.parametrize("value", [None, True, 1, 1.5, b"1", Decimal(1), ["1"], {"a": "1"}])
def test_anything_but_text_is_refused(value: object) -> None:
    with pytest.raises(AmountError):
        parse_amount(value)  # type: ignore[arg-type]  # What a careless caller might pass.


def test_text_of_a_subclass_is_refused() -> None:
    class Sly(str):
        __slots__ = ()

    with pytest.raises(AmountError):
        parse_amount(Sly("1"))


def test_bounds_are_where_they_are_said_to_be() -> None:
    parse_amount("1" * MAX_DIGITS)
    parse_amount(f"1e{MAX_EXPONENT}")
    for text in ("1" * (MAX_DIGITS + 1), f"1e{MAX_EXPONENT + 1}", f"1e-{MAX_EXPONENT + 1}"):
        with pytest.raises(AmountError):
            parse_amount(text)


def test_digits_are_kept_as_they_were_written() -> None:
    assert str(parse_amount("1.500")) == "1.500"


@pytest.mark.parametrize(
    ("value", "text"),
    [("1E+3", "1000"), ("1E-18", "0.000000000000000001"), ("-0", "0"), ("-0.00", "0.00"), ("1.50", "1.50")],
)
def test_amounts_are_printed_plainly(value: str, text: str) -> None:
    assert format_amount(Decimal(value)) == text


def test_sums_keep_every_digit() -> None:
    large, small = Decimal("1e30"), Decimal("1e-30")

    assert subtract(add(large, small), large) == small
    assert total_of([large, small, Decimal("-1e30")]) == small
    assert total_of([]) == ZERO


def test_rounding_is_only_where_it_is_asked_for() -> None:
    with exact(), pytest.raises(decimal.Inexact):
        Decimal(1) / Decimal(3)
    assert round_down(Decimal("1.239"), places=2) == Decimal("1.23")
    assert round_down(Decimal("-1.239"), places=2) == Decimal("-1.23")
    assert round_up(Decimal("1.231"), places=2) == Decimal("1.24")
    assert round_up(Decimal("-1.231"), places=2) == Decimal("-1.24")
    assert round_up(Decimal("1.23"), places=2) == Decimal("1.23")
    assert round_down(Decimal("1234.5"), places=-2) == Decimal("1200")


def test_floats_do_not_mix_in() -> None:
    with exact(), pytest.raises(decimal.FloatOperation):
        Decimal(0.5)  # noqa: RUF032  # The mistake that is meant.

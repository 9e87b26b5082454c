"""Whatever is written comes back digit for digit, and whatever context the bot has set plays no part in it."""

from __future__ import annotations

import decimal
from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.amounts import add, exact, format_amount, parse_amount, round_down, round_up, subtract, total_of
from holdfast.errors import AmountError

ROUNDINGS = (
    decimal.ROUND_CEILING,
    decimal.ROUND_DOWN,
    decimal.ROUND_FLOOR,
    decimal.ROUND_HALF_DOWN,
    decimal.ROUND_HALF_EVEN,
    decimal.ROUND_HALF_UP,
    decimal.ROUND_UP,
    decimal.ROUND_05UP,
)
SIGNALS = (
    decimal.Clamped,
    decimal.DivisionByZero,
    decimal.FloatOperation,
    decimal.Inexact,
    decimal.InvalidOperation,
    decimal.Overflow,
    decimal.Rounded,
    decimal.Subnormal,
    decimal.Underflow,
)
contexts = st.builds(
    decimal.Context,
    prec=st.integers(1, 40),
    rounding=st.sampled_from(ROUNDINGS),
    Emin=st.integers(-20, 0),
    Emax=st.integers(0, 20),
    capitals=st.integers(0, 1),
    clamp=st.integers(0, 1),
    traps=st.lists(st.sampled_from(SIGNALS), unique=True),
)
digits = st.text("0123456789", min_size=1, max_size=30)
plain = st.builds(
    lambda sign, whole, part: f"{sign}{whole}{part and '.' + part}",
    st.sampled_from(["", "-"]),
    digits,
    digits | st.just(""),
)
amounts = st.builds(
    lambda sign, digits, exponent: Decimal((sign, tuple(map(int, digits)), exponent)),
    st.integers(0, 1),
    digits,
    st.integers(-30, 30),
)


@given(text=plain, context=contexts)
def test_what_is_written_is_what_is_read_and_printed(text: str, context: decimal.Context) -> None:
    with decimal.localcontext(context):
        value = parse_amount(text)
        printed = format_amount(value)
        assert parse_amount(printed) == value
    assert Fraction(value) == Fraction(text)
    assert len(printed.partition(".")[2]) == len(text.partition(".")[2])


@given(value=amounts, context=contexts)
def test_printing_and_reading_gives_the_same_amount(value: Decimal, context: decimal.Context) -> None:
    with decimal.localcontext(context):
        assert parse_amount(format_amount(value)) == value


@given(digits=digits, places=st.integers(0, 20), exponent=st.integers(-20, 20))
def test_number_text_and_exponent_form_are_equal(digits: str, places: int, exponent: int) -> None:
    value = Decimal((0, tuple(map(int, digits)), -places))
    with exact():
        shifted = value * (Decimal(10) ** -exponent if exponent < 0 else 1 / Decimal(10) ** exponent)
    assert parse_amount(f"{format_amount(shifted)}e{exponent}") == value


@given(values=st.lists(amounts, max_size=8), context=contexts)
def test_sums_are_exact_in_any_context(values: list[Decimal], context: decimal.Context) -> None:
    with decimal.localcontext(context):
        total = total_of(values)
    assert Fraction(total) == sum(map(Fraction, values))


@given(left=amounts, right=amounts, context=contexts)
def test_sum_and_difference_undo_each_other(left: Decimal, right: Decimal, context: decimal.Context) -> None:
    with decimal.localcontext(context):
        assert subtract(add(left, right), right) == left
        assert add(left, right) == add(right, left)


@given(value=amounts, places=st.integers(0, 20), context=contexts)
def test_rounding_goes_the_way_it_says_by_less_than_a_step(
    value: Decimal, places: int, context: decimal.Context
) -> None:
    with decimal.localcontext(context):
        down, up = round_down(value, places=places), round_up(value, places=places)
    step = Fraction(1, 10**places)
    size = abs(Fraction(value))
    assert size - step < abs(Fraction(down)) <= size
    assert size <= abs(Fraction(up)) < size + step
    assert all((Fraction(each) / step).denominator == 1 for each in (down, up))


@given(text=st.text(max_size=40))
def test_any_text_is_an_exact_amount_or_a_named_refusal(text: str) -> None:
    try:
        value = parse_amount(text)
    except AmountError:
        return
    assert value.is_finite()
    assert Fraction(value) == Fraction(text)
    assert text.isascii()


@given(context=contexts, value=amounts)
def test_our_own_context_leaves_the_callers_as_it_was(context: decimal.Context, value: Decimal) -> None:
    with decimal.localcontext(context) as theirs:
        before = (theirs.prec, theirs.rounding, theirs.traps, theirs.flags)
        with exact():
            _ = value + value
        add(value, value)
        format_amount(value)
        assert decimal.getcontext() is theirs
        assert (theirs.prec, theirs.rounding, theirs.traps) == before[:3]

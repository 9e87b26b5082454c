"""
Money as exact decimals, from the wire's text to the screen.

One strict parser for every venue: a typed decoder alone accepts ``"NaN"``, ``" 1 "``, ``"1_000"`` and foreign digits,
so money stays text until it has passed here. All arithmetic runs in our own decimal context, whatever context the
calling bot has set: high precision, and inexactness is an error outside the functions that say they round.
"""

from __future__ import annotations

import contextvars
import decimal
import functools
import re
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Final

from holdfast.errors import AmountError

__all__ = [
    "MAX_DIGITS",
    "MAX_EXPONENT",
    "ZERO",
    "add",
    "exact",
    "format_amount",
    "multiply",
    "parse_amount",
    "remainder",
    "round_down",
    "round_up",
    "round_up_to",
    "rounding_up",
    "run_rounding_up",
    "subtract",
    "total_of",
    "trim_amount",
]

MAX_DIGITS: Final = 60
"""Most significant-or-not digits an amount's text may have."""

MAX_EXPONENT: Final = 40
"""Largest absolute exponent an amount's text may state."""

ZERO: Final = Decimal(0)

# [0-9], not \d: \d matches every script's digits. \Z, not $: $ lets a trailing newline pass.
_AMOUNT: Final = re.compile(r"-?[0-9]{1,60}(?:\.[0-9]{1,60})?(?:[eE][+-]?[0-9]{1,9})?\Z")

# Sums of amounts of 60 digits and exponents of +-40 stay exact far within this precision; anything that would not
# raises Inexact instead of losing a digit in silence.
_CONTEXT: Final = decimal.Context(
    prec=400,
    rounding=decimal.ROUND_HALF_EVEN,
    Emin=-999_999,
    Emax=999_999,
    capitals=1,
    clamp=0,
    flags=[],
    traps=[
        decimal.InvalidOperation,
        decimal.DivisionByZero,
        decimal.Overflow,
        decimal.Inexact,
        decimal.Rounded,
        decimal.FloatOperation,
    ],
)
_ROUNDING_UP: Final = decimal.Context(
    prec=400,
    rounding=decimal.ROUND_UP,  # Of ``round_up_to``; the others name theirs.
    Emin=-999_999,
    Emax=999_999,
    flags=[],
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)

# Entering a context that is kept costs a tenth of setting another one and setting it back.
_OURS: Final = contextvars.Context()
_OURS.run(decimal.setcontext, _ROUNDING_UP)

run_rounding_up: Final = _OURS.run
"""
Calls a function whose operators are exact, as in ``exact``, and whose ``quantize`` rounds away from zero.

For a rule of many operations: ``run_rounding_up(rule, *facts)``. ``RuntimeError``, and nothing called, where another
thread is in it at that moment; ``with rounding_up():`` is the same for one block at ten times the cost.
"""


def rounding_up() -> AbstractContextManager[decimal.Context]:
    """Our decimal context for a block that rounds: exact operators, and a ``quantize`` that rounds away from zero."""
    return decimal.localcontext(_ROUNDING_UP)


def exact() -> AbstractContextManager[decimal.Context]:
    """
    Our decimal context, for a block of arithmetic.

    Operators on ``Decimal`` use the *calling thread's* context, which belongs to the bot that called us. Wrap every
    block of operator arithmetic on money in ``with exact():``; inside it any rounding raises ``decimal.Inexact``.
    """
    return decimal.localcontext(_CONTEXT)


def parse_amount(text: str) -> Decimal:
    """
    The exact decimal a venue stated.

    Args:
        text: ``-?digits[.digits][e±dd]`` in ASCII digits, nothing around it; at most ``MAX_DIGITS`` digits and an
            exponent within ``MAX_EXPONENT``. Whole units, never minor units.

    Returns:
        The value, digit for digit: trailing zeros are kept (``Decimal("1.500")``).

    Raises:
        AmountError: Anything else: blanks, signs like ``+``, underscores, NaN, Infinity, foreign digits, numbers out
            of bounds, or a value that is not text at all.
    """
    if type(text) is not str or _AMOUNT.match(text) is None:
        raise AmountError(f"not an amount: {_shown(text)}; expected -?digits[.digits][e±dd]")
    if len(text) > 24 or "e" in text or "E" in text:  # Short plain texts cannot break a bound.
        mantissa, _, exponent = text.replace("E", "e").partition("e")
        digits = sum(map(mantissa.count, "0123456789"))
        if digits > MAX_DIGITS or abs(int(exponent or "0")) > MAX_EXPONENT:
            bounds = f"at most {MAX_DIGITS} digits and an exponent within ±{MAX_EXPONENT}"
            raise AmountError(f"amount out of bounds: {_shown(text)}; {bounds}")
    return Decimal(text)  # The constructor is exact in every context.


def _shown(value: object) -> str:
    shown = ascii(value)
    return shown if len(shown) <= 80 else shown[:77] + "..."


def format_amount(value: Decimal) -> str:
    """
    The amount as plain text without exponent; ``parse_amount(format_amount(x)) == x`` digit for digit.

    Negative zero prints as ``0``: no venue means anything by its sign.
    """
    if not value:
        value = value.copy_abs()
    return format(value, "f")


def trim_amount(value: Decimal) -> str:
    """The amount as plain text without idle zeros, for people: ``1.500`` is ``1.5``."""
    text = format_amount(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


# The context's own methods: a function around them would cost as much again, with every frame.
_Operation = Callable[[Decimal, Decimal], Decimal]

add: Final[_Operation] = _CONTEXT.add
"""Exact sum in our own context; raises ``decimal.Inexact`` rather than lose a digit."""

subtract: Final[_Operation] = _CONTEXT.subtract
"""Exact difference in our own context; raises ``decimal.Inexact`` rather than lose a digit."""

multiply: Final[_Operation] = _CONTEXT.multiply
"""Exact product in our own context; raises ``decimal.Inexact`` rather than lose a digit."""

remainder: Final[_Operation] = _CONTEXT.remainder
"""What is left of the first when it is divided into whole steps of the second: zero where it is on that grid."""

round_up_to: Final[_Operation] = _ROUNDING_UP.quantize
"""The first with as many decimals as the second, rounded away from zero: ``round_up`` for a step that is at hand."""


def total_of(amounts: Iterable[Decimal]) -> Decimal:
    """Exact sum of any number of amounts in our own context; ``0`` for none."""
    total = ZERO
    for amount in amounts:
        total = add(total, amount)
    return total


@functools.cache
def _step(places: int) -> Decimal:
    # Made of its parts: scaleb() would obey the limits of the caller's context.
    return Decimal((0, (1,), -places))


def round_down(value: Decimal, *, places: int) -> Decimal:
    """*value* with *places* decimals, rounded toward zero: one of the two places where a digit may be dropped."""
    return value.quantize(_step(places), rounding=decimal.ROUND_DOWN, context=_ROUNDING_UP)


def round_up(value: Decimal, *, places: int) -> Decimal:
    """*value* with *places* decimals, rounded away from zero: the other place where a digit may be dropped."""
    return value.quantize(_step(places), rounding=decimal.ROUND_UP, context=_ROUNDING_UP)

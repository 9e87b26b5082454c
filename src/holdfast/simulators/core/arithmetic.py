"""
The two operations on money that a venue has to round, and nothing else does.

Like ``holdfast.core.amounts`` it runs in a context of its own: a simulator often shares its process with the bot under
test, and that bot's decimal context must not change what the venue computes.
"""

from __future__ import annotations

import decimal
from decimal import Decimal
from typing import Final

__all__ = ["divide", "multiply", "to_step"]

_CONTEXT: Final = decimal.Context(
    prec=120,
    rounding=decimal.ROUND_DOWN,
    Emin=-999_999,
    Emax=999_999,
    flags=[],
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow, decimal.FloatOperation],
)


def divide(value: Decimal, by: Decimal, *, places: int, rounding: str = decimal.ROUND_DOWN) -> Decimal:
    """*value* / *by* with *places* decimals, toward zero unless *rounding* says otherwise."""
    # Made of its parts: scaleb() would obey the limits of the caller's context.
    step = Decimal((0, (1,), -places))
    return _CONTEXT.divide(value, by).quantize(step, rounding=rounding, context=_CONTEXT)


def multiply(left: Decimal, right: Decimal) -> Decimal:
    """The exact product of two amounts."""
    return _CONTEXT.multiply(left, right)


def to_step(value: Decimal, step: Decimal) -> int:
    """How many whole steps *value* is, to the nearest."""
    return int(_CONTEXT.divide(value, step).to_integral_value(rounding=decimal.ROUND_HALF_UP, context=_CONTEXT))

"""
Values as OKX writes them: every number and time is a JSON string; what does not apply is the empty string.

Numbers are made from text, never by arithmetic in the calling thread's decimal context.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import trim_amount

__all__ = ["encode", "minus", "ms", "plain", "plain_or_empty", "us"]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


def encode(value: Any) -> bytes:
    """Compact JSON; a ``Decimal`` becomes text."""
    return _ENCODER.encode(value)


plain = trim_amount
"""An amount as OKX writes it: without trailing zeros."""


def plain_or_empty(value: Decimal | None) -> str:
    """The amount, or the empty string where there is none."""
    return "" if value is None else plain(value)


def minus(value: Decimal) -> str:
    """The amount with its sign turned round: what was charged becomes a negative number."""
    return plain(value.copy_negate())


def ms(at_us: int) -> str:
    """Unix microseconds as OKX's milliseconds."""
    return str(at_us // 1000)


def us(at_us: int) -> str:
    """Unix microseconds as they are."""
    return str(at_us)

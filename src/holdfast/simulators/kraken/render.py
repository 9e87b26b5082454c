"""
Values as Kraken writes them: decimal strings over REST, exact JSON numbers on the stream, times in both forms.

Numbers are made from text, never by arithmetic in the calling thread's decimal context.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import format_amount, round_down

__all__ = ["encode", "number_writer", "places", "plain", "rfc1123", "rfc3339", "unix", "unix_fine"]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def encode(value: Any) -> bytes:
    """Compact JSON; a ``Decimal`` becomes a number, digit for digit."""
    return _ENCODER.encode(value)


def places(value: Decimal, decimals: int) -> str:
    """*value* as text with exactly *decimals* places: ``"1500.2500"``."""
    return format(round_down(value, places=decimals), "f")


def plain(value: Decimal) -> str:
    """*value* as text without trailing zeros."""
    text = format_amount(value)
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain_number(value: Decimal) -> msgspec.Raw:
    text = plain(value)
    return msgspec.Raw((text if "." in text else text + ".0").encode())


def _exponent_number(value: Decimal) -> msgspec.Raw:
    # The form of a shortest-float printer: 1e-08, 1.5e-05, 0.0001, 10.0.
    text = plain(value)
    digits = text.lstrip("-")
    if not digits.startswith("0.0000"):
        return _plain_number(value)
    decimals = digits[2:]
    figures = decimals.lstrip("0")
    power = len(decimals) - len(figures) + 1
    mantissa = figures[0] + ("." + figures[1:] if len(figures) > 1 else "")
    return msgspec.Raw(f"{'-' if text[0] == '-' else ''}{mantissa}e-{power:02d}".encode())


def number_writer(form: str) -> Callable[[Decimal], msgspec.Raw]:
    """How an amount becomes a JSON number on the stream: ``plain``, or ``exponent`` for small ones."""
    return _exponent_number if form == "exponent" else _plain_number


def rfc3339(us: int) -> str:
    """Unix microseconds as ``2026-09-21T10:00:00.123456Z``."""
    seconds, micros = divmod(us, 1_000_000)
    t = time.gmtime(seconds)
    day = f"{t.tm_year:04d}-{t.tm_mon:02d}-{t.tm_mday:02d}"
    return f"{day}T{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}.{micros:06d}Z"


def rfc1123(us: int) -> str:
    """Unix microseconds as Kraken's ``Time`` writes them: ``Mon, 21 Sep 26 10:00:00 +0000``."""
    t = time.gmtime(us // 1_000_000)
    clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:2d} {_MONTHS[t.tm_mon - 1]} {t.tm_year % 100:02d} {clock} +0000"


def unix(us: int) -> msgspec.Raw:
    """Unix microseconds as a JSON number of seconds, four places: ``1790000000.1234``."""
    return msgspec.Raw(f"{us // 1_000_000}.{us % 1_000_000 // 100:04d}".encode())


def unix_fine(us: int) -> msgspec.Raw:
    """Unix microseconds as a JSON number of seconds, all six places."""
    return msgspec.Raw(f"{us // 1_000_000}.{us % 1_000_000:06d}".encode())

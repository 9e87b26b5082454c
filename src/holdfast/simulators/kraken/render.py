"""
Values as Kraken writes them: decimal strings over REST, exact JSON numbers on the stream, times in both forms.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import round_down

__all__ = ["encode", "number_writer", "places", "rfc1123", "rfc3339", "unix", "unix_text"]

_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def encode(value: Any) -> bytes:
    """Compact JSON; a ``Decimal`` becomes a number, digit for digit."""
    return _ENCODER.encode(value)


def places(value: Decimal, decimals: int) -> str:
    """*value* as text with exactly *decimals* places: ``"1500.2500"``."""
    return format(round_down(value, places=decimals), "f")


def _plain_number(value: Decimal) -> Decimal:
    text = format(value.normalize(), "f") if value else "0.0"
    return Decimal(text if "." in text else text + ".0")


def _exponent_number(value: Decimal) -> msgspec.Raw:
    # The form of a shortest-float printer: 1e-08, 1.5e-05, 0.0001, 10.0.
    plain = format(_plain_number(value), "f")
    digits = plain.lstrip("-")
    if not value or not digits.startswith("0.0000"):
        return msgspec.Raw(plain.encode())
    sign, figures, exponent = value.normalize().as_tuple()
    text = "".join(map(str, figures))
    power = int(exponent) + len(text) - 1
    mantissa = text[0] + ("." + text[1:] if len(text) > 1 else "")
    return msgspec.Raw(f"{'-' if sign else ''}{mantissa}e-{-power:02d}".encode())


def number_writer(form: str) -> Callable[[Decimal], Any]:
    """How an amount becomes a JSON number on the stream: ``plain`` or ``exponent`` for small ones."""
    return _exponent_number if form == "exponent" else _plain_number


def rfc3339(us: int) -> str:
    """Unix microseconds as ``2026-09-21T10:00:00.123456Z``."""
    seconds, micros = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{micros:06d}Z"


def rfc1123(us: int) -> str:
    """Unix microseconds as Kraken's ``Time`` writes them: ``Mon, 21 Sep 26 10:00:00 +0000``."""
    t = time.gmtime(us // 1_000_000)
    clock = f"{t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:2d} {_MONTHS[t.tm_mon - 1]} {t.tm_year % 100:02d} {clock} +0000"


def unix(us: int) -> Decimal:
    """Unix microseconds as a JSON number of seconds, four places: ``1790000000.1234``."""
    return (Decimal(us) / 1_000_000).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)


def unix_text(us: int) -> str:
    """Unix microseconds as text of whole seconds; ``"0"`` stays unset."""
    return str(us // 1_000_000)

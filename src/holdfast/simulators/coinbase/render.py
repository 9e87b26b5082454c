"""
Values as Coinbase writes them: decimal text in JSON strings, RFC 3339 times whose fraction varies, Go's times.

Numbers are made from text, never by arithmetic in the calling thread's decimal context.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from holdfast.core.amounts import round_down, trim_amount

__all__ = ["ZERO_TIME", "encode", "go_time", "number", "parse_time_us", "places", "rfc3339"]

ZERO_TIME: Final = "0001-01-01T00:00:00Z"
"""What stands where no time was ever set."""

_ENCODER: Final = msgspec.json.Encoder(decimal_format="string")


def encode(value: Any) -> bytes:
    """Compact JSON; a ``Decimal`` becomes text."""
    return _ENCODER.encode(value)


def places(value: Decimal, decimals: int) -> str:
    """*value* as text with exactly *decimals* places: ``"1250.5500000000000000"``."""
    return format(round_down(value, places=decimals), "f")


def number(value: Decimal) -> msgspec.Raw:
    """*value* as a JSON number, digit for digit."""
    return msgspec.Raw(trim_amount(value).encode())


def rfc3339(us: int) -> str:
    """Unix microseconds as ``2026-09-21T10:00:00.1234Z``, trailing zeros of the fraction left out."""
    seconds, micros = divmod(us, 1_000_000)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + fraction + "Z"


def go_time(us: int, *, since_start_s: float) -> str:
    """Unix microseconds as Go prints a time: ``2026-11-20 07:00:01.0 +0000 UTC m=+123.4``."""
    seconds, micros = divmod(us, 1_000_000)
    stamp = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))
    fraction = f"{micros:06d}".rstrip("0") or "0"
    return f"{stamp}.{fraction} +0000 UTC m=+{since_start_s:.6f}"


def parse_time_us(text: str) -> int | None:
    """The Unix microseconds of an RFC 3339 time, finer digits cut off; None where *text* is none."""
    head, dot, tail = text.partition(".")
    if dot:
        digits = tail[: len(tail) - len(tail.lstrip("0123456789"))]
        text = f"{head}.{digits[:6]:0<6}{tail[len(digits) :]}"
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    whole = moment.replace(microsecond=0)
    return int(whole.timestamp()) * 1_000_000 + moment.microsecond

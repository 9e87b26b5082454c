"""JSON as it arrives: numbers become exact decimals, and what is not JSON becomes nothing."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

__all__ = ["decode_json"]


def _number(text: str) -> Decimal | str:
    try:
        return Decimal(text)
    except InvalidOperation:  # An exponent beyond all bounds: no field accepts text in its place.
        return text


_DECODER: Final = msgspec.json.Decoder(float_hook=_number)


def decode_json(data: bytes) -> Any:
    """The value, with every fraction exact; None where *data* is not JSON."""
    try:
        return _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None

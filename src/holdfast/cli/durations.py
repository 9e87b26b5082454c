"""Durations as a person types them."""

from __future__ import annotations

import re
from typing import Final

from holdfast.errors import UnknownNameError

__all__ = ["seconds_of"]

_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,3})?)(s|m|h|d)?\Z")
_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds_of(text: str) -> float:
    """
    Seconds in ``20s``, ``5m``, ``1.5h``, ``2d``; a bare number is seconds.

    Raises:
        UnknownNameError: It is no duration (exit 2).
    """
    found = _DURATION.match(text)
    if found is None:
        raise UnknownNameError(f"not a duration: {text!a}; expected 20s, 5m, 1h or 2d")
    length_s = float(found[1]) * _UNITS[found[2] or "s"]
    if not length_s:
        raise UnknownNameError(f"{text!a} is no time at all; expected 20s, 5m, 1h or 2d")
    return length_s

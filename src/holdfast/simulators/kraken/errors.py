"""
Kraken's own error strings, as the simulator says them.

Source: https://docs.kraken.com/exchange/guides/general/errors (checked 2026-11-20); strings that Kraken leaves unsaid
are settings.
"""

from __future__ import annotations

from typing import Final

__all__ = [
    "BUSY",
    "DEADLINE",
    "INSUFFICIENT_FUNDS",
    "INTERNAL",
    "INVALID_KEY",
    "INVALID_NONCE",
    "LOCKOUT",
    "PERMISSION_DENIED",
    "RATE_LIMIT",
    "UNAVAILABLE",
    "UNKNOWN_METHOD",
    "UNKNOWN_ORDER",
    "KrakenRefusedError",
    "invalid_arguments",
]

INVALID_KEY: Final = "EAPI:Invalid key"
INVALID_NONCE: Final = "EAPI:Invalid nonce"
RATE_LIMIT: Final = "EAPI:Rate limit exceeded"
LOCKOUT: Final = "EGeneral:Temporary lockout"
PERMISSION_DENIED: Final = "EGeneral:Permission denied"
UNKNOWN_METHOD: Final = "EGeneral:Unknown method"
INTERNAL: Final = "EGeneral:Internal error"
UNAVAILABLE: Final = "EService:Unavailable"
BUSY: Final = "EService:Busy"
DEADLINE: Final = "EService:Deadline elapsed"
INSUFFICIENT_FUNDS: Final = "EOrder:Insufficient funds"
UNKNOWN_ORDER: Final = "EOrder:Unknown order"


class KrakenRefusedError(Exception):
    """The venue says no; ``text`` is its error string."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def invalid_arguments(field: str = "") -> KrakenRefusedError:
    """The refusal of a parameter, named where there is one."""
    return KrakenRefusedError(f"EGeneral:Invalid arguments:{field}" if field else "EGeneral:Invalid arguments")

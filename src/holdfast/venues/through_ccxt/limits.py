"""
Limits of exchanges behind ccxt: ccxt keeps each exchange's own (``enableRateLimit``), and we add only silence.

Source: https://docs.ccxt.com/#/README?id=rate-limit (checked 2026-11-20)
"""

from __future__ import annotations

from typing import Final

__all__ = ["LOCKOUT_S", "PROBE_AFTER_S", "QUIET_AFTER_REFUSAL_S", "REST_LAG_S"]

QUIET_AFTER_REFUSAL_S: Final = 60.0
"""After a refusal for too many calls nothing is sent for so long: most exchanges ban who goes on."""

LOCKOUT_S: Final = 900.0
"""
What an exchange that speaks of a lockout is left alone for; Kraken, which does, asks for fifteen minutes.

https://docs.kraken.com/exchange/guides/general/errors (checked 2026-11-20)
"""

PROBE_AFTER_S: Final = 300.0
"""A refused key is tried again only this seldom."""

REST_LAG_S: Final = 30.0
"""How far lists may lag: no exchange behind ccxt promises less."""

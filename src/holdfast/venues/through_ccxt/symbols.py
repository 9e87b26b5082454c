"""
Names of exchanges behind ccxt: ccxt's unified codes are ours, and its ``BTC/USDT`` is our ``BTC-USDT``.

https://docs.ccxt.com/#/README?id=symbols-and-market-ids (checked 2026-11-20)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from holdfast.core.assets import AssetCode, Symbol, asset_code, symbol_of
from holdfast.errors import UnknownNameError

__all__ = ["asset_of", "symbol_of_market"]


def asset_of(code: str) -> AssetCode:
    """ccxt's code as ours. Raises ``UnknownNameError`` where it cannot be one."""
    return asset_code(code)


def symbol_of_market(market: Mapping[str, Any]) -> Symbol | None:
    """Our symbol of a spot market; None where a code of it cannot be spelt."""
    try:
        return symbol_of(base=asset_of(market["base"]), quote=asset_of(market["quote"]))
    except (UnknownNameError, KeyError):
        return None

"""
The names of what is held, and of what is traded, as every room but a venue's own spells them.

An asset code is short upper-case text (``BTC``, ``USD``, ``USDT``); an instrument's symbol is ``BASE-QUOTE``
(``BTC-USD``). A venue's spelling (``XXBT``, ``XBT/USD``) lives only in that venue's folder. USD, USDC and USDT are
different money.
"""

from __future__ import annotations

import re
from typing import Final

from holdfast.errors import UnknownNameError

__all__ = ["AssetCode", "Symbol", "asset_code", "split_symbol", "symbol_of"]

AssetCode = str
"""Canonical code of something held, such as ``BTC``."""

Symbol = str
"""Canonical spelling of something traded, ``BASE-QUOTE``, such as ``BTC-USD``."""

# Venues list codes such as "1INCH", "USD.HOLD", "stETH" and, for tokenized equities, "AAPLx".
_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+]{0,31}\Z")


def asset_code(text: str) -> AssetCode:
    """
    *text* as an asset code.

    Raises:
        UnknownNameError: *text* is not 1 to 32 ASCII letters, digits, dots, underscores or plus signs.
    """
    if type(text) is not str or _CODE.match(text) is None:
        raise UnknownNameError(f"not an asset code: {ascii(text)[:80]}; expected something like BTC or USDT")
    return text


def symbol_of(*, base: AssetCode, quote: AssetCode) -> Symbol:
    """The canonical symbol of the instrument that trades *base* for *quote*."""
    return f"{base}-{quote}"


def split_symbol(symbol: Symbol) -> tuple[AssetCode, AssetCode]:
    """
    Base and quote of a canonical symbol.

    Raises:
        UnknownNameError: *symbol* is not ``BASE-QUOTE``.
    """
    base, dash, quote = symbol.partition("-") if type(symbol) is str else ("", "", "")
    if not dash or _CODE.match(base) is None or _CODE.match(quote) is None:
        raise UnknownNameError(f"not a symbol: {ascii(symbol)[:80]}; expected BASE-QUOTE, such as BTC-USD")
    return base, quote

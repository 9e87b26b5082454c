"""
Coinbase's names and ours, both ways.

A product is ``BASE-QUOTE`` in capitals, which is how we spell symbols, and a currency is called what everybody calls
it, but for those in a table. USD and USDC are different money although one order book serves both: an order settles in
the quote of the product it names. ``BTC-USD`` and its alias ``BTC-USDC`` are two instruments here.

Sources: https://docs.cdp.coinbase.com/api-reference/advanced-trade-api/rest-api/public/list-public-products ·
https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket/websocket-channels ·
https://github.com/ccxt/ccxt/blob/master/python/ccxt/coinbase.py for CGLD (checked 2026-11-20)
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from holdfast.core.assets import AssetCode, Symbol, asset_code
from holdfast.core.instruments import AssetInfo, Instrument
from holdfast.errors import UnknownAssetError, UnknownNameError

__all__ = ["Names", "code_of", "split_product"]

# Coinbase's code for an asset, where the rest of the world says something else.
_RENAMED: Final = {"CGLD": "CELO"}


@functools.lru_cache(maxsize=10_000)
def code_of(currency: str) -> AssetCode:
    """
    Our code of a currency.

    An account may hold what no product names (delisted, staked): it keeps its name, and nothing trades it. A listed
    ``CELO`` could not be told from ``CGLD``: whoever meets both in one answer refuses it.

    Raises:
        UnknownAssetError: No text that a currency can be called.
    """
    try:
        return asset_code(_RENAMED.get(currency, currency))
    except UnknownNameError:
        raise UnknownAssetError(f"coinbase: {ascii(currency)[:40]} is no currency") from None


def split_product(product_id: str) -> tuple[AssetCode | None, AssetCode | None]:
    """Base and quote of a spot product that may not be listed; each None where the name does not say."""
    base, dash, quote = product_id.partition("-")
    if not dash or "-" in quote:
        return None, None
    try:
        return code_of(base), code_of(quote)
    except UnknownAssetError:
        return None, None


class Names:
    """
    Translations made from one reading of the products; never changes.

    Attributes:
        assets: Ours to the currencies that products name.
        instruments: Ours to what Coinbase lists for spot.
        left_out: Ids of products that are no instrument of ours, with the reason.
    """

    def __init__(
        self,
        *,
        assets: Mapping[AssetCode, AssetInfo],
        instruments: Mapping[Symbol, Instrument],
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.left_out: Final = dict(left_out or {})
        self.assets: Final = dict(assets)
        self.instruments: Final = dict(instruments)
        self._symbol_of: dict[str, Symbol] = {each.venue_symbol: each.symbol for each in self.instruments.values()}

    def instrument(self, product_id: str) -> Symbol | None:
        """Our symbol of a product, or None where Coinbase does not list it for spot."""
        return self._symbol_of.get(product_id)

    def sides(self, product_id: str) -> tuple[AssetCode | None, AssetCode | None]:
        """Base and quote of a product; of one that is not listed, as far as its name says."""
        symbol = self._symbol_of.get(product_id)
        if symbol is None:
            return split_product(product_id)
        listed = self.instruments[symbol]
        return listed.base, listed.quote

    def product(self, symbol: Symbol) -> str:
        """
        Coinbase's id of an instrument.

        Raises:
            UnknownNameError: Coinbase does not list it; names those that trade the same base.
        """
        listed = self.instruments.get(symbol)
        if listed is None:
            base = str(symbol).partition("-")[0]
            near = sorted(each for each, found in self.instruments.items() if found.base == base)[:5]
            hint = f"; it lists {', '.join(near)}" if near else ""
            raise UnknownNameError(f"coinbase lists no instrument {ascii(symbol)[:40]}{hint}")
        return listed.venue_symbol

    def currency(self, code: AssetCode) -> str:
        """
        Coinbase's name of an asset.

        Raises:
            UnknownNameError: No product names it.
        """
        listed = self.assets.get(code)
        if listed is None:
            raise UnknownNameError(f"coinbase lists no asset {ascii(code)[:40]}")
        return listed.venue_symbol

"""
What the simulated Kraken lists: assets, their balance rows, and pairs, each under Kraken's several spellings.

Sources (checked 2026-11-20): https://docs.kraken.com/api/docs/rest-api/get-asset-info,
https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs,
https://support.kraken.com/articles/360000920306-api-symbols-and-tickers,
https://support.kraken.com/hc/en-us/articles/360039879471-What-is-Asset-S-and-Asset-M-. Prices, minimums and decimals
are plausible, not current.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode

__all__ = ["EARN_SUFFIX", "LOCKED_SUFFIXES", "ListedAsset", "ListedPair", "Listing", "listing_for"]

EARN_SUFFIX: Final = "F"
"""Rows that earn by themselves and can be spent by trading the base asset."""

LOCKED_SUFFIXES: Final = ("B", "M", "P", "S")
"""Rows that are owned and cannot be spent."""

_WALLETS: Final = {
    "": ("spot", "main"),
    "F": ("earn", "liquid"),
    "M": ("earn", "flexible"),
    "B": ("earn", "bonded"),
    "S": ("earn", "locked"),
    "P": ("earn", "locked"),
}


class ListedAsset(msgspec.Struct, frozen=True, kw_only=True):
    """
    One row that a balance may have.

    ``id`` is the spelling of balances and ledgers (``XXBT``, ``XBT.F``), ``altname`` the short one, ``code`` the
    canonical asset it belongs to. ``suffix`` is empty for the base row. ``decimals`` are the ledger's places.
    """

    id: str
    altname: str
    code: AssetCode
    suffix: str
    decimals: int
    display_decimals: int
    usd: Decimal  # For valuations only.
    collateral: str | None = None

    @property
    def truth_code(self) -> str:
        """The canonical name of the row: its asset's, or one of its own where the row is locked."""
        if self.suffix in ("", EARN_SUFFIX):
            return self.code
        days = self.altname.partition(".")[0].lstrip("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
        return f"{self.code}{days}.{self.suffix}"

    @property
    def wallet(self) -> tuple[str, str]:
        """Type and id of the stream's wallet that holds this row."""
        return _WALLETS[self.suffix]


class ListedPair(msgspec.Struct, frozen=True, kw_only=True):
    """One market under its four spellings, with its rules. ``code`` is canonical (``BTC-USD``)."""

    key: str  # XXBTZUSD
    altname: str  # XBTUSD
    wsname: str  # XBT/USD
    symbol: str  # BTC/USD, the stream's
    code: str
    base: ListedAsset
    quote: ListedAsset
    price_decimals: int
    lot_decimals: int
    cost_decimals: int
    tick: Decimal
    order_min: Decimal
    cost_min: Decimal
    start_price: Decimal
    leverage: tuple[int, ...]


class Listing:
    """Every asset and pair, found by any of its spellings."""

    def __init__(self, assets: list[ListedAsset], pairs: list[ListedPair]) -> None:
        self.assets: dict[str, ListedAsset] = {asset.id: asset for asset in assets}
        self.pairs: dict[str, ListedPair] = {pair.key: pair for pair in pairs}
        self.main: dict[AssetCode, ListedAsset] = {asset.code: asset for asset in assets if not asset.suffix}
        self.by_code: dict[str, ListedPair] = {pair.code: pair for pair in pairs}
        self.by_symbol: dict[str, ListedPair] = {pair.symbol: pair for pair in pairs}
        self._rows: dict[AssetCode, list[ListedAsset]] = {}
        self._asset_names: dict[str, ListedAsset] = {}
        for asset in assets:
            self._rows.setdefault(asset.code, []).append(asset)
            self._asset_names.setdefault(asset.altname, asset)
            self._asset_names[asset.id] = asset
        self._pair_names: dict[str, ListedPair] = {}
        for pair in pairs:
            for name in (pair.key, pair.altname, pair.wsname, pair.symbol):
                self._pair_names[name] = pair

    def asset(self, name: str) -> ListedAsset | None:
        """The asset row of this id or altname, as REST calls take it."""
        return self._asset_names.get(name)

    def pair(self, name: str) -> ListedPair | None:
        """The pair of this key, altname or either slash form, as REST calls take it."""
        return self._pair_names.get(name)

    def rows_of(self, code: AssetCode) -> list[ListedAsset]:
        """Every row that belongs to one asset, the base row first."""
        return self._rows[code]


# id, altname, code, decimals, display decimals, USD price, suffixes, collateral value
_ASSETS: Final = (
    ("ZUSD", "USD", "USD", 4, 2, "1", "", "1.00"),
    ("ZEUR", "EUR", "EUR", 4, 2, "1.1", "", "1.00"),
    ("ZGBP", "GBP", "GBP", 4, 2, "1.25", "", "1.00"),
    ("XXBT", "XBT", "BTC", 10, 5, "40000", "FMB", "1.00"),
    ("XETH", "ETH", "ETH", 10, 5, "2500", "FBS", "1.00"),
    ("SOL", "SOL", "SOL", 10, 5, "100", "FBS", "0.95"),
    ("DOT", "DOT", "DOT", 10, 8, "5", "FMSPB", "0.90"),
    ("ADA", "ADA", "ADA", 8, 6, "0.5", "FSB", "0.90"),
    ("ATOM", "ATOM", "ATOM", 8, 6, "8", "FSB", "0.90"),
    ("XTZ", "XTZ", "XTZ", 8, 6, "0.9", "FSB", "0.90"),
    ("XXRP", "XRP", "XRP", 8, 5, "0.6", "", "0.95"),
    ("XLTC", "LTC", "LTC", 10, 5, "80", "", "0.95"),
    ("XXDG", "XDG", "DOGE", 8, 2, "0.1", "", "0.90"),
    ("ZRX", "ZRX", "ZRX", 10, 5, "0.4", "", None),
    ("USDT", "USDT", "USDT", 8, 4, "1", "FM", "0.99"),
    ("USDC", "USDC", "USDC", 8, 4, "1", "FM", "0.99"),
    ("KFEE", "FEE", "KFEE", 2, 2, "0", "", None),
)

# Staked rows that carry their unbonding days.
_DAYS_ROWS: Final = (("SOL", "SOL03.S"), ("DOT", "DOT28.S"), ("ATOM", "ATOM21.S"))

# key, altname, base, quote, price decimals, tick, order minimum, cost minimum, start price, leverage
_PAIRS: Final = (
    ("XXBTZUSD", "XBTUSD", "BTC", "USD", 1, "0.1", "0.00005", "0.5", "40000.0", (2, 3, 4, 5)),
    ("XXBTZEUR", "XBTEUR", "BTC", "EUR", 1, "0.1", "0.00005", "0.45", "36360.0", (2, 3, 4, 5)),
    ("XXBTZGBP", "XBTGBP", "BTC", "GBP", 1, "0.1", "0.00005", "0.4", "32000.0", (2, 3)),
    ("XBTUSDT", "XBTUSDT", "BTC", "USDT", 1, "0.1", "0.00005", "0.5", "40010.0", (2, 3)),
    ("XBTUSDC", "XBTUSDC", "BTC", "USDC", 2, "0.01", "0.00005", "0.5", "40000.00", (2, 3)),
    ("XETHZUSD", "ETHUSD", "ETH", "USD", 2, "0.01", "0.001", "0.5", "2500.00", (2, 3, 4, 5)),
    ("XETHZEUR", "ETHEUR", "ETH", "EUR", 2, "0.01", "0.001", "0.45", "2272.00", (2, 3, 4, 5)),
    ("XETHXXBT", "ETHXBT", "ETH", "BTC", 5, "0.00001", "0.001", "0.00002", "0.06250", (2, 3)),
    ("ETHUSDT", "ETHUSDT", "ETH", "USDT", 2, "0.01", "0.001", "0.5", "2500.50", (2, 3)),
    ("SOLUSD", "SOLUSD", "SOL", "USD", 2, "0.01", "0.02", "0.5", "100.00", (2, 3)),
    ("SOLEUR", "SOLEUR", "SOL", "EUR", 2, "0.01", "0.02", "0.45", "90.90", (2, 3)),
    ("DOTUSD", "DOTUSD", "DOT", "USD", 4, "0.0001", "0.5", "0.5", "5.0000", (2, 3)),
    ("ADAUSD", "ADAUSD", "ADA", "USD", 6, "0.000001", "5", "0.5", "0.500000", (2, 3)),
    ("ATOMUSD", "ATOMUSD", "ATOM", "USD", 4, "0.0001", "0.5", "0.5", "8.0000", (2, 3)),
    ("XTZUSD", "XTZUSD", "XTZ", "USD", 4, "0.0001", "5", "0.5", "0.9000", (2, 3)),
    ("XXRPZUSD", "XRPUSD", "XRP", "USD", 5, "0.00001", "5", "0.5", "0.60000", (2, 3)),
    ("XLTCZUSD", "LTCUSD", "LTC", "USD", 2, "0.01", "0.05", "0.5", "80.00", (2, 3)),
    ("XDGUSD", "XDGUSD", "DOGE", "USD", 7, "0.0000001", "30", "0.5", "0.1000000", (2, 3)),
    ("ZRXUSD", "ZRXUSD", "ZRX", "USD", 4, "0.0001", "10", "0.5", "0.4000", ()),
    ("USDTZUSD", "USDTUSD", "USDT", "USD", 5, "0.00001", "5", "0.5", "0.99990", (2, 3)),
    ("USDCUSD", "USDCUSD", "USDC", "USD", 4, "0.0001", "5", "0.5", "1.0000", (2, 3)),
    ("ZEURZUSD", "EURUSD", "EUR", "USD", 5, "0.00001", "0.5", "0.5", "1.10000", (2, 3)),
    ("ZGBPZUSD", "GBPUSD", "GBP", "USD", 5, "0.00001", "0.5", "0.5", "1.25000", (2, 3)),
)


# A currency that was given up, and what would still be traded for it: see ``is_busd_listed``.
_BUSD_ASSET: Final = ("BUSD", "BUSD", "BUSD", 8, 4, "1", "", None)
_BUSD_PAIRS: Final = (
    ("XBTBUSD", "XBTBUSD", "BTC", "BUSD", 1, "0.1", "0.00005", "0.5", "40000.0", ()),
    ("ETHBUSD", "ETHBUSD", "ETH", "BUSD", 2, "0.01", "0.001", "0.5", "2500.00", ()),
    ("BUSDUSD", "BUSDUSD", "BUSD", "USD", 4, "0.0001", "5", "0.5", "0.9990", ()),
)


def listing_for(*, extra_assets: int = 0, is_busd_listed: bool = False) -> Listing:
    """The assets and pairs; with *extra_assets* made-up ones and a dollar market each, and with BUSD's."""
    assets: list[ListedAsset] = []
    rows = (*_ASSETS, _BUSD_ASSET) if is_busd_listed else _ASSETS
    for id_, altname, code, decimals, shown, usd, suffixes, collateral in rows:
        for suffix in ("", *suffixes):
            assets.append(
                ListedAsset(
                    id=f"{altname}.{suffix}" if suffix else id_,
                    altname=f"{altname}.{suffix}" if suffix else altname,
                    code=code,
                    suffix=suffix,
                    decimals=decimals,
                    display_decimals=shown,
                    usd=Decimal(usd),
                    collateral=None if suffix else collateral,
                )
            )
    main = {asset.code: asset for asset in assets if not asset.suffix}
    for code, row in _DAYS_ROWS:
        assets.append(msgspec.structs.replace(main[code], id=row, altname=row, suffix="S", collateral=None))
    pairs = [
        _pair(key, altname, main[base], main[quote], decimals, tick, order_min, cost_min, price, leverage)
        for key, altname, base, quote, decimals, tick, order_min, cost_min, price, leverage in (
            (*_PAIRS, *_BUSD_PAIRS) if is_busd_listed else _PAIRS
        )
    ]
    for number in range(extra_assets):
        name = f"TOK{number:03d}"
        asset = ListedAsset(
            id=name, altname=name, code=name, suffix="", decimals=8, display_decimals=5, usd=Decimal(1 + number % 7)
        )
        assets.append(asset)
        price = f"{1 + number % 7}.0000"
        pairs.append(_pair(f"{name}USD", f"{name}USD", asset, main["USD"], 4, "0.0001", "1", "0.5", price, ()))
    return Listing(assets, pairs)


def _pair(
    key: str,
    altname: str,
    base: ListedAsset,
    quote: ListedAsset,
    price_decimals: int,
    tick: str,
    order_min: str,
    cost_min: str,
    start_price: str,
    leverage: tuple[int, ...],
) -> ListedPair:
    return ListedPair(
        key=key,
        altname=altname,
        wsname=f"{base.altname}/{quote.altname}",
        symbol=f"{base.code}/{quote.code}",
        code=f"{base.code}-{quote.code}",
        base=base,
        quote=quote,
        price_decimals=price_decimals,
        lot_decimals=8,
        cost_decimals=max(5, min(quote.decimals, 8)) if quote.decimals > 4 else 5,
        tick=Decimal(tick),
        order_min=Decimal(order_min),
        cost_min=Decimal(cost_min),
        start_price=Decimal(start_price),
        leverage=leverage,
    )

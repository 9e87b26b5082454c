"""
What the simulated OKX lists: currencies, and spot instruments with their rules.

Since 2025 there is one order book for dollars and dollar coins: ``BTC-USD`` can be traded against USDC by naming it in
``tradeQuoteCcy``. Such a line is a market of its own here, which moves with the first. Sources (checked 2026-11-20):
https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments, https://www.okx.com/docs-v5/log_zh/ (2025-08-20).
Prices, minimums and steps are plausible, not current.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final

import msgspec

from holdfast.core.assets import AssetCode

__all__ = ["Currency", "Instrument", "Listing", "listing_for"]


class Currency(msgspec.Struct, frozen=True, kw_only=True):
    """One currency; ``decimals`` are the ledger's places, ``usd`` its worth where no market says so."""

    code: AssetCode
    name: str
    decimals: int
    usd: Decimal
    position: int


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """
    One spot instrument with its rules, as traded against one currency.

    ``line`` names the market of the engine: base and the currency that is really paid, ``BTC-USDC`` for ``BTC-USD``
    traded against USDC.
    """

    line: str
    id: str
    base: Currency
    quote: Currency  # What is paid and received.
    named_quote: AssetCode  # What the id says.
    quotes: tuple[AssetCode, ...]
    tick: Decimal
    price_decimals: int
    lot: Decimal
    quantity_decimals: int
    min_size: Decimal
    max_limit_size: Decimal
    max_market_usd: Decimal
    group: str
    code: int
    start_price: Decimal


class Listing:
    """Every currency and instrument."""

    def __init__(self, currencies: list[Currency], lines: list[Instrument]) -> None:
        self.currencies: dict[AssetCode, Currency] = {currency.code: currency for currency in currencies}
        self.lines: dict[str, Instrument] = {line.line: line for line in lines}
        self.instruments: dict[str, Instrument] = {line.id: line for line in lines if line.line == line.id}
        self.by_code: dict[int, Instrument] = {line.code: line for line in self.instruments.values()}

    def line(self, instrument: Instrument, quote: AssetCode) -> Instrument | None:
        """The instrument as it trades against *quote*; None where it does not."""
        return self.lines[f"{instrument.base.code}-{quote}"] if quote in instrument.quotes else None

    def lines_of(self, instrument_id: str) -> list[Instrument]:
        """The instrument with every quote currency it trades against, its own first."""
        instrument = self.instruments[instrument_id]
        return [self.lines[f"{instrument.base.code}-{quote}"] for quote in instrument.quotes]


# code, name, decimals, USD price
_CURRENCIES: Final = (
    ("USDT", "Tether", 8, "1"),
    ("USDC", "USD Coin", 8, "1"),
    ("USD", "US dollar", 8, "1"),
    ("EUR", "Euro", 8, "1.1"),
    ("BTC", "Bitcoin", 10, "40000"),
    ("ETH", "Ethereum", 10, "2500"),
    ("SOL", "Solana", 10, "100"),
    ("XRP", "Ripple", 8, "0.6"),
    ("DOGE", "Dogecoin", 8, "0.1"),
    ("ADA", "Cardano", 8, "0.5"),
    ("DOT", "Polkadot", 10, "5"),
    ("LTC", "Litecoin", 10, "80"),
    ("OKB", "OKB", 8, "50"),
)

# base, quote, further quotes, tick, price decimals, lot decimals, minimum, group, start price
_INSTRUMENTS: Final = (
    ("BTC", "USDT", (), "0.1", 1, 8, "0.00001", "1", "40000.0"),
    ("ETH", "USDT", (), "0.01", 2, 6, "0.0001", "1", "2500.00"),
    ("SOL", "USDT", (), "0.01", 2, 6, "0.01", "1", "100.00"),
    ("XRP", "USDT", (), "0.0001", 4, 6, "1", "1", "0.6000"),
    ("DOGE", "USDT", (), "0.00001", 5, 6, "10", "1", "0.10000"),
    ("ADA", "USDT", (), "0.0001", 4, 6, "1", "1", "0.5000"),
    ("DOT", "USDT", (), "0.001", 3, 6, "0.1", "1", "5.000"),
    ("LTC", "USDT", (), "0.01", 2, 6, "0.01", "1", "80.00"),
    ("OKB", "USDT", (), "0.01", 2, 6, "0.01", "1", "50.00"),
    ("USDC", "USDT", (), "0.0001", 4, 6, "1", "11", "1.0000"),
    ("ETH", "BTC", (), "0.00001", 5, 6, "0.001", "2", "0.06250"),
    ("BTC", "USD", ("USDC",), "0.1", 1, 8, "0.00001", "9", "40000.0"),
    ("ETH", "USD", ("USDC",), "0.01", 2, 6, "0.0001", "9", "2500.00"),
    ("SOL", "USD", ("USDC",), "0.01", 2, 6, "0.01", "9", "100.00"),
    ("BTC", "EUR", (), "0.1", 1, 8, "0.00001", "4", "36360.0"),
    ("ETH", "EUR", (), "0.01", 2, 6, "0.0001", "4", "2272.00"),
)


# A currency that was given up, and what would still be traded for it: see ``is_busd_listed``.
_BUSD: Final = ("BUSD", "Binance USD", 8, "1")
_BUSD_INSTRUMENTS: Final = (
    ("BTC", "BUSD", (), "0.1", 1, 8, "0.00001", "1", "40000.0"),
    ("BUSD", "USDT", (), "0.0001", 4, 6, "1", "1", "0.9990"),
)


def listing_for(*, extra_currencies: int = 0, is_busd_listed: bool = False) -> Listing:
    """The currencies and instruments; with *extra_currencies* made-up ones and a USDT market each, and with BUSD's."""
    currencies = [
        Currency(code=code, name=name, decimals=decimals, usd=Decimal(usd), position=position)
        for position, (code, name, decimals, usd) in enumerate((*_CURRENCIES, _BUSD) if is_busd_listed else _CURRENCIES)
    ]
    rows = [*_INSTRUMENTS, *_BUSD_INSTRUMENTS] if is_busd_listed else list(_INSTRUMENTS)
    for number in range(extra_currencies):
        code = f"TOK{number:03d}"
        price = 1 + number % 7
        currencies.append(
            Currency(code=code, name=f"Token {number}", decimals=8, usd=Decimal(price), position=len(currencies))
        )
        rows.append((code, "USDT", (), "0.0001", 4, 6, "1", "1", f"{price}.0000"))
    by_code = {currency.code: currency for currency in currencies}
    lines = []
    for position, (base, named, more, tick, price_decimals, lot_decimals, minimum, group, start) in enumerate(rows):
        for quote in (named, *more):
            lines.append(
                Instrument(
                    line=f"{base}-{quote}",
                    id=f"{base}-{named}",
                    base=by_code[base],
                    quote=by_code[quote],
                    named_quote=named,
                    quotes=(named, *more),
                    tick=Decimal(tick),
                    price_decimals=price_decimals,
                    lot=Decimal((0, (1,), -lot_decimals)),
                    quantity_decimals=lot_decimals,
                    min_size=Decimal(minimum),
                    max_limit_size=Decimal(9_999_999_999),
                    max_market_usd=Decimal(1_000_000),
                    group=group,
                    code=10_000 + position,
                    start_price=Decimal(start),
                )
            )
    return Listing(currencies, lines)
